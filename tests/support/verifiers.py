"""Programs of others that read our mail: dkimpy and Debian's Mail::DKIM say whether signatures hold. DNS alone is faked."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dkim as dkimpy
import pytest

from digest.outbox import dkim, signing_keys

PERL_DKIM = Path(__file__).with_name("verify.pl")
WITHOUT_PERL = "DIGEST_TEST_WITHOUT_PERL_DKIM"
MISSING = (
    "Mail::DKIM, the second verifier of signatures, is not installed. On Debian and Ubuntu: "
    f"apt-get install libmail-dkim-perl; elsewhere: cpan Mail::DKIM. Or set {WITHOUT_PERL}=1 to do without it here."
)


def records(keys: Iterable[dkim.Key]) -> dict[str, str]:
    """What DNS holds once these keys are published."""
    return {signing_keys.record_name(key.domain, key.selector): signing_keys.record(key) for key in keys}


def by_dkimpy(content: bytes, published: Mapping[str, str]) -> list[bool]:
    """For each signature, from the top, whether it holds."""
    count = content.partition(b"\r\n\r\n")[0].lower().count(b"dkim-signature:")

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        found = published.get(name.decode().rstrip("."))
        return found.encode() if found else None

    return [_holds(content, number, look_up) for number in range(count)]


def _holds(content: bytes, number: int, look_up: object) -> bool:
    try:
        return bool(dkimpy.DKIM(content).verify(number, dnsfunc=look_up))
    except dkimpy.DKIMException:
        return False


def by_mail_dkim(mails: Sequence[bytes], published: Mapping[str, str]) -> list[list[tuple[str, str]]]:
    """For each mail, selector and result ("pass" or what is wrong) of each signature it could read."""
    given = {"records": dict(published), "mails": [base64.b64encode(mail).decode() for mail in mails]}
    run = ["perl", str(PERL_DKIM)]
    found = subprocess.run(run, input=json.dumps(given), capture_output=True, text=True, check=True, timeout=120)
    return [[(selector, result) for selector, result in mail] for mail in json.loads(found.stdout)]


def has_mail_dkim() -> bool:
    """Fails the test where Mail::DKIM is missing, unless somebody said in so many words to do without."""
    if shutil.which("perl") and not subprocess.run(["perl", "-MMail::DKIM", "-e1"], capture_output=True).returncode:
        return True
    if os.environ.get(WITHOUT_PERL) != "1":
        pytest.fail(MISSING)
    return False

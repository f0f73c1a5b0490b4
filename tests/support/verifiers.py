"""What others make of our mail: dkimpy, OpenDKIM and Mail::DKIM verify signatures, Perl's Email::MIME reads the rest.

Each runs as it would at a receiver; only DNS is faked.
"""

import base64
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest

from digest.outbox import dkim, signing_keys

HERE = Path(__file__).parent
# Debian keeps daemons where only root's PATH leads.
PLACES = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
WITHOUT = "DIGEST_TEST_WITHOUT_MAIL_TOOLS"
MISSING = (
    "The programs that check our mail independently are not installed. On Debian and Ubuntu: apt-get install "
    "opendkim libmail-dkim-perl libemail-mime-perl (as root, and stop the opendkim service, it is not needed). "
    f"Or set {WITHOUT}=1 to test with dkimpy and Python's parser alone; the full check runs with all of them."
)


@functools.cache
def are_there() -> bool:
    """Fails the test where they are missing, unless somebody said in so many words to do without."""
    modules = ["perl", "-MMail::DKIM", "-MEmail::MIME", "-MEmail::Address::XS", "-e1"]
    programs = all(shutil.which(name, path=PLACES) for name in ("opendkim", "perl"))
    if programs and subprocess.run(modules, capture_output=True).returncode == 0:
        return True
    if os.environ.get(WITHOUT) != "1":
        pytest.fail(MISSING)
    return False


def records(keys: Iterable[dkim.Key]) -> dict[str, str]:
    """What DNS holds once these keys are published."""
    return {signing_keys.record_name(key.domain, key.selector): signing_keys.record(key) for key in keys}


def verdicts(mails: Sequence[bytes], published: Mapping[str, str]) -> list[list[bool]]:
    """For each mail and each of its signatures, from the top, whether it holds. All verifiers must agree."""
    found = [_by_dkimpy(mail, published) for mail in mails]
    if are_there():
        assert _by_opendkim(mails, published) == found
        for mail, ours, theirs in zip(mails, found, _by_mail_dkim(mails, published), strict=True):
            # Debian's Mail::DKIM passes over Ed25519 signatures; the other two know them.
            kinds = re.findall(rb"a=(\w+)-sha256", mail)
            assert theirs == [holds for holds, kind in zip(ours, kinds, strict=True) if kind == b"rsa"]
    return found


def _by_dkimpy(mail: bytes, published: Mapping[str, str]) -> list[bool]:
    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        found = published.get(name.decode().rstrip("."))
        return found.encode() if found else None

    return [_holds(mail, number, look_up) for number in range(mail.count(b"DKIM-Signature: "))]


def _holds(mail: bytes, number: int, look_up: object) -> bool:
    try:
        return bool(dkimpy.DKIM(mail).verify(number, dnsfunc=look_up))
    except dkimpy.DKIMException:
        return False


def _by_opendkim(mails: Sequence[bytes], published: Mapping[str, str]) -> list[list[bool]]:
    """Its test mode reads files and prints the Authentication-Results it would add."""
    program = shutil.which("opendkim", path=PLACES)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "keys").write_text("".join(f"{name} {text}\n" for name, text in published.items()))
        settings = f"Mode v\nSyslog no\nAuthservID here\nAlwaysAddARHeader yes\nTestPublicKeys {place}/keys\n"
        (place / "conf").write_text(settings)
        for number, mail in enumerate(mails):
            (place / str(number)).write_bytes(mail)
        run = [str(program), "-x", "conf", "-vv", "-t", ",".join(map(str, range(len(mails))))]
        done = subprocess.run(run, cwd=place, capture_output=True, timeout=300)
    said = done.stdout.decode("utf-8", "replace").split("### INSHEADER")[1:]
    assert len(said) == len(mails), done.stderr.decode("utf-8", "replace")[-500:]
    return [[result == "pass" for result in re.findall(r"\bdkim=(\w+)", each)] for each in said]


def _by_mail_dkim(mails: Sequence[bytes], published: Mapping[str, str]) -> list[list[bool]]:
    return [[result == "pass" for result in each] for each in _perl("verify.pl", mails, records=dict(published))]


def read(mails: Sequence[bytes]) -> list[dict[str, Any]]:
    """What Email::MIME finds: header names, subject, from and to as (name, address), and the parts decoded."""
    found: list[dict[str, Any]] = _perl("read.pl", mails)
    return found


def _perl(script: str, mails: Sequence[bytes], **more: Any) -> Any:
    given = {"mails": [base64.b64encode(mail).decode() for mail in mails]} | more
    run = ["perl", str(HERE / script)]
    done = subprocess.run(run, input=json.dumps(given), capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

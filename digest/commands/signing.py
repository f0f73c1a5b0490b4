"""`dkim new` and `dkim show`: make a signing key, and say what DNS has to hold and whether it does.

Writes key files only, and never over another; shows public halves only. Asks DNS only when told to.
"""

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dns.exception
import dns.resolver

from digest import clock, config, errors
from digest.commands import output
from digest.outbox import dkim, signing_keys
from digest.run import wiring

# A name server that does not answer within this is not going to answer a receiver either.
DNS_SECONDS = 10.0
PUBLISHED, MISSING = "published", "not published"


@dataclasses.dataclass(frozen=True)
class Shown:
    """A key and what is known of it. Without `is_used` it lies in var/dkim, but digest.toml does not name it."""

    key: dkim.Key
    path: Path
    is_used: bool
    dns: str | None

    def document(self) -> dict[str, object]:
        return {
            "domain": self.key.domain,
            "selector": self.key.selector,
            "algorithm": self.key.algorithm,
            "file": str(self.path),
            "signs": self.is_used,
            "name": signing_keys.record_name(self.key.domain, self.key.selector),
            "text": signing_keys.record(self.key),
            "zone": signing_keys.zone_line(self.key),
            "dns": self.dns,
        }

    def lines(self) -> Iterator[str]:
        told = self.document()
        use = "signs" if self.is_used else "does not sign: digest.toml does not name it"
        yield f"{self.key.domain}, selector {self.key.selector}, {self.key.algorithm}: {use}"
        if self.dns:
            yield f"  dns   {self.dns}"
        yield from (f"  {what:5} {told[what]}" for what in ("file", "name", "text", "zone"))


def new(domain: str, selector: str | None, algorithm: str) -> int:
    home = config.home()
    domain = signing_keys.domain_of(domain)
    selector = signing_keys.checked_selector(selector or _usual_selector(algorithm, clock.system()), domain)
    place = Path("var") / "dkim" / domain / f"{selector}.pem"
    signing_keys.make(home / place, algorithm)
    key = signing_keys.read(signing_keys.Entry(domain, selector, home / place))
    output.show({}, _next_steps(key, place), as_json=False)
    return 0


def _usual_selector(algorithm: str, now: datetime) -> str:
    """Tells when the key was made, which is what one wants to know when it is time for another."""
    return f"digest-{now:%Y-%m}" + ("-ed" if algorithm == "ed25519" else "")


def _next_steps(key: dkim.Key, place: Path) -> Iterator[str]:
    yield f"A new private key is in {place}. Keep it secret, and a copy of it where you keep your backups."
    yield ""
    yield "1. Publish it in DNS, as a TXT record:"
    yield f"     name  {signing_keys.record_name(key.domain, key.selector)}"
    yield f"     text  {signing_keys.record(key)}"
    yield "   which is this line of a zone file:"
    yield f"     {signing_keys.zone_line(key)}"
    yield f"2. Wait until it is there:  digest dkim show {key.domain} --check"
    yield "3. Add it to the list in config/digest.toml, and start digest anew:"
    yield "     [dkim]"
    yield "     keys = ["
    yield f'       {{ domain = "{key.domain}", selector = "{key.selector}", key_file = "{place.as_posix()}" }},'
    yield "     ]"


def show(domain: str | None, *, check: bool, as_json: bool) -> int:
    """Exit code 1 when a key that signs is not in DNS as it should be: receivers would refuse its signatures."""
    home = config.home()
    settings = config.load(home)
    wanted = signing_keys.domain_of(domain) if domain else None
    used = wiring.keyring(settings, home)
    entries = wiring.dkim_entries(settings, home)
    found = [_look(key, entry.path, check, is_used=True) for key, entry in zip(used.keys, entries, strict=True)]
    found += [_look(key, path, check, is_used=False) for key, path in _unused(home, used)]
    found = [each for each in found if wanted in (None, each.key.domain)]
    output.show([each.document() for each in found], output.cleaned(_told(found, wanted)), as_json=as_json)
    return 1 if any(each.is_used and each.dns not in (None, PUBLISHED) for each in found) else 0


def _told(found: list[Shown], wanted: str | None) -> Iterator[str]:
    for each in found:
        yield from each.lines()
    if not found:
        yield f"There is no key{f' of {wanted}' if wanted else ''}; make one with: digest dkim new {wanted or 'DOMAIN'}"


def _unused(home: Path, used: dkim.Keyring) -> Iterator[tuple[dkim.Key, Path]]:
    """Keys made by `dkim new` that are not in use: not yet, or no more."""
    names = {(key.domain, key.selector) for key in used.keys}
    for path in sorted((home / "var" / "dkim").glob("*/*.pem"), key=lambda path: (path.parent, path.stem)):
        if (path.parent.name, path.stem) in names:
            continue
        try:
            yield signing_keys.read(signing_keys.Entry(path.parent.name, path.stem, path)), path
        except errors.DigestError as error:
            output.remark(str(error))


def _look(key: dkim.Key, path: Path, check: bool, *, is_used: bool) -> Shown:
    return Shown(key, path, is_used, _published(key) if check else None)


def _published(key: dkim.Key) -> str:
    """What DNS holds of this key."""
    name = signing_keys.record_name(key.domain, key.selector)
    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=DNS_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return MISSING
    except dns.exception.DNSException as error:
        return f"could not be asked: {error}"
    texts = [b"".join(record.strings).decode("ascii", "replace") for record in answer]
    if len(texts) > 1:
        return f"differs: there are {len(texts)} TXT records at {name}, and there may be only one"
    if signing_keys.tags(texts[0]).items() >= signing_keys.tags(signing_keys.record(key)).items():
        return PUBLISHED
    return f"differs: {texts[0]}"

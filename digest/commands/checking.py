"""`check-config`: everything that is wrong with settings, publication files, keys, relay and database, at once.

Changes nothing. Errors are what would stop the service or break a promise to readers; warnings are what an operator
should know before the first mail.
"""

from collections.abc import Iterable
from pathlib import Path

from digest import addresses, config, database, errors, links, publications, urls
from digest.commands import appearance, output, session
from digest.outbox import signing_keys
from digest.outbox.transports import transport
from digest.run import loop, schema, wiring


class Findings:
    """What was found so far."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []


def check(*, probe: bool, as_json: bool) -> int:
    home = config.home()
    found = Findings()
    settings, mistakes = config.inspect(home)
    found.errors += mistakes
    if settings:
        session.log(settings)
        _addresses(settings, found)
        _keys(settings, found)
        loop.run(_surroundings(settings, found, probe=probe))
    specs = _publications(home, found)
    _templates(home, specs, found)
    if settings:
        _signing(settings, home, specs, found)
    document = {"errors": found.errors, "warnings": found.warnings}
    output.show(document, _lines(found), as_json=as_json)
    return 2 if found.errors else 0


def _lines(found: Findings) -> Iterable[str]:
    yield from (f"error    {line}" for line in found.errors)
    yield from (f"warning  {line}" for line in found.warnings)
    if not found.errors:
        yield "The configuration can be used."


def insecure(base_url: str) -> str | None:
    """Mailbox providers and readers rely on links that nobody on the way can change."""
    if base_url.startswith("https://") or urls.is_loopback(base_url):
        return None
    return f"{base_url} is not https; http is good enough on this machine itself only, so write https://"


def _addresses(settings: config.Settings, found: Findings) -> None:
    problem = insecure(settings.base_url)
    if problem:
        found.errors.append(f"base_url (DIGEST_BASE_URL): {problem}")
    elif urls.is_loopback(settings.base_url):
        found.warnings.append(
            f"base_url (DIGEST_BASE_URL) is {settings.base_url}: links in mails work on this machine only"
        )


def _keys(settings: config.Settings, found: Findings) -> None:
    try:
        links.Signer(settings.keys())
    except links.KeyProblem as error:
        found.errors.append(f"secret_keys (DIGEST_SECRET_KEYS): {error}")


def _signing(settings: config.Settings, home: Path, specs: dict[Path, publications.Spec], found: Findings) -> None:
    try:
        keyring = wiring.keyring(settings, home)
    except signing_keys.DkimError as error:
        found.errors += str(error).splitlines()
        return
    for entry in wiring.dkim_entries(settings, home):
        if signing_keys.is_open_to_all(entry.path):
            found.warnings.append(f"dkim.keys: {entry.path}: anybody on this machine may read it; chmod 600")
    for path, spec in specs.items() if keyring.keys else ():
        domain = addresses.parse(spec.sender_address).domain
        if not keyring.signer(domain):
            found.warnings.append(f"{path}: its mails leave unsigned: dkim.keys has no key of {domain}")


def _publications(home: Path, found: Findings) -> dict[Path, publications.Spec]:
    specs = {}
    files = sorted((home / "config" / "publications").glob("*.toml"))
    if not files:
        found.warnings.append(f"there is no publication file in {home / 'config' / 'publications'}; run: digest init")
    for path in files:
        try:
            specs[path] = spec = publications.read(path)
        except publications.PublicationError as error:
            found.errors += str(error).splitlines()
            continue
        problem = insecure(spec.base_url) if spec.base_url else None
        if problem:
            found.errors.append(f"{path}: base_url: {problem}")
    return specs


def _templates(home: Path, specs: dict[Path, publications.Spec], found: Findings) -> None:
    common = appearance.faults_of_all(home)
    found.errors += common
    for path, spec in specs.items():
        found.errors += (f"{path}: {line}" for line in appearance.faults(home, spec) if line not in common)
        found.warnings += (f"{path}: {line}" for line in appearance.remarks(home, spec))


async def _surroundings(settings: config.Settings, found: Findings, *, probe: bool) -> None:
    """Wrong addresses are errors; what is merely not there yet is a warning."""
    await _database(settings, found)
    await _relay(settings, found, probe=probe)


async def _database(settings: config.Settings, found: Findings) -> None:
    try:
        session.must_exist(settings)
        with session.in_words(settings):
            async with wiring.open_database(settings) as db:
                wiring.engine_of(settings, db)
    except schema.SchemaError as error:
        found.warnings.append(str(error))
    except wiring.EngineError as error:
        found.errors.append(str(error))
    except database.DatabaseError as error:
        found.errors.append(f"database.url: {error}")


async def _relay(settings: config.Settings, found: Findings, *, probe: bool) -> None:
    if not settings.smtp.urls:
        found.warnings.append("smtp.url (DIGEST_SMTP_URL) is empty, so no mail can leave")
        return
    try:
        way_out = wiring.transport_of(settings)
        if probe:
            await _probe(way_out, found)
    except errors.DigestError as error:
        found.errors.append(str(error))


async def _probe(way_out: transport.Transport, found: Findings) -> None:
    await way_out.open()
    reply = await way_out.probe()
    await way_out.close()
    if not 200 <= reply.code < 300:
        said = " ".join(f"{reply.code or ''} {reply.text}".split())
        found.warnings.append(f"the relay cannot take mail now: {said}")

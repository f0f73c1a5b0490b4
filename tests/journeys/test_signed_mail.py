"""From a fresh key to an inbox: what leaves through the relay is signed, byte for byte as a receiver checks it."""

from datetime import timedelta

import pytest

from digest.outbox import signing_keys
from tests.support import grammar, verifiers, world as worlds

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@pytest.fixture
def keys(tmp_path):
    """An RSA and an Ed25519 key of the publication's domain, as settings."""
    found = []
    for algorithm in ("rsa", "ed25519"):
        signing_keys.make(tmp_path / f"{algorithm}.pem", algorithm)
        found.append({"domain": "example.org", "selector": algorithm, "key_file": f"{algorithm}.pem"})
    return {"keys": found}


async def test_every_kind_of_mail_arrives_signed(db_url, tmp_path, now, keys):
    async with worlds.a_world(db_url, tmp_path, now, dkim=keys, goodbye=True) as world:
        for address in ("anna@example.com", "jörg@bücher.example"):
            await world.subscribe(address, "daily")
        await world.publish("one", "heart")
        await world.run(after=DAY)
        await world.leave("anna@example.com")
        await world.run()
        entries = [
            signing_keys.Entry(key["domain"], key["selector"], tmp_path / key["key_file"]) for key in keys["keys"]
        ]
        published = verifiers.records(map(signing_keys.read, entries))
    mails = [mail.content for mail in world.mails]
    assert len(mails) == 3
    assert verifiers.verdicts(mails, published) == [[True, True]] * 3
    for mail in world.mails:
        assert grammar.faults(mail.content, utf8_to=not mail.to.isascii()) == []


async def test_without_a_key_of_the_senders_domain_mail_leaves_unsigned(db_url, tmp_path, now, keys):
    async with worlds.a_world(db_url, tmp_path, now, dkim=keys, sender_address="mia@other.example") as world:
        await world.subscribe("anna@example.com", "daily")
        await world.publish("one")
        await world.run(after=DAY)
        [mail] = world.mails
        assert b"DKIM-Signature" not in mail.content
        assert grammar.faults(mail.content) == []

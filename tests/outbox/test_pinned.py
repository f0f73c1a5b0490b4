"""A mail in doubt goes over its own relay again or waits; nobody waits behind it."""

from datetime import timedelta

import pytest

from digest.outbox import record
from digest.outbox.models import Delivery
from digest.outbox.transports.relay import Relay, Timeouts, Tls
from digest.outbox.transports.smtp import SmtpTransport
from tests.support import smtpserver, table

pytestmark = pytest.mark.anyio
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ANNA, BERT = "anna@example.org", "bert@example.org"


async def in_doubt(world):
    """A digest to Anna without an answer, and one to Bert that was put off; both come again in the same Batch."""
    await world.subscribe(ANNA)
    await world.subscribe(BERT)
    await world.publish("one")
    world.server.answer("content", smtpserver.DROP_AFTER_KEEPING, address=ANNA, times=1)
    world.server.answer("rcpt", "451 4.7.1 Greylisted", address=BERT, times=1)
    await world.run(after=DAY)
    assert await states(world) == {ANNA: "doubtful", BERT: "deferred"}


async def states(world):
    return {email: (await its(world, email)).state.value for email in (ANNA, BERT)}


async def its(world, email):
    """The only Delivery of this reader."""
    [row] = await world.deliveries(email)
    return row


async def test_a_relay_that_is_not_in_the_settings_any_more_is_waited_for(world):
    await in_doubt(world)
    name = (await its(world, ANNA)).relay
    await table.change(world.parts.db, Delivery, (await its(world, ANNA)).id, relay="old.example.org:587")
    await world.run(after=HOUR)
    assert await states(world) == {ANNA: "doubtful", BERT: "sent"}
    row = await its(world, ANNA)
    assert row.reason == "relay old.example.org:587 is not in the settings any more"
    assert (row.retry_at, row.batch_id, row.doubts) == (world.now + timedelta(minutes=30), None, 1)
    await table.change(world.parts.db, Delivery, row.id, relay=name)
    await world.run(after=HOUR)
    assert await states(world) == {ANNA: "sent", BERT: "sent"}
    assert world.server.recipients().count(ANNA) == 2


async def test_a_relay_that_is_down_is_waited_for_while_another_works(world):
    await in_doubt(world)
    with smtpserver.SmtpServer() as gone:
        down = Relay("127.0.0.1", gone.port, Tls.NONE, label="down")
    up = Relay("127.0.0.1", world.server.port, Tls.NONE, label="up")
    transport = SmtpTransport([up, down], 4, Timeouts(connect=5, command=5, content=5))
    await transport.open()
    world.sender.transport = transport
    await table.change(world.parts.db, Delivery, (await its(world, ANNA)).id, relay="down")
    await world.run(after=HOUR + 2 * record.GRACE)
    assert await states(world) == {ANNA: "doubtful", BERT: "sent"}
    assert (await its(world, ANNA)).reason == "relay down cannot take mail"
    assert world.server.recipients().count(ANNA) == 1
    await transport.close()

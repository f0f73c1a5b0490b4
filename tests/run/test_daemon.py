"""One node: pages, schedule and sender live side by side, and end together and well."""

import asyncio
import contextlib
import dataclasses
import socket
from datetime import timedelta

import httpx
import pytest
from structlog import testing

from digest import config, publications
from digest.archive import keep
from digest.articles import poll
from digest.audience.models import Subscription
from digest.editions import plan
from digest.outbox import lease, notices
from digest.outbox.models import Delivery
from digest.run import daemon, exposing, floor, inprocess, instance, loops
from tests.support import archive as archives, cast, table

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@dataclasses.dataclass
class Node:
    """A daemon in this process and a browser in front of it."""

    daemon: daemon.Daemon
    client: httpx.AsyncClient
    work: asyncio.Task

    async def ready(self):
        answer = await self.client.get("/health/ready")
        return answer.status_code, answer.json()["reasons"]

    async def end(self):
        self.daemon.stopping.set()
        await asyncio.wait_for(self.work, 30)


@contextlib.asynccontextmanager
async def a_node(world):
    """It keeps the world's time, and a broken pass is tried again at once."""
    parts = dataclasses.replace(world.parts, clock=lambda: world.now)
    one, address = daemon.Daemon(parts, world.sender), asyncio.get_running_loop().create_future()
    with daemon._listen("127.0.0.1", 0) as listening:
        work = asyncio.create_task(one.run(listening, address.set_result))
        async with httpx.AsyncClient(base_url=await address) as client:
            node = Node(one, client, work)
            yield node
        await node.end()


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    for part, name in (
        (daemon, "IDLE_SECONDS"),
        (daemon, "RETRY_SECONDS"),
        (inprocess, "LOOK_SECONDS"),
        (loops, "LONGEST_PAUSE_SECONDS"),
        (floor, "REST_SECONDS"),
    ):
        monkeypatch.setattr(part, name, 0.05)


async def until(what):
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - another thread tells
            await asyncio.sleep(0.02)


async def becomes(ask, wanted):
    """Wait until an awaitable question is answered so."""
    answer = None
    try:
        async with asyncio.timeout(30):
            while not wanted(answer := await ask()):  # noqa: ASYNC110 - asked like a monitor asks
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(answer) from None


async def test_what_fell_due_meanwhile_goes_out_at_once_and_what_comes_later_too(world):
    await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    world.now += DAY
    async with a_node(world) as node:
        await until(lambda: world.server.recipients() == ["anna@example.org"])
        assert (await node.client.get("/health/live")).status_code == 200
        await becomes(node.ready, lambda answer: answer == (200, []))
        [reader] = await table.rows(world.parts.db, Subscription)
        await table.change(world.parts.db, Subscription, reader.id, notice_due="welcome")
        await until(lambda: len(world.server.received) == 2)
    assert [row.state.value for row in await table.rows(world.parts.db, Delivery)] == ["sent", "sent"]


async def test_the_archive_is_written_and_what_goes_wrong_with_it_holds_up_no_mail(world, monkeypatch):
    await archives.apply(world.parts.db, world.publication, archive="listed")
    await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    world.now += DAY
    with monkeypatch.context() as broken:
        broken.setattr(keep, "_due", lambda *_: 1 / 0)
        async with a_node(world) as node:
            await until(lambda: world.server.recipients() == ["anna@example.org"])
            await becomes(node.ready, lambda answer: answer == (503, ["archive: ZeroDivisionError"]))
            broken.undo()
            await node.daemon._plan()
            await becomes(node.ready, lambda answer: answer == (200, []))
            assert (await node.client.get("/archive/mias-feed/daily/2026-11-02")).status_code == 200


async def test_a_pass_that_fails_shows_in_readiness_and_is_tried_again(world, monkeypatch):
    original, broken = notices.run, [True]

    async def sometimes(*arguments, **options):
        if broken[0]:
            raise ZeroDivisionError
        return await original(*arguments, **options)

    monkeypatch.setattr(notices, "run", sometimes)
    with testing.capture_logs() as logs:
        async with a_node(world) as node:
            await becomes(node.ready, lambda answer: answer == (503, ["notices: ZeroDivisionError"]))
            assert (await node.client.get("/health/live")).status_code == 200
            broken[0] = False
            await becomes(node.ready, lambda answer: answer == (200, []))
    assert "pass_failed" in {entry["event"] for entry in logs}


async def test_a_broken_feed_or_plan_does_not_stop_the_mail(world, monkeypatch):
    async def broken(*_):
        raise ZeroDivisionError

    await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    await world.queue(after=DAY)
    monkeypatch.setattr(poll, "run", broken)
    monkeypatch.setattr(plan, "run", broken)
    async with a_node(world) as node:
        await until(lambda: world.server.recipients() == ["anna@example.org"])
        await becomes(node.ready, lambda answer: len(answer[1]) == 2)


async def test_a_batch_that_breaks_shows_until_it_is_mended_and_holds_up_nobody(world, monkeypatch):
    await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1)
    spec = world.publication.spec
    broken = cast.a_spec().model_dump(mode="json") | {"postal_address": 0}
    await world.queue(after=DAY)
    await table.change(world.parts.db, publications.Publication, spec=broken, revision=1)
    with testing.capture_logs():
        async with a_node(world) as node:
            await becomes(node.ready, lambda answer: answer[0] == 503 and "postal_address" in answer[1][0])
            await table.change(world.parts.db, publications.Publication, spec=spec, revision=2)
            # Its lease has to run out first.
            await until(lambda: world.server.recipients() == ["anna@example.org"])
            await becomes(node.ready, lambda answer: answer == (200, []))


async def test_a_copy_serves_pages_and_mails_nothing(world):
    await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    await world.queue(after=DAY)
    await instance.adopt(world.parts.db, "another")
    with testing.capture_logs():
        async with a_node(world) as node:
            await becomes(node.ready, lambda answer: answer[0] == 503 and "digest adopt" in answer[1][0])
            assert (await node.client.get("/")).status_code == 200
            assert world.server.received == []
            await instance.adopt(world.parts.db, "test")
            await until(lambda: world.server.recipients() == ["anna@example.org"])


async def test_requests_to_confirm_pass_by_a_large_edition(world):
    """Between two Batches there is time for whoever waits in front of a screen."""
    world.parts = dataclasses.replace(world.parts, filler=dataclasses.replace(world.parts.filler, batch_size=2))
    for number in range(30):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one")
    await world.queue(after=DAY)
    await world.subscribe("eager@example.org", "weekly")
    world.server.answer("content", "", delay=0.1)
    async with a_node(world):
        await until(lambda: len(world.server.received) >= 2)
        [row] = await table.rows(world.parts.db, Subscription, id=(await world.subscription("eager@example.org")).id)
        await table.change(world.parts.db, Subscription, row.id, notice_due="welcome")
        # Counted from here: on a busy machine the Edition goes on while this test comes to its turn.
        before = len(world.server.received)
        await until(lambda: len(world.server.received) == 31)
    assert world.server.recipients().index("eager@example.org") < min(before + 6, 30)


async def test_filling_does_not_wait_for_sending(world):
    filler = dataclasses.replace(world.parts.filler, slice_size=1, batch_size=1)
    world.parts = dataclasses.replace(world.parts, filler=filler)
    for number in range(6):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one")
    await world.release()
    world.now += DAY
    await plan.run(world.parts.db, world.parts.policy, world.now)
    world.server.answer("content", "", delay=0.3)
    async with a_node(world):
        await until(lambda: len(world.server.received) >= 1)
        await becomes(lambda: table.rows(world.parts.db, Delivery), lambda rows: len(rows) == 6)
        assert len(world.server.received) < 4


async def test_the_death_of_a_part_ends_the_whole(world, monkeypatch):
    async def dies(_self):
        raise ZeroDivisionError

    monkeypatch.setattr(daemon.Daemon, "_send_for_ever", dies)
    with pytest.raises(ZeroDivisionError), daemon._listen("127.0.0.1", 0) as listening:
        await asyncio.wait_for(daemon.Daemon(world.parts, world.sender).run(listening), 30)


@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
class TestAddress:
    async def test_a_port_in_use_is_a_plain_complaint(self, db_url, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            settings = config.Settings.model_validate(
                {
                    "secret_keys": ",".join(cast.KEYS),
                    "instance": "test",
                    "database": {"url": db_url},
                    "smtp": {"url": f"file://{tmp_path}/mails"},
                    "web": {"port": port},
                }
            )
            with pytest.raises(daemon.ListenError, match=f"127.0.0.1:{port}: .*in use.*--port"):
                await daemon.serve(settings, tmp_path)
        assert not (tmp_path / "mails").exists()  # nothing else was begun

    async def test_a_host_that_is_not_ours_is_a_plain_complaint(self, db_url):
        with pytest.raises(daemon.ListenError, match="--host"):
            daemon._listen("192.0.2.1", 0)

    async def test_the_address_it_tells_is_the_real_one(self, db_url):
        with daemon._listen("127.0.0.1", 0) as listening:
            assert exposing.url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"

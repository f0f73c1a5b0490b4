"""What a process knows of its children, and they of it."""

import asyncio
import contextlib
import json
import os
import sys
import types

import pytest
from structlog import testing

from digest import config
from digest.run import processes, pulse

pytestmark = pytest.mark.anyio


def settings(count, connections=8, limit=0):
    relays = [{"name": "one", "url": "smtp://one.example"}, {"url": "smtp://two.example", "connections": limit}]
    smtp = {"connections": connections, "relays": relays}
    return config.Settings.model_validate({"engine": {"processes": count}, "smtp": smtp})


@pytest.mark.parametrize(("count", "connections", "shares"), [(2, 8, [4, 4]), (3, 8, [3, 3, 2]), (4, 2, [1, 1, 1, 1])])
def test_children_share_the_connections_of_the_machine(count, connections, shares):
    of_all = settings(count, connections, limit=connections)
    smtps = [processes.share(of_all, number).smtp for number in range(1, count + 1)]
    assert [smtp.connections for smtp in smtps] == shares
    assert [[relay.connections for relay in smtp.relays] for smtp in smtps] == [[0, share] for share in shares]


def test_one_process_is_the_own_and_none_is_none():
    assert [processes.names(count) for count in range(3)] == [(), ("send",), ("worker 1", "worker 2")]


@pytest.fixture
def as_child(monkeypatch):
    """Run this text of Python in place of `digest worker`."""
    start = asyncio.create_subprocess_exec

    def become(program):
        async def instead(_python, *_arguments, **pipes):
            return await start(sys.executable, "-c", program, **pipes)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", instead)

    monkeypatch.setattr(processes, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(processes, "LONGEST_PAUSE_SECONDS", 0.02)
    return become


async def kept(own_pulse, seen):
    """Keep one child until this is seen of it."""
    stopping = asyncio.Event()
    keeping = asyncio.create_task(processes._Child(1, own_pulse).keep(stopping))
    async with asyncio.timeout(30):
        while not seen():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    stopping.set()
    await asyncio.wait_for(keeping, 30)


async def test_what_a_child_says_shows_in_readiness(as_child):
    as_child("import time; print('[]', flush=True); time.sleep(60)")
    beats = pulse.Pulse()
    await kept(beats, lambda: "worker 1" in beats.beats)
    assert beats.failures == {}
    as_child("""import time; print('["send: no relay", "batches: 7"]', flush=True); time.sleep(60)""")
    await kept(beats, lambda: beats.failures)
    assert beats.failures == {"worker 1": "send: no relay; batches: 7"}


async def test_a_child_that_dies_is_started_again_for_ever_and_shows(as_child, tmp_path):
    as_child(f"open({str(tmp_path / 'born')!r}, 'a').write('x'); exit(3)")
    beats = pulse.Pulse()
    with testing.capture_logs() as logs:
        await kept(beats, lambda: (tmp_path / "born").exists() and len((tmp_path / "born").read_text()) >= 4)
    assert beats.failures == {"worker 1": "ended with code 3, and is started again"}
    assert {entry["event"] for entry in logs} == {"worker_died"}


async def test_a_child_is_waited_for_however_long_its_last_replies_take(as_child, tmp_path):
    done = tmp_path / "done"
    as_child(
        f"""import pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), pathlib.Path({str(done)!r}).touch(), exit()))
print("[]", flush=True)
while True: time.sleep(1)"""
    )
    beats = pulse.Pulse()
    await kept(beats, lambda: beats.beats)
    assert done.exists()


@pytest.fixture
def pipe(monkeypatch):
    """In place of standard output and input."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    class Streams:
        stdin, stdout = (types.SimpleNamespace(fileno=lambda number=number: number) for number in (reading, writing))

    monkeypatch.setattr(processes, "sys", Streams)
    yield reading, writing
    for number in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(number)


async def last_said(reading):
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.02)
            with contextlib.suppress(BlockingIOError):
                return json.loads(os.read(reading, 65536).splitlines()[-1])


async def test_a_child_says_how_it_is_and_nothing_before_it_works(pipe, monkeypatch):
    monkeypatch.setattr(processes, "BEAT_SECONDS", 0.01)
    beats = pulse.Pulse()
    telling = asyncio.create_task(processes.tell(beats))
    await asyncio.sleep(0.03)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)
    beats.beat("send")
    assert await last_said(pipe[0]) == []
    beats.fail("batches", "batch 7: broken")
    await asyncio.sleep(0.02)
    assert await last_said(pipe[0]) == ["batches: batch 7: broken"]
    telling.cancel()


async def test_a_child_stops_when_its_parent_has_gone(pipe):
    stopping = asyncio.Event()
    processes.end_with_parent(stopping)
    await asyncio.sleep(0.02)
    assert not stopping.is_set()
    os.close(pipe[1])
    await asyncio.wait_for(stopping.wait(), 5)

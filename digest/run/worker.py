"""`digest worker`: a process that only sends. No pages, no schedule; SIGTERM drains and ends with 0.

Any number may run over one database, on one machine with SQLite, on as many as you like with PostgreSQL.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

import structlog

from digest import config
from digest.run import exposing, processes, pulse, wiring

log = structlog.get_logger()


async def work(
    settings: config.Settings,
    home: Path,
    *,
    connections: int | None = None,
    child: int | None = None,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Send until SIGTERM or SIGINT. Raises the DigestError of whatever is set up wrongly at the start.

    `child` is the number of this process among those that `digest serve` keeps.
    """
    if child is not None:
        settings = processes.share(settings, child)
    async with wiring.build(settings, home) as parts, contextlib.AsyncExitStack() as ends:
        await ends.enter_async_context(exposing.served(settings.metrics, parts.meter))
        transport = wiring.transport_of(settings, connections=connections)
        await transport.open()
        ends.push_async_callback(transport.close)
        sender, own_pulse = parts.sender(transport), pulse.Pulse()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, sender.stopping.set)
        if child is not None:
            processes.end_with_parent(sender.stopping)
            ends.callback(asyncio.create_task(processes.tell(own_pulse)).cancel)
        if on_ready:
            on_ready()
        log.info("started", instance=parts.instance)
        await parts.engine.run(parts.shift(sender, own_pulse))
    log.info("stopped")

"""A plain aiosmtplib client for comparison: one command, one reply, over kept connections, on the loop that we use."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiosmtplib

from digest.run import loop


async def _send(order: dict[str, Any], content: bytes) -> None:
    turns = iter(range(order["count"]))
    host, port = "127.0.0.1", order["port"]
    clients = [aiosmtplib.SMTP(hostname=host, port=port, start_tls=False) for _ in range(order["connections"])]
    for client in clients:
        await client.connect()
        await client.ehlo()
    started, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(_line(client, turns, order, content) for client in clients))
    print(json.dumps({"cpu_seconds": time.process_time() - cpu, "seconds": time.monotonic() - started}))
    for client in clients:
        await client.quit()


async def _line(client: aiosmtplib.SMTP, turns: Iterator[int], order: dict[str, Any], content: bytes) -> None:
    for _ in turns:
        await client.mail(order["sender"])
        await client.rcpt(order["recipient"])
        await client.data(content)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    loop.run(_send(given, Path(given["message"]).read_bytes()))

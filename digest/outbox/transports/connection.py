"""Opens a line: aiosmtplib connects, does TLS, EHLO and AUTH; what the server offers decides how we go on.

With PIPELINING its asyncio transport is taken over by `pipeline`; without, aiosmtplib goes on for `stepwise`.
"""

import asyncio
import socket
import ssl
from typing import cast

import aiosmtplib

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import dialect
from digest.outbox.transports.pipeline import PipelinedLine
from digest.outbox.transports.relay import Relay, Timeouts, Tls
from digest.outbox.transports.stepwise import StepwiseLine

SmtpLine = PipelinedLine | StepwiseLine


async def open_line(relay: Relay, context: ssl.SSLContext | None, timeouts: Timeouts) -> SmtpLine | Reply:
    """A line ready for letters, or what stands in the way."""
    client = await _connect(relay, context, timeouts)
    if isinstance(client, Reply):
        return client
    offers = dialect.Offers.of(client.esmtp_extensions)
    if offers.pipelining:
        return PipelinedLine(relay.name, cast(asyncio.Transport, client.transport), offers, timeouts)
    return StepwiseLine(relay.name, client, offers, timeouts)


async def _connect(relay: Relay, context: ssl.SSLContext | None, timeouts: Timeouts) -> aiosmtplib.SMTP | Reply:
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        timeout=timeouts.connect,
        use_tls=relay.tls is Tls.IMPLICIT,
        # Never None: that would mean plain text whenever somebody on the way hides the offer (RFC 8314 §3).
        start_tls=relay.tls is Tls.STARTTLS,
        tls_context=context,
        local_hostname=relay.helo or _own_name(),
    )
    stage = Stage.CONNECT
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        stage = Stage.AUTH
        if relay.username:
            await client.login(relay.username, relay.password)
    except aiosmtplib.SMTPResponseException as error:
        client.close()
        return Reply(max(error.code, 0), dialect.printable(error.message), stage)
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        client.close()
        return Reply(0, dialect.printable(str(error) or type(error).__name__), stage, lost=True)
    except BaseException:
        client.close()
        raise
    if not client.is_connected:
        return Reply(0, "the server closed the connection", stage, lost=True)
    return client


def _own_name() -> str:
    """For EHLO. Asks no DNS, which may hang; RFC 5321 §4.1.4 takes an address where there is no full name."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() and name.isprintable() and " " not in name else "[127.0.0.1]"

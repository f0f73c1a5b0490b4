"""What we rely on in aiosmtplib and in asyncio's transports: an upgrade that changes it fails here, by name."""

import asyncio
import gc
import inspect
import weakref

import aiosmtplib
import pytest

from digest.outbox.transports import connection
from digest.outbox.transports.pipeline import PipelinedLine
from digest.outbox.transports.relay import Tls
from tests.support import certificates, rawsmtp
from tests.support.lines import SENT, a_letter, mailed, talking, until


async def connected(server: rawsmtp.RawServer) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port, start_tls=False, local_hostname="here.test")
    await client.connect()
    await client.ehlo()
    return client


def test_extensions_are_named_in_lower_case_and_forgotten_when_closed(run):
    async def talk():
        async with rawsmtp.running(extensions=("PIPELINING", "Size 1000", "SmtpUtf8", "dsn")) as server:
            client = await connected(server)
            assert client.is_ehlo_or_helo_needed is False
            offered = list(client.esmtp_extensions)
            client.close()
            return offered, list(client.esmtp_extensions)

    assert run(talk()) == (["pipelining", "size", "smtputf8", "dsn"], [])


@pytest.mark.parametrize("tls", list(Tls))
def test_the_transport_in_use_can_be_taken_over(run, tls, tmp_path):
    """After STARTTLS it is the one inside TLS, and once taken over aiosmtplib has no hand in it."""
    certificate = certificates.make(tmp_path)

    async def talk():
        async with talking(tls=tls, certificate=certificate) as (server, line):
            assert isinstance(line, PipelinedLine)
            transport = line._transport
            assert transport.get_protocol() is line
            assert (transport.get_extra_info("sslcontext") is None) == (tls is Tls.NONE)
            for name in ("write", "abort", "is_closing"):
                assert callable(getattr(transport, name))
            gc.collect()
            assert await mailed(line, a_letter(1)) == [SENT]
            assert server.open == 1
            transport.abort()
            await until(lambda: line.is_over)

    run(talk())


def test_a_client_whose_transport_was_taken_is_forgotten_without_harm(run):
    async def talk():
        async with rawsmtp.running() as server:
            client = await connected(server)
            assert client.transport is client.protocol.transport
            relay = connection.Relay("127.0.0.1", server.port, Tls.NONE)
            offers = connection.dialect.Offers.of(client.esmtp_extensions)
            line = PipelinedLine(relay.name, client.transport, offers, connection.Timeouts())
            gone = weakref.ref(client)
            del client
            gc.collect()
            assert gone() is None
            assert await mailed(line, a_letter(1), a_letter(2)) == [SENT, SENT]
            await line.leave()

    run(talk())


def test_bytes_written_to_its_protocol_leave_as_they_are_and_a_reply_can_be_read(run):
    async def talk():
        async with rawsmtp.running(extensions=()) as server:
            client = await connected(server)
            await client.execute_command(b"MAIL", b"FROM:<a@example.org>")
            await client.execute_command(b"RCPT", b"TO:<b@example.com>")
            assert (await client.execute_command(b"DATA")).code == 354
            assert client.protocol.is_connected
            client.protocol.write(b"X: \xff\n\r\n \r\n.\r\n")
            response = await client.protocol.read_response(timeout=5)
            assert (response.code, response.message) == (250, "2.0.0 taken")
            await client.quit(timeout=5)
            assert not client.is_connected
            return server.mails

    assert run(talk()) == [("a@example.org", "b@example.com", b"X: \xff\n\r\n \r\n")]


def test_every_error_is_one_of_those_we_catch():
    errors = [
        kind for _, kind in inspect.getmembers(aiosmtplib.errors, inspect.isclass) if kind.__module__.endswith("errors")
    ]
    assert errors
    assert all(issubclass(kind, aiosmtplib.SMTPException) for kind in errors)
    assert issubclass(asyncio.TimeoutError, OSError)


def test_starttls_must_be_asked_for_by_true():
    """None would mean plain text whenever somebody on the way hides the offer."""
    parameter = inspect.signature(aiosmtplib.SMTP).parameters["start_tls"]
    assert parameter.default is None

"""One connection to a relay, kept over many mails: aiosmtplib connects, does TLS, EHLO and AUTH, we do the rest.

MAIL, RCPT, DATA and the content go one by one, so that we always know whether content was sent. aiosmtplib's own
`data()` rewrites the whole message by regular expression; ours is already as it must be and leaves as it is.
"""

import asyncio
import dataclasses
import enum
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiosmtplib

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports.transport import Letter

# Relays close idle connections after one to five minutes, and firewalls forget them without a word to either side.
# A forgotten one costs a full command timeout to find out; a fresh one costs some round trips.
IDLE_SECONDS = 60
# A goodbye is politeness; no shutdown waits long for it.
QUIT_SECONDS = 5


class Tls(enum.StrEnum):
    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True)
class Relay:
    """Where mail goes and how. `ca_file` adds a private authority; there is no way to skip verifying."""

    host: str
    port: int
    tls: Tls
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    ca_file: Path | None = None
    helo: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds per phase. RFC 5321 §4.5.3.2 asks for up to ten minutes; a relay is close by and answers sooner.

    The last one is long on purpose: to give up on the reply to the final dot is to be in doubt.
    """

    connect: float = 30
    command: float = 120
    content: float = 300


class Connection:
    """Opens itself when needed. One mail at a time; whoever holds it is the only one to use it."""

    def __init__(self, relay: Relay, context: ssl.SSLContext | None, timeouts: Timeouts) -> None:
        self._relay = relay
        self._context = context
        self._timeouts = timeouts
        self._client: aiosmtplib.SMTP | None = None
        self._is_in_transaction = False
        self._used_at = 0.0

    async def send(self, letter: Letter) -> Reply:
        try:
            return await self._send(letter)
        except BaseException:
            # Stopped midway: the next reply heard here would be taken for that of another command.
            self._drop()
            raise
        finally:
            self._used_at = asyncio.get_running_loop().time()

    async def open(self) -> aiosmtplib.SMTP | Reply:
        """A client ready for MAIL, or what stands in the way."""
        if self._client is not None and self._client.is_connected:
            if asyncio.get_running_loop().time() - self._used_at < IDLE_SECONDS:
                return self._client
            await self.quit()
        return await self._connect()

    async def quit(self) -> None:
        client, self._client = self._client, None
        if client is None or not client.is_connected:
            return
        try:
            await client.quit(timeout=QUIT_SECONDS)
        except (aiosmtplib.SMTPException, OSError):
            pass
        finally:
            client.close()

    async def _send(self, letter: Letter) -> Reply:
        known = self._client
        reply = await self._try(letter)
        # Relays close after so many mails, or after a silence, and say so only now. Nothing of this mail was sent, so
        # a fresh connection is no second try; but only once, and not for a 421 that names this recipient or content.
        if known is not None and _was_closed(reply):
            self._drop()
            return await self._try(letter)
        return reply

    async def _try(self, letter: Letter) -> Reply:
        client = await self.open()
        if isinstance(client, Reply):
            return client
        if letter.needs_smtputf8 and not client.supports_extension("smtputf8"):
            return Reply(550, "5.6.7 the relay does not offer SMTPUTF8, which this address needs", Stage.RCPT)
        for stage, command in self._commands(client, letter):
            reply = await self._say(client, stage, command)
            # RFC 5321 §4.3.2: 354 asks for the content, 2xx lets everything else pass.
            if reply.code // 100 != (3 if stage is Stage.DATA else 2):
                return reply
            self._is_in_transaction = True
        return await self._pour(client, letter.content)

    def _commands(self, client: aiosmtplib.SMTP, letter: Letter) -> Iterator[tuple[Stage, tuple[bytes, ...]]]:
        if self._is_in_transaction:
            yield Stage.MAIL, (b"RSET",)
        options = [b"SIZE=%d" % len(letter.content)] if client.supports_extension("size") else []
        if letter.needs_smtputf8:
            # RFC 6531 §3.6: such a server offers 8BITMIME too, and the To header is UTF-8.
            options += [b"BODY=8BITMIME", b"SMTPUTF8"]
        yield Stage.MAIL, (b"MAIL", b"FROM:<" + letter.sender.encode() + b">", *options)
        yield Stage.RCPT, (b"RCPT", b"TO:<" + letter.recipient.encode() + b">")
        yield Stage.DATA, (b"DATA",)

    async def _say(self, client: aiosmtplib.SMTP, stage: Stage, command: tuple[bytes, ...]) -> Reply:
        try:
            response = await client.execute_command(*command, timeout=self._timeouts.command)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            return Reply(0, _words(error), stage, lost=True)
        return Reply(response.code, response.message, stage)

    async def _pour(self, client: aiosmtplib.SMTP, content: bytes) -> Reply:
        """Sends the content and the final dot. From the first byte on, no reply means doubt."""
        protocol = client.protocol
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            protocol.write(_stuffed(content) + b".\r\n")
        except aiosmtplib.SMTPServerDisconnected as error:
            self._drop()
            return Reply(0, _words(error), Stage.DATA, lost=True)
        try:
            response = await protocol.read_response(timeout=self._timeouts.content)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            return Reply(0, _words(error), Stage.CONTENT, lost=True)
        self._is_in_transaction = False
        if response.code == aiosmtplib.SMTPStatus.domain_unavailable:
            self._drop()
        return Reply(response.code, response.message, Stage.CONTENT)

    async def _connect(self) -> aiosmtplib.SMTP | Reply:
        client = aiosmtplib.SMTP(
            hostname=self._relay.host,
            port=self._relay.port,
            timeout=self._timeouts.connect,
            use_tls=self._relay.tls is Tls.IMPLICIT,
            # Never None: that would mean plain text whenever somebody on the way hides the offer (RFC 8314 §3).
            start_tls=self._relay.tls is Tls.STARTTLS,
            tls_context=self._context,
            local_hostname=self._relay.helo or _own_name(),
        )
        stage = Stage.CONNECT
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
            stage = Stage.AUTH
            if self._relay.username:
                await client.login(self._relay.username, self._relay.password)
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            return Reply(max(error.code, 0), error.message, stage)
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            return Reply(0, _words(error), stage, lost=True)
        self._client, self._is_in_transaction = client, False
        self._used_at = asyncio.get_running_loop().time()
        return client

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


def _was_closed(reply: Reply) -> bool:
    before_content = reply.stage in (Stage.MAIL, Stage.RCPT, Stage.DATA)
    return (reply.lost and before_content) or (reply.code == 421 and reply.stage is Stage.MAIL)


def _stuffed(content: bytes) -> bytes:
    """RFC 5321 §4.5.2. Prepared mails have no line that starts with a dot, so this is one fast search."""
    if not content.endswith(b"\r\n"):
        raise ValueError("a mail must end with CRLF")
    if content.startswith(b".") or b"\n." in content:
        return (b"." if content.startswith(b".") else b"") + content.replace(b"\n.", b"\n..")
    return content


def _own_name() -> str:
    """For EHLO. Asks no DNS, which may hang; RFC 5321 §4.1.4 takes an address where there is no full name."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() and name.isprintable() and " " not in name else "[127.0.0.1]"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__

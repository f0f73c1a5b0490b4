"""A real SMTP server on 127.0.0.1 that keeps what it accepts and misbehaves on demand.

It runs in a thread of its own, so tests and demos may be sync or async. Script it with `answer` rules and the
keyword arguments of `SmtpServer`; read `received`. Everything else is plain aiosmtpd.
"""

import asyncio
import dataclasses
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd import smtp as aiosmtpd

from tests.support import certificates

# Instead of a reply: end the connection without a word. At "content" the mail was kept before, or not.
DROP = "drop"
DROP_AFTER_KEEPING = "drop after keeping"
# Instead of a reply: stay silent until the client gives up.
STALL = "stall"


@dataclasses.dataclass(frozen=True)
class Received:
    """One accepted mail, byte for byte as it came, dot-stuffing undone."""

    sender: str
    recipient: str
    content: bytes
    connection: int
    is_tls: bool
    login: str
    options: tuple[str, ...]
    is_answered: bool = True  # whether its sender got to hear that it was taken


@dataclasses.dataclass
class Rule:
    """What to say instead of 250: at a stage (mail, rcpt, data, content), to some or all addresses, so many times."""

    stage: str
    reply: str
    address: str = ""
    times: int = 10**9
    delay: float = 0.0

    def fits(self, stage: str, address: str) -> bool:
        return self.stage == stage and self.times > 0 and self.address in ("", address)


class SmtpServer:
    """`with SmtpServer() as server:` then `server.url`, `server.received`, `server.answer(…)`."""

    def __init__(
        self,
        *,
        port: int = 0,
        certificate: tuple[Path, Path] | None = None,
        implicit_tls: bool = False,
        logins: dict[str, str] | None = None,
        offers_smtputf8: bool = True,
        max_bytes: int = 33_554_432,
        on_received: Callable[[Received], None] | None = None,
    ) -> None:
        self.port = port
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.most_at_once = 0
        self.close_after: int | None = None
        self.closes_politely = True
        self.greylists = False
        self._rules: list[Rule] = []
        self._greylisted: set[str] = set()
        self._open: set[_Session] = set()
        self._certificate, self._implicit_tls = certificate, implicit_tls
        self._logins, self._offers_smtputf8, self._max_bytes = logins, offers_smtputf8, max_bytes
        self._on_received = on_received
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtpserver", daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"{'smtps' if self._implicit_tls else 'smtp'}://127.0.0.1:{self.port}"

    def answer(self, stage: str, reply: str, *, address: str = "", times: int = 10**9, delay: float = 0.0) -> None:
        """Give `reply` ("450 4.7.1 later", DROP, STALL, "" for the usual one after `delay`) at a stage."""
        self._rules.append(Rule(stage, reply, address, times, delay))

    def behave(self) -> None:
        """Forget all rules."""
        self._rules.clear()
        self.close_after, self.greylists = None, False

    def recipients(self) -> list[str]:
        return [mail.recipient for mail in self.received]

    def hang_up(self) -> None:
        """End every connection that is open now."""

        async def end() -> None:
            for session in list(self._open):
                session.end()

        self._run(end())

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """As `with`, for callers whose life has no block; again after `stop` is not possible."""
        self.__enter__()

    def stop(self) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _start(self) -> None:
        context = certificates.server_context(*self._certificate) if self._certificate else None
        implicit = context if self._implicit_tls else None
        starttls = None if self._implicit_tls else context
        self._server = await self._loop.create_server(
            lambda: self._session(starttls), "127.0.0.1", self.port, ssl=implicit
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [session.end() for session in list(self._open)]
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)

    def _session(self, starttls: ssl.SSLContext | None) -> "_Session":
        session = _Session(
            self,
            _Handler(self),
            hostname="mx.test",
            tls_context=starttls,
            enable_SMTPUTF8=self._offers_smtputf8,
            data_size_limit=self._max_bytes,
            auth_required=self._logins is not None,
            auth_require_tls=False,
            authenticator=self._authenticate,
            loop=self._loop,
        )
        return session

    def _authenticate(self, _: Any, __: Any, ___: Any, mechanism: str, data: Any) -> aiosmtpd.AuthResult:
        if not isinstance(data, aiosmtpd.LoginPassword):
            return aiosmtpd.AuthResult(success=False, handled=False)
        name, password = data.login.decode(), data.password.decode()
        right = (self._logins or {}).get(name) == password
        return aiosmtpd.AuthResult(success=right, handled=False, auth_data=name if right else None)

    def rule(self, stage: str, address: str) -> Rule | None:
        found = next((rule for rule in self._rules if rule.fits(stage, address)), None)
        if found:
            found.times -= 1
        elif stage == "rcpt" and self.greylists and address not in self._greylisted:
            self._greylisted.add(address)
            return Rule("rcpt", "451 4.7.1 Greylisted, come back later")
        return found

    def keep(self, mail: Received) -> None:
        self.received.append(mail)
        if self._on_received:
            self._on_received(mail)

    def opened(self, session: "_Session") -> int:
        self._open.add(session)
        self.connections += 1
        self.most_at_once = max(self.most_at_once, len(self._open))
        return self.connections

    def closed(self, session: "_Session") -> None:
        self._open.discard(session)


class _Session(aiosmtpd.SMTP):
    """One connection; aiosmtpd has no hook between RCPT and the content, so DATA is overridden."""

    def __init__(self, owner: SmtpServer, handler: "_Handler", **settings: Any) -> None:
        super().__init__(handler, **settings)
        self.owner = owner
        self.number = 0
        self.accepted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # STARTTLS makes the connection anew.
        self.number = self.number or self.owner.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.owner.closed(self)
        super().connection_lost(error)

    def end(self) -> "asyncio.Task[None] | None":
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]
        return self._handler_coroutine

    async def smtp_DATA(self, arg: str | None) -> None:
        reply = await self.scripted("data", "")
        if reply:
            await self.push(reply)
        else:
            await super().smtp_DATA(arg)

    async def scripted(self, stage: str, address: str) -> str:
        """The reply a rule asks for, or "" for the usual one. Does not return when the rule ends the connection."""
        self.owner.commands.append(f"{self.number} {stage} {address}".strip())
        rule = self.owner.rule(stage, address)
        if rule is None:
            return ""
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.reply in (DROP, DROP_AFTER_KEEPING):
            self.hang_up()
        if rule.reply == STALL:
            await asyncio.Event().wait()
        return rule.reply

    def hang_up(self) -> None:
        self.end()
        # aiosmtpd takes this for a client that went away, and logs no traceback.
        raise asyncio.CancelledError


class _Handler:
    def __init__(self, owner: SmtpServer) -> None:
        self.owner = owner

    async def handle_MAIL(self, session: _Session, _: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.owner.close_after is not None and session.accepted >= self.owner.close_after:
            if self.owner.closes_politely:
                await session.push("421 4.7.0 Enough mails on this connection, open another")
            session.hang_up()
        reply = await session.scripted("mail", address)
        if reply:
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, session: _Session, _: Any, envelope: Any, address: str, options: list[str]) -> str:
        reply = await session.scripted("rcpt", address)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, session: _Session, state: Any, envelope: Any) -> str:
        recipient = envelope.rcpt_tos[0]
        rule = next((rule for rule in self.owner._rules if rule.fits("content", recipient)), None)
        mail = Received(
            sender=envelope.mail_from,
            recipient=recipient,
            content=envelope.original_content,
            connection=session.number,
            is_tls=session.transport.get_extra_info("sslcontext") is not None,
            login=state.auth_data or "",
            options=tuple(envelope.mail_options),
            is_answered=rule is None or rule.reply == "",
        )
        if rule is None or rule.reply in ("", DROP_AFTER_KEEPING):
            self.owner.keep(mail)
        reply = await session.scripted("content", recipient)
        session.accepted += 1
        return reply or f"250 2.0.0 OK {len(self.owner.received)}"

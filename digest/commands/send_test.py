"""`send-test`: one mail as `preview` composes it, by the relays of the settings, to an address the operator names.

Signed and handed over like any other; but no row is read as due or changed, and no link in it acts. What the relay
answered is the result: nothing is tried again.
"""

import asyncio
import dataclasses
import secrets
from typing import Any

from digest import addresses, errors
from digest.audience import suppression
from digest.commands import output, proofs, session
from digest.outbox import replies
from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import transport
from digest.run import instance, wiring

MARK = "[Test] "
# Deliveries are numbered from 1: up there no number is ever one of theirs, so no two mails share a Message-ID. Drawn,
# for a provider shows only one of two mails with the same.
FIRST_ID = 2**61
# A relay that takes longer to let us in is one a person would call down.
PATIENCE_SECONDS = 60


class SuppressedError(errors.DigestError):
    """Nothing may be sent to this address."""


@dataclasses.dataclass(frozen=True)
class Result:
    relay: str
    reply: Reply
    subject: str
    remark: str

    @property
    def is_accepted(self) -> bool:
        return self.reply.stage is Stage.CONTENT and self.reply.code // 100 == 2

    @property
    def document(self) -> dict[str, Any]:
        reply = self.reply
        return {
            "accepted": self.is_accepted,
            "relay": self.relay,
            "stage": reply.stage.value,
            "code": reply.code,
            "reply": _line(reply.text),
            "subject": self.subject,
        }


def send(slug: str, address: str, wish: proofs.Wish, *, now: str | None, as_json: bool) -> int:
    """0 when a relay accepted it, else 1."""
    to = addresses.parse(address)

    async def work(parts: wiring.Parts) -> Result:
        return await _send(parts, slug, to, wish)

    result = session.play(work, at=session.clock_of(now))
    if result.remark:
        output.remark(result.remark)
    if as_json or result.is_accepted:
        said = [f"Accepted by {result.relay}: {result.reply.code} {_line(result.reply.text)}", f"  {result.subject}"]
        output.show(result.document, output.cleaned(said), as_json=as_json)
    if not result.is_accepted:
        output.remark(*output.cleaned([_why_not(result)]))
    return 0 if result.is_accepted else 1


async def _send(parts: wiring.Parts, slug: str, to: addresses.EmailAddress, wish: proofs.Wish) -> Result:
    # A wrong URL is found before anything is composed, and a copy of an installation mails nobody, not even us.
    way_out = wiring.transport_of(parts.settings, connections=1)
    await instance.look(parts.db, parts.instance)
    await _refuse_suppressed(parts, to)
    material = await proofs.gather(parts, slug, wish)
    material = dataclasses.replace(material, reader=dataclasses.replace(material.reader, email=to.spelling))
    proof = await proofs.compose(parts.writer, material, id_=FIRST_ID + secrets.randbelow(FIRST_ID), mark=MARK)
    await way_out.open()
    try:
        relay, reply = await _hand_over(way_out, proof.letter)
    finally:
        await way_out.close()
    return Result(relay, reply, proof.subject, material.remark)


async def _refuse_suppressed(parts: wiring.Parts, to: addresses.EmailAddress) -> None:
    async with parts.db.reading() as connection:
        reason = await suppression.covers(connection, parts.hasher, to.key)
    if reason:
        raise SuppressedError(
            f"nothing may be sent to {to.spelling} ({reason.value}); if it may again: digest subscribers unsuppress"
        )


async def _hand_over(way_out: transport.Transport, letter: transport.Letter) -> tuple[str, Reply]:
    """The relay that had it and its last word on it."""
    line = await _line_of(way_out)
    if isinstance(line, Reply):
        return ", ".join(way_out.relays), line
    try:
        reply = await line.announce(letter)
        if reply.wants_content:
            poured, _ = line.pour(None)
            reply = await poured
        return line.relay, reply
    finally:
        way_out.give_back(line)


async def _line_of(way_out: transport.Transport) -> transport.Line | Reply:
    """A line, or why there is none."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if line := way_out.take(urgent=True):
                    return line
                changed = way_out.changed()
                if trouble := way_out.trouble():
                    changed.close()
                    return trouble
                await changed
    except TimeoutError:
        return Reply(0, f"no answer within {PATIENCE_SECONDS} seconds", Stage.CONNECT)


def _why_not(result: Result) -> str:
    reply = result.reply
    said = f"{reply.code} {_line(reply.text)}" if reply.code else _line(reply.text)
    if reply.stage is Stage.CONTENT and (reply.lost or not reply.code):
        return f"{result.relay} had all of it and gave no answer, so it may have arrived or not: {said}"
    return f"not accepted by {result.relay} ({replies.diagnose(reply).value}, at {reply.stage.value}): {said}"


def _line(text: str) -> str:
    return " ".join(text.split())

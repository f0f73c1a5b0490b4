"""The inbox page: every mail the demonstration's readers got, to be opened, looked at and clicked.

A mail's HTML is shown in a frame without scripts and without our origin, and may load pictures from this site only,
unless the visitor asks for those of others. GET changes nothing.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from digest import templating, zones
from digest.demo.letters import Letter
from digest.demo.mailserver import MailServer
from digest.demo.verdict import Reader

VIEWS = ("html", "text", "source")
PAGE_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; frame-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Sandboxed twice: by the frame that shows it and, for whoever opens it by itself, by its own policy.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src {pictures}; base-uri 'none'; form-action 'none'; "
    f"sandbox {SANDBOX}"
)


class Inbox:
    """Reads the mail server's memory; `readers` lend names and zones to addresses, `sign_up` is the page for others."""

    def __init__(self, server: MailServer, base_url: str) -> None:
        self._server, self._base_url = server, base_url
        self._letters: list[Letter] = []
        self.readers: dict[str, Reader] = {}
        self.sign_up = ""
        self._templates = templating.environment([templating.data_dir("templates") / "demo"])

    def letters(self) -> Sequence[Letter]:
        """All mails, oldest first."""
        self._letters += [Letter(received) for received in self._server.received[len(self._letters) :]]
        return self._letters

    def routes(self) -> list[Route]:
        return [
            Route("/inbox", self.overview),
            Route("/inbox/{number:int}", self.mail),
            Route("/inbox/{number:int}/{form}", self.raw),
            Route("/inbox/{number:int}/one-click", self.one_click, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        to = request.query_params.get("to", "")
        shown = [self._row(letter) for letter in reversed(self.letters()) if to in ("", letter.recipient)]
        return self._page("inbox.html", rows=shown, to=to, people=self._people())

    async def mail(self, request: Request) -> Response:
        letter = self._get(request)
        view = request.query_params.get("view", "html")
        if view not in VIEWS:
            raise HTTPException(404)
        query = request.query_params
        return self._page(
            "mail.html",
            row=self._row(letter),
            letter=letter,
            view=view,
            views=VIEWS,
            to=letter.recipient,
            people=self._people(),
            width=query.get("width", ""),
            pictures=query.get("pictures", ""),
            has_foreign_pictures=self._has_foreign_pictures(letter),
            answer=query.get("answer", ""),
            newer=self._neighbour(letter, 1),
            older=self._neighbour(letter, -1),
            sandbox=SANDBOX,
        )

    async def raw(self, request: Request) -> Response:
        """The HTML part for the frame, or the mail as the file it came as."""
        letter, form = self._get(request), request.path_params["form"]
        if form == "source.eml":
            name = f'attachment; filename="mail-{letter.number}.eml"'
            headers = {"Content-Disposition": name, "X-Content-Type-Options": "nosniff"}
            return Response(letter.received.content, media_type="message/rfc822", headers=headers)
        if form != "body":
            raise HTTPException(404)
        pictures = self._base_url + (" http: https:" if request.query_params.get("pictures") else "")
        headers = {"Content-Security-Policy": MAIL_POLICY.format(pictures=pictures), "Referrer-Policy": "no-referrer"}
        # Links open beside the inbox, as they do in a mail program.
        html = letter.html.replace("<head>", '<head><base target="_blank">', 1)
        return HTMLResponse(html, headers=headers)

    async def one_click(self, request: Request) -> Response:
        """What the unsubscribe button of a mail program does (RFC 8058 §3.2), by a real request to the site."""
        letter = self._get(request)
        # A mail that some other program put into our mail server must not make us call anybody.
        if not letter.unsubscribe_url.startswith(self._base_url + "/"):
            raise HTTPException(404)
        # trust_env=False: a proxy in the environment must not get to see the token.
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            reply = await client.post(letter.unsubscribe_url, data={"List-Unsubscribe": "One-Click"})
        return RedirectResponse(f"/inbox/{letter.number}?answer={reply.status_code}", 303)

    def _get(self, request: Request) -> Letter:
        number: int = request.path_params["number"]
        letters = self.letters()
        if not 1 <= number <= len(letters):
            raise HTTPException(404)
        return letters[number - 1]

    def _neighbour(self, letter: Letter, step: int) -> int | None:
        """The next mail to the same reader."""
        mine = [other.number for other in self.letters() if other.recipient == letter.recipient]
        at = mine.index(letter.number) + step
        return mine[at] if 0 <= at < len(mine) else None

    def _row(self, letter: Letter) -> dict[str, Any]:
        reader = self.readers.get(letter.recipient)
        zone = reader.zone if reader else "UTC"
        local = letter.at.astimezone(zones.get(zone))
        name = letter.message["From"].addresses[0].display_name if letter.message["From"] else ""
        return {
            "number": letter.number,
            "sender": name or letter.received.sender,
            "sender_address": letter.received.sender,
            "recipient": letter.recipient,
            "person": reader.name if reader else letter.recipient,
            "frequency": reader.rule.frequency.value if reader and letter.is_digest else "",
            "subject": letter.subject,
            "day": f"{local:%a} {local.day} {local:%b %Y}",
            "time": f"{local:%H:%M}",
            "zone": zone,
            "city": zone.rpartition("/")[2].replace("_", " "),
            "offset": _offset(local.utcoffset()),
            "count": f"{len(letter.told)}{'+' if letter.more_url else ''}",
            "opening": letter.opening,
        }

    def _people(self) -> list[tuple[str, str, int]]:
        """(address, name, mails) of everybody who reads or has got mail."""
        counts = Counter(letter.recipient for letter in self.letters())
        known = {email: reader.name for email, reader in self.readers.items()}
        everybody = dict.fromkeys(counts, "") | known
        return sorted(((email, name or email, counts[email]) for email, name in everybody.items()), key=lambda p: p[1])

    def _has_foreign_pictures(self, letter: Letter) -> bool:
        return any(not source.startswith(self._base_url + "/") for source in letter.pictures)

    def _page(self, name: str, **context: Any) -> HTMLResponse:
        nonce = secrets.token_urlsafe(12)
        template: jinja2.Template = self._templates.get_template(name)
        html = template.render(nonce=nonce, sign_up=self.sign_up, total=len(self.letters()), **context)
        headers = {
            "Content-Security-Policy": PAGE_POLICY.format(nonce=nonce),
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return HTMLResponse(html, headers=headers)


def _offset(offset: timedelta | None) -> str:
    minutes = int((offset or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes >= 0 else "−"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")

"""Pages: a template, a Publication's look and a language become a response.

Each page is one document with its style inside it: no script, no cookie, no request to anybody, which the
Content-Security-Policy makes sure of.
"""

import dataclasses
import functools
import secrets
from datetime import UTC, date, datetime, time
from typing import Any

import jinja2
import markupsafe
from starlette.requests import Request
from starlette.responses import HTMLResponse

from digest import places, publications, templating, zones
from digest.editions import look, tidy, wording
from digest.web import forms

POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors {ancestors}"
)
SCRIPT = "; script-src 'nonce-{nonce}'"


@functools.cache
def environment() -> jinja2.Environment:
    found = templating.environment([templating.data_dir("templates") / "web"])
    found.add_extension("jinja2.ext.i18n")
    found.filters["time"] = time.fromisoformat
    found.filters["day_in"] = _day_in
    found.filters["line"] = tidy.line
    found.filters["atom"] = _atom
    found.globals["places"] = places
    return found


def _day_in(instant: datetime, timezone: str) -> date:
    return instant.astimezone(zones.get(timezone)).date()


def _atom(instant: datetime) -> str:
    """As feeds write it (RFC 3339)."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def voice(locale: str) -> wording.Wording:
    """English where there is no translation: text, language tag, direction and dates belong together."""
    say = wording.of(locale)
    return say if say.language.partition("-")[0] == say.locale.language else wording.of("en")


def tongue(request: Request) -> str | None:
    """The language a stranger's browser asks for; None where none of ours is among them."""
    return wording.negotiated(request.headers.get("accept-language", ""))


# What a gap begins with: nothing a publisher writes can be taken for one.
_OPENING = secrets.token_hex(16)


def gap(name: str) -> str:
    """Stands in a page for something that is filled in each time it is handed out."""
    return f"{_OPENING}-{name}-"


@dataclasses.dataclass(frozen=True, slots=True)
class Printed:
    """A page as rendered, with its gaps open: it can be handed out any number of times."""

    content: bytes
    status: int
    policy: str

    def response(self, **filling: str) -> HTMLResponse:
        nonce = secrets.token_urlsafe(12)
        content = self.content
        for name, value in (("nonce", nonce), *filling.items()):
            content = content.replace(gap(name).encode(), markupsafe.escape(value).encode())
        return HTMLResponse(
            content, self.status, headers={"Content-Security-Policy": self.policy.replace(gap("nonce"), nonce)}
        )


def page(name: str, spec: publications.Spec | None = None, **context: Any) -> HTMLResponse:
    """The page as a response; see `printed`."""
    return printed(name, spec, **context).response()


def printed(
    name: str,
    spec: publications.Spec | None = None,
    *,
    status: int = 200,
    locale: str | None = None,
    framed: bool = False,
    scripted: bool = False,
    **context: Any,
) -> Printed:
    """The page in the Publication's colours, where there is one.

    `framed`: it may stand in another site's page. `scripted`: it has a script, without which it works as well.
    """
    nonce = gap("nonce")
    shown = {"nonce": nonce, "framed": framed, "scripted": scripted}
    html = text(name, spec, locale, **(shown | context))
    policy = (POLICY + SCRIPT if scripted else POLICY).format(nonce=nonce, ancestors="*" if framed else "'none'")
    return Printed(html.encode(), status, policy)


def text(name: str, spec: publications.Spec | None, locale: str | None, **context: Any) -> str:
    """A template with all that every page has."""
    say = voice(locale or (spec.locale if spec else "en"))
    words: dict[str, Any] = {
        "spec": spec,
        "palette": look.palette(spec.colours if spec else publications.Colours()),
        "say": say,
        "gettext": say.gettext,
        "ngettext": say.ngettext,
        "from_page": forms.FROM_PAGE,
    }
    return environment().get_template(name).render(words | context)

"""The verb `embed`: HTML for a publisher's own site. Reads the Publication, changes nothing."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors, publications
from digest.commands import output, session
from digest.editions import wording
from digest.run import wiring
from digest.web import render

# Pixels: what the form takes on a phone of 320 pixels, with its topics hidden.
FRAME_BASE, FRAME_EACH = 620, 84


class LanguageError(errors.DigestError):
    """There are no texts in this language."""


def show(slug: str, locale: str | None, *, as_frame: bool, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> dict[str, str]:
        spec = publications.load((await publications.get(connection, slug)).spec)
        return _texts(spec, spec.base_url or parts.settings.base_url, locale)

    found = session.transact(work)
    output.show(found, [found["frame" if as_frame else "form"].rstrip()], as_json=as_json)
    return 0


def _texts(spec: publications.Spec, base_url: str, locale: str | None) -> dict[str, str]:
    language = _language(spec, locale)
    root = base_url.rstrip("/")
    page, frame = f"{root}/subscribe/{spec.slug}", f"{root}/embed/{spec.slug}"
    words: dict[str, Any] = {"language": language, "height": FRAME_BASE + FRAME_EACH * len(spec.frequencies)}
    consent = render.text("parts/consent.txt", spec, language).strip()
    return {
        "page": page,
        "form": render.text("embed_form.html", spec, language, action=page, consent=consent, **words),
        "frame": render.text("embed_frame.html", spec, language, action=f"{frame}?language={language}", **words),
    }


def _language(spec: publications.Spec, locale: str | None) -> str:
    wanted = locale or spec.locale.partition("-")[0]
    if locale and locale not in wording.spoken():
        raise LanguageError(f"there are no texts in '{locale}'; there are some in {', '.join(wording.spoken())}")
    return wanted if wanted in wording.spoken() else "en"

"""Signing up: a page for each Publication, and the same form in a frame of another site.

What a robot fills in (a field nobody sees, or all within a second) is answered like anybody's and forgotten, or asked
for once more. `receive` does the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from digest.editions import wording
from digest.web import choices, forms, kept, offers, reception, render, visits, wishes
from digest.web.pages import subscribe_json

# Nobody reads a form and types an address in less.
HASTE = timedelta(seconds=2)
# A field people neither see nor reach; its name is one that robots like.
TRAP = "website"
STAMP = "shown"
# The language the page spoke, which is not always the one that mails are wanted in.
SPOKEN = "spoken"
# Of some 40 KB each: so many ways to ask for one, by language, zone and Publication.
KEPT_PAGES = 128
# Limits are counted by the hour.
RETRY_SECONDS = "3600"


async def show(request: Request) -> Response:
    if subscribe_json.is_wanted(request):
        return await subscribe_json.show(request)
    return await _show(request, is_framed=False)


async def show_framed(request: Request) -> Response:
    return await _show(request, is_framed=True)


async def act(request: Request) -> Response:
    if subscribe_json.is_given(request):
        return await subscribe_json.act(request)
    return await _act(request, is_framed=False)


async def act_framed(request: Request) -> Response:
    return await _act(request, is_framed=True)


async def _show(request: Request, *, is_framed: bool) -> Response:
    found = await offers.find(request)
    asked = request.query_params
    visitor = offers.visitor(
        request, found.spec, timezone=asked.get("timezone", ""), language=asked.get("language", "")
    )
    page = Page(request, found, visitor, is_framed)
    if not found.spec.sign_up:
        return page.show("closed.html", 404)
    return await page.blank(asked.get("frequency", ""))


async def _act(request: Request, *, is_framed: bool) -> Response:
    found, form = await offers.find(request), await forms.read(request)
    visitor = offers.visitor(request, found.spec, timezone=form.get("timezone", ""), language=_spoken(form))
    page = Page(request, found, visitor, is_framed)
    if not found.spec.sign_up:
        return page.show("closed.html", 404)
    wish, place = wishes.from_form(form, found.spec), _place(request, form)
    if _is_hasty(request, form):
        return await page.form(wish, place=place, is_hasty=True)
    answer = await reception.receive(
        request,
        found,
        wish,
        words=_words(page, form),
        place=place,
        is_robot=bool(form.get(TRAP)),
    )
    if answer is None:
        response = page.show("too_many.html", 429)
        response.headers["Retry-After"] = RETRY_SECONDS
        return response
    if isinstance(answer, wishes.Mistakes):
        return await page.form(wish, place=place, mistakes=answer)
    return page.show("asked.html", address=wish.email, receipt=answer)


def _spoken(form: Mapping[str, str]) -> str:
    """The language the reader saw the form in. Plain ones on other sites were printed in the one they ask for."""
    return form.get(SPOKEN, form.get("language", ""))


def _words(page: "Page", form: Mapping[str, str]) -> str:
    """Those beside the button; none where they are not ours, or we cannot tell in which language they stood there.

    A plain form on another site says neither, and its owner may have put other words in their place.
    """
    is_ours = forms.FROM_PAGE in form and form.get(SPOKEN) == page.visitor.language
    return page.consent() if is_ours else ""


def _place(request: Request, form: Mapping[str, str]) -> str:
    """The page the form stands on. Our own send no Referer; a framed one remembers whose frame it was."""
    if "place" in form:
        return reception.web_page(form["place"])
    return reception.page_of(request) or (request.url.path if forms.FROM_PAGE in form else "")


def _is_hasty(request: Request, form: Mapping[str, str]) -> bool:
    """Forms on other sites bring no stamp; one from yesterday is as good as any."""
    parts = visits.parts(request)
    age = parts.signer.form_age(form.get(STAMP, ""), parts.clock())
    return age is not None and age < HASTE


@dataclass(frozen=True, slots=True)
class Page:
    """The pages about one Publication, for one visitor."""

    request: Request
    found: offers.Found
    visitor: offers.Visitor
    is_framed: bool

    @property
    def say(self) -> wording.Wording:
        return wording.of(self.visitor.language)

    def consent(self) -> str:
        """The words beside the button, as text."""
        return render.text("parts/consent.txt", self.found.spec, self.visitor.language).strip()

    def show(self, name: str, status: int = 200, **context: Any) -> Response:
        return self._printed(name, status=status, **context).response()

    def _printed(self, name: str, **context: Any) -> render.Printed:
        return render.printed(
            name,
            self.found.spec,
            locale=self.visitor.language,
            framed=self.is_framed,
            root=self._root,
            slug=self.found.spec.slug,
            **context,
        )

    @property
    def _root(self) -> str:
        base_url = self.found.spec.base_url or visits.parts(self.request).base_url
        return urlsplit(base_url).path.rstrip("/")

    async def blank(self, frequency: str) -> Response:
        """The form with nothing in it, which is the same for all who come within a minute: digests fall due at one."""
        spec = self.found.spec
        frequency = frequency if spec.offer(frequency) else ""
        minute = visits.parts(self.request).clock().replace(second=0, microsecond=0)
        key = (self.found.mark, self.visitor, self.is_framed, frequency, minute)
        pages: kept.Kept[render.Printed] = self.request.app.state.printed
        printed = pages.get(key)
        if printed is None:
            printed = await self._form(wishes.Wish(frequency=frequency), scripted=True)
            pages.put(key, printed)
        request = self.request
        place = reception.page_of(request) or reception.web_page(request.query_params.get("place", ""))
        return printed.response(**self._own(place))

    async def form(
        self, wish: wishes.Wish, *, place: str, mistakes: wishes.Mistakes = wishes.NONE, is_hasty: bool = False
    ) -> Response:
        """What was filled in, to look at once more."""
        status = 422 if mistakes else 200
        printed = await self._form(wish, status=status, mistakes=mistakes, is_hasty=is_hasty)
        return printed.response(**self._own(place))

    def _own(self, place: str) -> dict[str, str]:
        """What is different in each copy of the form."""
        parts = visits.parts(self.request)
        return {"stamp": parts.signer.form_token(parts.clock()), "place": place if self.is_framed else ""}

    async def _form(
        self, wish: wishes.Wish, *, mistakes: wishes.Mistakes = wishes.NONE, is_hasty: bool = False, **how: Any
    ) -> render.Printed:
        parts, spec, languages = visits.parts(self.request), self.found.spec, dict(choices.languages())
        mails_in = wish.language if wish.language in languages else self.visitor.language
        return self._printed(
            "subscribe.html",
            wish=wish,
            chosen=wish.frequency if spec.offer(wish.frequency) else spec.frequencies[0].frequency,
            mistakes=mistakes,
            is_hasty=is_hasty,
            offers=offers.on_offer(spec, self.visitor.timezone, parts.clock()),
            headlines=await offers.headlines(parts.db, self.found),
            visitor=self.visitor,
            consent=self.consent(),
            place=render.gap("place"),
            stamp=render.gap("stamp"),
            zone_groups=choices.zones_of(self.visitor.language),
            languages=languages,
            mails_in=mails_in,
            **how,
        )

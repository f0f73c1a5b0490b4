"""Somebody with a browser: opens links, fills in forms, presses buttons, and reads what is there.

A real Chromium. Every page that is seen is held to what all pages promise: small, whole, quiet, from one place, no
cookies. What is amiss is collected in `faults`, so that a story can be told to its end first.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from playwright import async_api

from digest.commands import browser as chromium

MOST_BYTES = 50_000
SECONDS = 10


@dataclass(frozen=True)
class Window:
    """How somebody looks at a page."""

    width: int
    height: int
    is_phone: bool = False
    runs_scripts: bool = True
    scheme: Literal["light", "dark"] = "light"
    language: str = "en"
    timezone: str = "Europe/Berlin"


DESKTOP = Window(1200, 900)
PHONE = Window(360, 740, is_phone=True)
WINDOWS = {
    "desktop": DESKTOP,
    "desktop-no-script": replace(DESKTOP, runs_scripts=False),
    "phone": PHONE,
    "phone-no-script": replace(PHONE, runs_scripts=False),
}


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[async_api.Browser]:
    """A browser of this machine. Raises BrowserError that says what to install."""
    is_root = os.geteuid() == 0
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.find(), args=list(chromium.QUIET), chromium_sandbox=not is_root
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visitor:
    page: async_api.Page
    site: str
    window: Window
    faults: list[str] = field(default_factory=list)
    # Milliseconds to the slowest page's first content; how long that may be is for scripts/pages to say.
    slowest: float = 0.0
    status: int = 0
    seen: list[str] = field(default_factory=list)

    async def open(self, url: str) -> None:
        """A full address, or a path of the site."""
        await self._arrive(await self.page.goto(url if url.startswith("http") else self.site + url))

    async def press(self, name: str) -> None:
        """The button, or the link that looks like one, of this name; then the next page is there."""
        found = self.page.get_by_role("button", name=name, exact=True).filter(visible=True)
        if not await found.count():
            found = self.page.get_by_role("link", name=name, exact=True)
        await self._follow(found)

    async def send(self, selector: str) -> None:
        """The same, for the first button at this place."""
        await self._follow(self.page.locator(selector).first)

    async def _follow(self, button: async_api.Locator) -> None:
        async with self.page.expect_navigation(wait_until="load") as going:
            await button.click()
        await self._arrive(await going.value)

    async def choose(self, label: str) -> None:
        await self.page.get_by_label(label).first.check()

    async def fill(self, label: str, text: str) -> None:
        await self.page.get_by_label(label).first.fill(text)

    async def pick(self, label: str, choice: str) -> None:
        await self.page.get_by_label(label).first.select_option(label=choice)

    async def unfold(self, name: str) -> None:
        await self.page.locator("summary").filter(has_text=name).click()

    async def heading(self) -> str:
        return await self.page.get_by_role("heading", level=1).inner_text()

    async def says(self, words: str) -> bool:
        return words in " ".join((await self.page.locator("body").inner_text()).split())

    async def _arrive(self, response: async_api.Response | None) -> None:
        assert response is not None
        self.status = response.status
        self.seen.append(await self.page.title())
        headers, size = await response.all_headers(), len(await response.body())
        if size > MOST_BYTES:
            self._fault(f"{size} bytes")
        if "set-cookie" in headers or await self.page.context.cookies():
            self._fault("sets a cookie")
        if "content-security-policy" not in headers:
            self._fault("has no policy")
        if self.window.runs_scripts:
            await self._look()

    async def _look(self) -> None:
        wide, painted = await self.page.evaluate(LOOK)
        if wide > 0:
            self._fault(f"{wide} pixels wider than the window")
        self.slowest = max(self.slowest, painted)

    def _fault(self, text: str) -> None:
        self.faults.append(f"{self.page.url.removeprefix(self.site)[:40]}: {text}")

    def heard(self, message: async_api.ConsoleMessage) -> None:
        """A browser says of any answer from 400 on that it could not be loaded; all else is amiss."""
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource: the server"):
            self._fault(f"console: {message.text}")

    async def passes_on(self, route: async_api.Route) -> None:
        """Nothing but the site itself is asked for anything."""
        if route.request.url.startswith((self.site + "/", "data:")):
            await route.continue_()
        else:
            self._fault(f"asks {route.request.url} for a {route.request.resource_type}")
            await route.abort()


LOOK = """() => {
    const root = document.documentElement;
    const painted = performance.getEntriesByName('first-contentful-paint')[0];
    return [root.scrollWidth - root.clientWidth, painted ? painted.startTime : 0];
}"""


@contextlib.asynccontextmanager
async def visiting(browser: async_api.Browser, site: str, window: Window = DESKTOP) -> AsyncIterator[Visitor]:
    """A browser window of its own. Raises AssertionError at its end for whatever a page did that none may do."""
    options: dict[str, Any] = {
        "viewport": {"width": window.width, "height": window.height},
        "is_mobile": window.is_phone,
        "has_touch": window.is_phone,
        "java_script_enabled": window.runs_scripts,
        "color_scheme": window.scheme,
        "locale": window.language,
        "timezone_id": window.timezone,
        "ignore_https_errors": True,
    }
    context = await browser.new_context(**options)
    context.set_default_timeout(SECONDS * 1000)
    try:
        visitor = Visitor(await context.new_page(), site, window)
        visitor.page.on("console", visitor.heard)
        visitor.page.on("pageerror", lambda error: visitor.faults.append(str(error)))
        await context.route("**/*", visitor.passes_on)
        yield visitor
        assert visitor.faults == [], visitor.faults
    finally:
        await context.close()

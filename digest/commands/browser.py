"""A Chromium of this machine, driven by Playwright, to look at mails as readers see them.

Nothing it loads comes from the network: every request is answered with bytes we hold, or cut off. Scripts do not run,
as in no mail program. Playwright is an extra of the package; a browser is never downloaded.
"""

import contextlib
import importlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal, TypeAlias

from digest import errors

if TYPE_CHECKING:
    from playwright import sync_api

# Read here and nowhere else: it is about the machine, not about the installation.
VARIABLE = "DIGEST_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Of its own accord it would look for updates and talk to its maker.
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Containers give /dev/shm 64 MB, and a tall page needs more.
    "--disable-dev-shm-usage",
)
SECONDS = 30
# A page is at least as tall as a screen.
SCREEN = 600

Scheme = Literal["light", "dark"]
Opened: TypeAlias = "sync_api.Browser"
Images = Mapping[str, bytes]


class BrowserError(errors.DigestError):
    """Pictures need Playwright and a browser, and one of them is missing or does not start."""


@dataclass(frozen=True)
class View:
    """How somebody reads: the width of the window in CSS pixels, and what the mail program asks the mail for."""

    width: int
    scheme: Scheme = "light"


@dataclass(frozen=True)
class Shot:
    """`overhang` is how many pixels stick out at the side, where no phone can scroll to comfortably."""

    png: bytes
    overhang: int


def find() -> str:
    """The path of the browser. Raises BrowserError that says what to install."""
    named = os.environ.get(VARIABLE)
    for name in (named,) if named else NAMES:
        if path := shutil.which(name):
            return path
    if named:
        raise BrowserError(f"{VARIABLE} names {named}, and there is no such program")
    raise BrowserError(
        "pictures need Chromium or Google Chrome, and neither is installed; on Debian and Ubuntu: apt-get install "
        f"chromium; if it lies elsewhere, set {VARIABLE} to its path"
    )


def check() -> None:
    """Raises BrowserError if pictures cannot be taken here, before any work is done for them."""
    find()
    _playwright()


@contextlib.contextmanager
def opened() -> Iterator[Opened]:
    path, api = find(), _playwright()
    # As root it refuses to start with its sandbox.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path, args=list(QUIET), chromium_sandbox=not is_root, timeout=SECONDS * 1000
            )
        except api.Error as error:
            raise BrowserError(f"{path} does not start: {_first_line(error)}") from error
        try:
            yield browser
        except api.Error as error:
            raise BrowserError(f"{path} gave up: {_first_line(error)}") from error
        finally:
            with contextlib.suppress(api.Error):
                browser.close()


def shoot(browser: Opened, html: str, view: View, images: Images) -> Shot:
    """The whole page. An image that `images` does not hold is blocked, as mail programs do until they are told."""
    with shown(browser, html, view, images) as page:
        png = page.screenshot(full_page=True, type="png")
        width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    return Shot(png, max(int(width) - view.width, 0))


@contextlib.contextmanager
def shown(
    browser: Opened, html: str, view: View, images: Images, *, scripts: bool = False
) -> Iterator["sync_api.Page"]:
    """The mail in a window of its own, everything loaded."""
    context = browser.new_context(
        viewport={"width": view.width, "height": SCREEN},
        color_scheme=view.scheme,
        java_script_enabled=scripts,
        service_workers="block",
        accept_downloads=False,
    )
    context.set_default_timeout(SECONDS * 1000)
    try:
        page = context.new_page()
        page.route("**/*", lambda route: _answer(route, images))
        page.set_content(html, wait_until="load")
        yield page
    finally:
        context.close()


def _answer(route: "sync_api.Route", images: Images) -> None:
    found = images.get(route.request.url)
    if found is None:
        route.abort("blockedbyclient")
    else:
        # Chromium looks at the bytes of an image, not at what it is said to be.
        route.fulfill(body=found, content_type="image/*")


def _playwright() -> ModuleType:
    try:
        return importlib.import_module("playwright.sync_api")
    except ModuleNotFoundError as error:
        raise BrowserError("pictures need Playwright; install it with: pip install 'digest[pictures]'") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

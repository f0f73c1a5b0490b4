"""Finding a browser, and looking at a page with it. It is a real one; without it these tests say what to install."""

import io
from pathlib import Path

import pytest
from PIL import Image

from digest.commands import browser
from tests.support import feedserver

SCHEMES = """<style>:root { color-scheme: light dark } body { margin: 0; background: #ffffff }
@media (prefers-color-scheme: dark) { body { background: #000000 } }</style><p>x</p>"""


def image_of(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(out, "PNG")
    return out.getvalue()


def pixels(shot: browser.Shot) -> set[tuple[int, int, int]]:
    image = Image.open(io.BytesIO(shot.png)).convert("RGB")
    return {colour for _, colour in image.getcolors(image.width * image.height)}


def test_a_page_is_shown_in_the_scheme_asked_for() -> None:
    with browser.opened() as opened:
        light = browser.shoot(opened, SCHEMES, browser.View(320, "light"), {})
        dark = browser.shoot(opened, SCHEMES, browser.View(320, "dark"), {})
    assert ((255, 255, 255) in pixels(light), (255, 255, 255) in pixels(dark)) == (True, False)


def test_only_images_we_hold_are_shown_and_nothing_is_fetched() -> None:
    with feedserver.serve({"/a.png": feedserver.Reply(body=image_of("#ff0000"))}) as server, browser.opened() as opened:
        held, other = server.url("/held.png"), server.url("/a.png")
        html = (
            f'<img src="{held}" alt=""><img src="{other}" alt=""><link rel="stylesheet" href="{server.url("/s.css")}">'
        )
        shot = browser.shoot(opened, html, browser.View(320), {held: image_of("#00ff00")})
        assert server.requests == []
    assert (0, 255, 0) in pixels(shot)
    assert (255, 0, 0) not in pixels(shot)


def test_scripts_do_not_run() -> None:
    html = '<body style="margin:0"><script>document.body.style.background = "#ff0000"</script><p>calm</p>'
    with browser.opened() as opened:
        shot = browser.shoot(opened, html, browser.View(320), {})
    assert (255, 0, 0) not in pixels(shot)


@pytest.mark.parametrize(("width", "overhang"), [(300, 0), (400, 80)])
def test_what_sticks_out_is_measured(width: int, overhang: int) -> None:
    html = f'<body style="margin:0"><div style="width:{width}px;height:10px;background:#00f"></div>'
    with browser.opened() as opened:
        assert browser.shoot(opened, html, browser.View(320), {}).overhang == overhang


def test_without_a_browser_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(browser.BrowserError, match="apt-get install chromium"):
        browser.find()
    monkeypatch.setenv(browser.VARIABLE, "/nowhere/chromium")
    with pytest.raises(browser.BrowserError, match="/nowhere/chromium, and there is no such program"):
        browser.find()


def test_a_browser_that_does_not_start_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv(browser.VARIABLE, str(broken))
    with pytest.raises(browser.BrowserError, match=f"{broken} does not start"), browser.opened():
        raise AssertionError("it started")


def test_without_playwright_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "playwright.sync_api", None)
    with pytest.raises(browser.BrowserError, match="pip install 'digest\\[pictures\\]'"):
        browser.check()

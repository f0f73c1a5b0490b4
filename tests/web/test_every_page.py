"""Each page there is, in a real browser: nothing for axe to find, no wider than its window, and usable by keyboard."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.async_api import Browser, Page

from tests.support import browsing, gallery
from tests.support.browsing import Visitor
from tests.support.gallery import Pose, Stage

pytestmark = pytest.mark.anyio
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# What else WCAG 2.2 AA asks for is among the rules anyway.
RUN_AXE = "axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"
NARROWEST, WIDTHS = 320, (1200, 360)


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with browsing.started() as found:
        yield found


@pytest.fixture(scope="module", params=["en", "ar"])
async def stage(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[Stage]:
    """One house for all poses, in each direction of writing."""
    home = tmp_path_factory.mktemp("house")
    shutil.copyfile(sqlite_template, home / "digest.db")
    async with gallery.opened(f"sqlite:///{home / 'digest.db'}", home, request.param) as made:
        yield made


@pytest.mark.parametrize("pose", gallery.POSES.values(), ids=gallery.POSES)
async def test_a_page_is_fit_for_everybody(stage: Stage, browser: Browser, pose: Pose) -> None:
    window = replace(browsing.DESKTOP, language=stage.locale)
    async with browsing.visiting(browser, stage.house.url, window) as visitor:
        await pose.act(stage, visitor)
        assert visitor.status == pose.status
        assert await visitor.page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == [
            stage.locale,
            "rtl" if stage.locale == "ar" else "ltr",
        ]
        assert await offences(visitor.page) == []
        assert await unreached(visitor) == []
        assert await overhangs(visitor.page) == []


async def test_what_is_amiss_is_found(stage: Stage, browser: Browser) -> None:
    spoil = """() => {
        const main = document.querySelector('main');
        main.insertAdjacentHTML('beforeend', '<p id="pale">pale</p><button id="bare" tabindex="-1">x</button>');
        document.getElementById('pale').style.color = '#888';
        document.getElementById('pale').style.background = '#999';
        document.getElementById('bare').style.minWidth = '1300px';
    }"""
    async with browsing.visiting(browser, stage.house.url) as visitor:
        await visitor.open("/")
        await visitor.page.evaluate(spoil)
        assert "color-contrast" in " ".join(await offences(visitor.page))
        assert "not reached: <button" in " ".join(await unreached(visitor))
        assert len(await overhangs(visitor.page)) == 4


async def offences(page: Page) -> list[str]:
    """What axe says, in light and in dark, on a desktop and on a phone."""
    await page.evaluate(AXE)
    found = []
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 800})
            said: Any = await page.evaluate(RUN_AXE)
            found += [f"{scheme}, {width}: {one['id']}: {one['nodes'][0]['html'][:120]}" for one in said["violations"]]
    return found


async def overhangs(page: Page) -> list[str]:
    """Where one would have to scroll sideways: on the narrowest phone, and with text of twice the size, also there."""
    found = []
    for width, scale in ((NARROWEST, "100%"), (1200, "200%"), (640, "200%"), (NARROWEST, "200%")):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.evaluate(f"document.documentElement.style.fontSize = '{scale}'")
        over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{over} pixels at {width} and {scale}"] * (over > 0)
    return found


async def unreached(visitor: Visitor) -> list[str]:
    """Controls that Tab does not reach, and those that do not show that they have the focus."""
    page = visitor.page
    await page.set_viewport_size({"width": 1200, "height": 900})
    steps = await page.evaluate(CONTROLS)
    await page.evaluate("document.activeElement.blur()")
    found = []
    for _ in range(steps):
        await page.keyboard.press("Tab")
        if fault := await page.evaluate(FOCUSED):
            found.append(fault)
    return found + await page.evaluate(MISSED)


# Of the radio buttons of a group Tab reaches one; arrows do the rest.
CONTROLS = """() => {
    const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')];
    window.missed = new Set(all.filter(one => {
        if (one.type === 'hidden' || one.closest('[aria-hidden]') || !one.checkVisibility()) return false;
        if (one.type !== 'radio') return true;
        const group = [...document.getElementsByName(one.name)];
        return one === (group.find(each => each.checked) || group[0]);
    }));
    // A date or a time is passed through part by part.
    return [...window.missed].reduce((sum, one) => sum + (['date', 'time'].includes(one.type) ? 5 : 1), 2);
}"""
FOCUSED = """() => {
    const one = document.activeElement;
    if (one === document.body || one === document.documentElement) return '';
    window.missed.delete(one);
    const style = getComputedStyle(one);
    const shows = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    return shows ? '' : 'no focus to be seen: ' + one.outerHTML.slice(0, 120);
}"""
MISSED = "[...window.missed].map(one => 'not reached: ' + one.outerHTML.slice(0, 120))"

"""The sheets of pictures: what is on them, and that one command makes them."""

from pathlib import Path

import pytest
import sample_mails
import sheet_main
import sheet_plan
from PIL import Image

from digest.commands import browser
from digest.editions import typeset

LAYOUTS = sample_mails.layouts()
SHEETS = list(sheet_plan.sheets(LAYOUTS))
PANELS = [panel for sheet in SHEETS for panel in sheet.panels]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_shown_in_every_way_that_matters(layout: str) -> None:
    panels = [panel for panel in PANELS if panel.sample.layout == layout]
    seen = {(panel.view.width, panel.view.scheme, panel.has_images, panel.sample.locale) for panel in panels}
    for locale in ("en", "ar"):
        for width in (600, 320):
            assert {
                (width, "light", True, locale),
                (width, "dark", True, locale),
                (width, "light", False, locale),
            } <= seen
    assert {panel.sample.content for panel in panels} >= {"one", "five", "fifteen", "sixty", "extremes"}


def test_notices_and_single_articles_are_shown_too() -> None:
    contents = {panel.sample.content for panel in PANELS}
    assert contents >= {sample_mails.INSTANT, *typeset.NOTICES}


def test_the_page_shows_each_sheet_with_words_for_those_who_cannot_see_it() -> None:
    text = sheet_plan.readme(SHEETS)
    for sheet in SHEETS:
        assert f"]({sheet.name}.webp)" in text
        assert sheet.panels[0].caption in text


def test_pictures_are_joined_and_written_at_full_size_if_asked(tmp_path: Path) -> None:
    out, single = tmp_path / "out", tmp_path / "single"
    assert sheet_main.main(["--out", str(out), "--single", str(single), "--only", "notices"]) == 0
    [sheet] = [sheet for sheet in SHEETS if sheet.name == "notices"]
    assert [path.name for path in out.iterdir()] == ["notices.webp"]
    assert {path.stem for path in single.iterdir()} == {panel.name for panel in sheet.panels}
    widths = [round(panel.view.width * sheet_main.SCALE[panel.view.width]) for panel in sheet.panels]
    with Image.open(out / "notices.webp") as joined:
        assert joined.width == sum(widths) + sheet_main.GAP * (len(widths) + 1)


def test_a_mail_wider_than_its_window_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    wide = '<body style="margin:0"><div style="width:700px">wide</div>'

    async def composed(samples: set[sample_mails.Sample]) -> dict[sample_mails.Sample, str]:
        return dict.fromkeys(samples, wide)

    monkeypatch.setattr(sheet_main, "_compose", composed)
    assert sheet_main.main(["--out", str(tmp_path), "--only", "notices"]) == 1
    assert "digest-confirm-en-320-dark is 380 pixels wider than its window" in capsys.readouterr().err


def test_the_picture_of_the_extremes_that_is_gone_is_gone() -> None:
    sample = sample_mails.Sample("digest", "extremes")
    shown = {story.image_url for story in sample_mails.material(sample).stories if story.image_url}
    assert shown - set(sample_mails.images()) == {"https://feed.example/images/gone.jpg"}


@pytest.mark.parametrize(("content", "count"), [*sample_mails.AMOUNTS.items(), (sample_mails.INSTANT, 1)])
def test_a_sample_tells_as_many_articles_as_it_says(content: str, count: int) -> None:
    for locale in ("en", "ar"):
        chosen = sample_mails.material(sample_mails.Sample("digest", content, locale)).chosen
        assert chosen is not None
        assert len(chosen.full) + len(chosen.links) + len(chosen.more) == count


def test_every_view_is_one_that_a_browser_can_take() -> None:
    assert {panel.view for panel in PANELS} <= {
        browser.View(width, scheme) for width in (600, 320) for scheme in ("light", "dark")
    }


@pytest.mark.parametrize("content", sample_mails.AMOUNTS)
def test_no_story_is_told_twice_among_those_that_are_shown(content: str) -> None:
    material = sample_mails.material(sample_mails.Sample("digest", content))
    assert material.chosen is not None
    titles = {story.id: story.title for story in material.stories}
    shown = [titles[pick.article_id] for pick in (*material.chosen.full, *material.chosen.links)]
    assert len(set(shown)) == len(shown)

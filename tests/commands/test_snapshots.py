"""`preview --png`: which pictures are taken, and of what."""

from pathlib import Path

import pytest
from PIL import Image

from digest import templating
from digest.commands import browser, snapshots
from digest.editions import typeset
from tests.commands.test_browser import image_of
from tests.support import feedserver
from tests.support.operator import Operator

LAYOUTS = typeset.layouts(templating.data_dir("templates") / "email")
POSES = [
    f"{device}-{scheme}{images}"
    for device in ("desktop", "phone")
    for scheme in ("light", "dark")
    for images in ("", "-no-images")
]
ARTICLE = """[{"guid": "1", "title": "Red all over", "url": "https://news.example/1", "image_url": "%s",
"standfirst": "A picture of one colour.", "published_at": "2026-11-08T08:00:00Z"}]"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "previews"


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.png"))


# A picture is the same whatever the database, and takes long.
@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
def test_every_layout_is_shown_in_both_directions_and_every_pose(operator: Operator, folder: Path) -> None:
    operator.begin(with_readers=False)
    answer = operator("preview", "mias-feed", "--out", folder, "--png")
    assert answer.code == 0, answer.err
    wanted = [f"mias-feed-{layout}-{locale}-{pose}" for layout in LAYOUTS for locale in ("en", "ar") for pose in POSES]
    assert names(folder) == sorted(wanted)
    widths = {path.stem.split("-")[4]: Image.open(path).width for path in folder.glob("*.png")}
    assert widths == snapshots.WIDTHS


def test_a_layout_and_a_language_asked_for_are_shown_alone(operator: Operator, folder: Path) -> None:
    operator.begin(with_readers=False)
    words = ("--layout", "digest", "--locale", "de", "--frequency", "daily")
    answer = operator("preview", "mias-feed", "--out", folder, "--png", *words)
    assert answer.code == 0, answer.err
    assert names(folder) == sorted(f"mias-feed-daily-digest-de-{pose}" for pose in POSES)


def test_images_are_fetched_once_and_shown_or_not(operator: Operator, folder: Path) -> None:
    operator.begin(with_readers=False)
    operator.set(DIGEST_INGEST_ALLOW_HOSTS="127.0.0.1")
    with feedserver.serve({"/red.png": feedserver.Reply(body=image_of("#ff0000"))}) as server:
        article = operator.file("one.json", ARTICLE % server.url("/red.png"))
        assert operator("articles", "add", "mias-feed", article, "--now", "2026-11-09T04:00:00Z").code == 0
        fetched = len(server.requests)
        words = ("--layout", "digest", "--locale", "en", "--frequency", "instant")
        answer = operator("preview", "mias-feed", "--out", folder, "--png", *words)
        assert answer.code == 0, answer.err
        assert [request.path for request in server.requests[fetched:]] == ["/red.png"]
    reds = {path.stem: (255, 0, 0) in colours(path) for path in folder.glob("*.png")}
    assert {name for name, is_red in reds.items() if is_red} == {name for name in reds if "no-images" not in name}


def test_an_image_that_cannot_be_had_is_named(operator: Operator, folder: Path) -> None:
    operator.begin(with_readers=False)
    article = operator.file("one.json", ARTICLE % "http://127.0.0.1:9/gone.png")
    assert operator("articles", "add", "mias-feed", article, "--now", "2026-11-09T04:00:00Z").code == 0
    words = ("--layout", "digest", "--locale", "en", "--frequency", "instant")
    answer = operator("preview", "mias-feed", "--out", folder, "--png", *words)
    assert answer.code == 0
    assert "http://127.0.0.1:9/gone.png: " in answer.complaint


def test_without_a_browser_nothing_is_begun(operator: Operator, folder: Path) -> None:
    operator.begin(with_readers=False)
    operator.set(DIGEST_CHROMIUM="/nowhere/chromium")
    answer = operator("preview", "mias-feed", "--out", folder, "--png")
    assert answer.code == 1
    assert "/nowhere/chromium" in answer.complaint
    assert not folder.exists()


def test_a_mail_wider_than_the_window_is_named(tmp_path: Path) -> None:
    page = snapshots.Page("wide", '<body style="margin:0"><div style="width:500px">wide</div>')
    taken = snapshots.take([page], tmp_path, {})
    assert taken.remarks[0] == "wide-phone-light.png: 180 pixels wider than the window"
    assert all("phone" in remark for remark in taken.remarks)


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<img src="https://a.example/1.png?a=1&amp;b=2" alt="">', ["https://a.example/1.png?a=1&b=2"]),
        ("<IMG alt='x' width=3 src='http://a.example/2.png'>" * 2, ["http://a.example/2.png"]),
        ('<a href="https://a.example/no.png">x</a><img src="data:image/png;base64,AA==">', []),
    ],
)
def test_the_images_of_a_mail(html: str, found: list[str]) -> None:
    assert snapshots.addresses(html) == found


def colours(path: Path) -> set[tuple[int, int, int]]:
    image = Image.open(path).convert("RGB")
    return {colour for _, colour in image.getcolors(image.width * image.height) or []}


def test_all_poses_differ() -> None:
    made = list(snapshots.poses())
    assert sorted(pose.name for pose in made) == sorted(POSES)
    assert {pose.view for pose in made} == {
        browser.View(width, scheme) for width in snapshots.WIDTHS.values() for scheme in snapshots.SCHEMES
    }

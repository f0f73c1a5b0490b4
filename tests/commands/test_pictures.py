"""Pictures that mails do not show, or not as wished, in `digest status`."""

import json

from tests.support.operator import SHIPPED, Operator

FEED = "https://feed.example/"


def hand_in(operator: Operator, **images: str) -> None:
    articles = [{"title": f"On {name}", "guid": name, "image_url": FEED + image} for name, image in images.items()]
    path = operator.home / "articles.json"
    path.write_text(json.dumps(articles))
    assert operator("articles", "add", "mias-feed", str(path)).code == 0


def test_a_format_many_mail_programs_do_not_show_is_told(operator: Operator) -> None:
    operator.begin()
    hand_in(operator, walk="walk.webp", salt="salt.jpg")
    [told] = operator("status", "--json").document["pictures"]
    assert (told["url"], told["shown"]) == (FEED + "walk.webp", "none")
    assert told["reason"].startswith("many mail programs do not show webp")
    assert FEED + "walk.webp" in operator("status").out


def test_a_copy_that_could_not_be_made_is_told(operator: Operator) -> None:
    operator.begin()
    path = operator.home / "mias-feed.toml"
    shipped = (SHIPPED / "publications" / "mias-feed.toml").read_text(encoding="utf-8")
    path.write_text('images = "rehost"\n' + shipped, encoding="utf-8")
    assert operator("apply", str(path)).code == 0
    private = operator.home / "private.json"
    private.write_text(json.dumps({"title": "On walks", "image_url": "http://10.0.0.1/walk.jpg"}))
    assert operator("articles", "add", "mias-feed", str(private)).code == 0
    [told] = [row for row in operator("status", "--json").document["pictures"] if "10.0.0.1" in row["url"]]
    assert told["shown"] == "original"
    assert "not on the public Internet" in told["reason"]


def test_a_picture_too_large_for_a_mail_is_told(operator: Operator) -> None:
    operator.begin()
    feed = operator.home / "feed.json"
    picture = {"url": FEED + "x.jpg", "mime_type": "image/jpeg", "size_in_bytes": 20_000_000}
    item = {"id": "1", "title": "On walks", "url": FEED + "1", "attachments": [picture]}
    feed.write_text(json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": [item]}))
    assert operator("ingest", "mias-feed", str(feed)).code == 0
    [told] = operator("status", "--json").document["pictures"]
    assert (told["shown"], told["reason"].partition(";")[0]) == ("none", "it has more than 5 MB, too much for a mail")


def test_nothing_is_said_while_all_is_well(operator: Operator) -> None:
    operator.begin()
    hand_in(operator, salt="salt.jpg")
    assert operator("status", "--json").document["pictures"] == []

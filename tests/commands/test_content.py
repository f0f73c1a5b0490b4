"""Publications, feeds and single Articles, by command."""

import json

import pytest

from tests.support.operator import BEGIN, FEED, SHIPPED, Operator

MIAS = SHIPPED / "publications" / "mias-feed.toml"


def articles(operator: Operator, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = operator("articles", "list", "mias-feed", "--json", *words).document["articles"]
    return found


def test_applying_twice_changes_nothing(operator: Operator) -> None:
    assert operator("apply", MIAS).out == "mias-feed: created\n"
    assert operator("apply", MIAS).out == "mias-feed: unchanged\n"


def test_apply_says_what_changed(operator: Operator) -> None:
    operator("apply", MIAS)
    changed = operator.file("changed.toml", MIAS.read_text().replace("max_items = 8 ", "max_items = 9 "))
    assert operator("apply", changed, "--json").document["publications"] == {"mias-feed": "changed max_items"}


def test_a_mistake_in_one_file_applies_none(operator: Operator) -> None:
    wrong = operator.file("wrong.toml", 'slug = "wrong"\ncolour = "red"\n')
    answer = operator("apply", MIAS, wrong)
    assert answer.code == 2
    assert f"digest: {wrong}: colour: unknown key" in answer.err
    assert operator("status", "--json").document["publications"] == []


def test_what_readers_chose_cannot_be_taken_off_the_offer(operator: Operator) -> None:
    operator.begin()
    without = MIAS.read_text().replace('[[frequencies]]\nfrequency = "daily"\nsend_at = 07:00:00\n', "")
    answer = operator("apply", operator.file("less.toml", without))
    assert answer.code == 2
    assert "frequency 'daily' cannot go: 3 subscriptions chose it" in answer.complaint


def test_ingest_releases_what_is_new(operator: Operator) -> None:
    operator("apply", MIAS)
    first = operator("ingest", "mias-feed", FEED, "--now", BEGIN, "--json").document
    again = operator("ingest", "mias-feed", FEED, "--now", BEGIN, "--json").document
    assert (first["new"], again["new"], again["released"]) == (20, 0, 0)
    assert first["released"] == sum(article["state"] == "released" for article in articles(operator))


def test_a_feed_that_cannot_be_read_is_set_aside_with_its_reason(operator: Operator) -> None:
    operator("apply", MIAS)
    answer = operator("ingest", "mias-feed", operator.file("feed.xml", "this is no feed"), "--json")
    assert answer.code == 0
    assert answer.document["set_aside"] == 1
    assert "set aside" in answer.complaint


@pytest.mark.parametrize("place", ["gopher://feed.example/", "/no/such/file.xml", "https://"])
def test_no_place_for_a_feed(operator: Operator, place: str) -> None:
    operator("apply", MIAS)
    answer = operator("ingest", "mias-feed", place)
    assert answer.code == 2
    assert answer.complaint.startswith("digest: ")
    assert operator("status", "--json").document["sources"] == []


def test_too_much_at_once_is_held_until_released(operator: Operator) -> None:
    operator.set(DIGEST_INGEST_HOLD_ABOVE="3")
    operator("apply", MIAS)
    held = operator("ingest", "mias-feed", FEED, "--now", BEGIN, "--json").document
    assert (held["released"], held["held"] > 3) == (0, True)
    [warning] = [line for line in operator("status", "--json").document["warnings"] if "held" in line]
    assert warning.endswith("digest release 1")
    assert operator("release", "1", "--json").document["let_go"] == held["held"]
    assert operator("release", "1", "--json").document["let_go"] == 0


def test_articles_are_handed_in_listed_and_taken_back(operator: Operator) -> None:
    operator("apply", MIAS)
    text = json.dumps({"title": "Handed in", "guid": "a-1", "body": "<p>By hand.</p>", "topics": ["nutrition"]})
    assert (
        operator("articles", "add", "mias-feed", "-", stdin=text).out == "1 new, 0 updated, 0 unchanged, 1 released\n"
    )
    [article] = articles(operator)
    assert (article["title"], article["topics"], article["position"]) == ("Handed in", ["nutrition"], 1)
    assert "Retracted: Handed in" in operator("articles", "retract", "mias-feed", "a-1").out
    assert [found["state"] for found in articles(operator, "--state", "retracted")] == ["retracted"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no valid JSON"),
        ('{"title": ""}', "title"),
        ('[{"title": "One", "guid": "1", "body": "x"}, {"titel": "Two"}]', "article 2: titel: unknown key"),
        ('{"title": "One", "topics": ["astrology"]}', "no topic astrology"),
        ('{"title": "One", "published_at": "2026-11-22"}', "published_at"),
    ],
)
def test_what_is_no_article_is_refused_whole(operator: Operator, text: str, words: str) -> None:
    operator("apply", MIAS)
    answer = operator("articles", "add", "mias-feed", operator.file("articles.json", text))
    assert answer.code == 2
    assert words in answer.err
    assert articles(operator) == []


def test_unknown_names_are_answered_with_what_there_is(operator: Operator) -> None:
    operator("apply", MIAS)
    assert operator("ingest", "mia", FEED).complaint == "digest: no publication 'mia'; there are: mias-feed"
    assert "digest status" in operator("release", "7").complaint
    assert "digest articles list" in operator("articles", "retract", "mias-feed", "7").complaint
    assert "waiting, held" in operator("articles", "list", "mias-feed", "--state", "new").complaint


def test_colours_that_cannot_be_read_are_applied_and_told(operator: Operator) -> None:
    path = operator.file("pale.toml", MIAS.read_text().replace("#8a1c4a", "#ffd54a"))
    answer = operator("apply", path)
    assert answer.code == 0
    assert "mias-feed: colours.accent: #ffd54a was darkened to #" in answer.complaint


def test_own_templates_are_tried_before_they_are_applied(operator: Operator) -> None:
    assert operator("apply", MIAS).code == 0
    own = operator.file("config/publications/mias-feed/templates/digest/subject.txt", "\n{{ nothing }}")
    other = operator.file("other.toml", MIAS.read_text().replace('slug = "mias-feed"', 'slug = "toms-feed"'))
    answer = operator("apply", MIAS, other, "--json")
    assert answer.code == 2
    assert f"mias-feed: {own}:2: 'nothing' is undefined" in answer.complaint
    assert answer.document["publications"] == {"toms-feed": "created"}


def test_an_own_file_that_replaces_none_is_told(operator: Operator) -> None:
    operator.file("config/publications/mias-feed/templates/digest/parts/stroy.html", "x")
    answer = operator("apply", MIAS)
    assert answer.code == 0
    assert "stroy.html takes the place of no file we ship" in answer.complaint


def test_a_language_nobody_knows_is_refused_with_those_there_are_texts_in(operator: Operator) -> None:
    text = MIAS.read_text()
    wrong = operator.file("wrong.toml", text.replace('locale = "en" ', 'locale = "english"'))
    answer = operator("apply", wrong)
    assert answer.code == 2
    assert (
        f"{wrong}: locale: 'english' is no locale; write it like en or de-AT (there are texts in en, ar"
        in answer.complaint
    )
    assert operator("apply", operator.file("right.toml", text.replace('locale = "en" ', 'locale = "en_us"'))).code == 0
    published = operator("apply", operator.file("same.toml", text.replace('locale = "en" ', 'locale = "en-US"')))
    assert published.out == "mias-feed: unchanged\n"

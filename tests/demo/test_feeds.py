"""Which ten days are played, and what an own feed's readers can choose."""

from datetime import UTC, datetime, timedelta

import pytest

from digest.articles import parse
from digest.demo import feeds

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def a_feed(*items, title="Hives"):
    """Items are (ISO date or "", categories)."""
    entries = "".join(
        f"<item><title>Item {number}</title><pubDate>{at}</pubDate>"
        + "".join(f"<category>{name}</category>" for name in categories)
        + "</item>"
        for number, (at, categories) in enumerate(items)
    )
    document = f"<rss version='2.0'><channel><title>{title}</title>{entries}</channel></rss>"
    return parse.read(document.encode(), url="https://feeds.example/x")


def own(*items, title="Hives"):
    return feeds.own(a_feed(*items, title=title), "https://feeds.example/x", "http://127.0.0.1:1")


def test_the_newest_item_falls_on_the_last_of_ten_local_days():
    played = own(("2026-04-01T10:00:00Z", ()), ("2026-04-12T23:30:00Z", ()))
    # Half past eleven in the evening is the next day in Berlin.
    assert played.ends_at == datetime(2026, 4, 13, 22, tzinfo=UTC)
    assert played.begins_at == played.ends_at - timedelta(days=10)


@pytest.mark.parametrize(
    ("dates", "newest"),
    [
        ([], NOW),
        ([None, None], NOW),
        ([NOW - timedelta(days=900), None], NOW - timedelta(days=900)),
        ([NOW, NOW + timedelta(days=30)], NOW + timedelta(days=30)),
        ([NOW - timedelta(days=2), NOW + timedelta(days=9000)], NOW - timedelta(days=2)),
        ([NOW + timedelta(days=9000)], NOW + timedelta(days=9000)),
    ],
)
def test_one_wild_date_does_not_move_the_ten_days(dates, newest):
    assert feeds.newest_date(dates, NOW) == newest


def test_the_commonest_categories_become_topics():
    topics = feeds.make_topics([("Bees", "News"), ("bees", "Wax"), ("Bees",), ("蜂",)])
    assert {topic.slug: topic.name for topic in topics} == {
        "bees": "Bees",
        "news": "News",
        "wax": "Wax",
        "topic-4": "蜂",
    }


def test_readers_of_topics_read_topics_of_the_own_feed():
    played = own(("", ("Bees",)), ("", ("Wax",)))
    topics = {reader.address.spelling: reader.wish.topics for reader in played.readers}
    assert topics["anna.berg@example.org"] is None
    assert all(chosen is None or set(chosen) <= {"bees", "wax"} for chosen in topics.values())
    assert ("bees", "wax") in topics.values()


def test_without_categories_everybody_reads_everything():
    played = own(("", ()))
    assert {reader.wish.topics for reader in played.readers} == {None}
    assert played.spec.topics == ()


def test_an_own_feed_lends_its_name():
    assert own(("", ()), title="Hives & more").spec.name == "Hives & more"
    assert own(("", ()), title="").spec.name == "Your feed"

"""What we ship to try the service with is complete and fits together."""

import csv
from datetime import datetime, time, timedelta
from xml.etree import ElementTree

import pytest

from digest import addresses, publications, templating, zones

DEMO = templating.data_dir("config") / "demo"
ATOM, MEDIA, DIGEST = "{http://www.w3.org/2005/Atom}", "{http://search.yahoo.com/mrss/}", "{urn:digest:feed:1}"


@pytest.fixture(scope="module")
def spec():
    return publications.read(templating.data_dir("config") / "publications" / "mias-feed.toml")


@pytest.fixture(scope="module")
def entries():
    return ElementTree.parse(DEMO / "feed.xml").findall(f"{ATOM}entry")


@pytest.fixture(scope="module")
def readers():
    with (DEMO / "readers.csv").open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def links(entry, relation):
    return [link.get("href") for link in entry.findall(f"{ATOM}link") if link.get("rel") == relation]


def test_every_sample_article_is_complete(entries):
    assert len(entries) >= 18
    for entry in entries:
        for name in (f"{ATOM}title", f"{ATOM}summary", f"{ATOM}author/{ATOM}name", f"{DIGEST}minutes"):
            assert entry.findtext(name), (entry.findtext(f"{ATOM}id"), name)
        assert entry.findtext(f"{ATOM}content").count("<p>") >= 3
        assert entry.findtext(f"{MEDIA}content/{MEDIA}description")


def test_every_sample_picture_is_there_and_light_enough_for_mail(entries):
    for entry in entries:
        picture = DEMO / entry.find(f"{MEDIA}content").get("url")
        assert picture.read_bytes().startswith(b"\xff\xd8")
        assert picture.stat().st_size <= 25_000


def test_related_sample_articles_exist(entries):
    known = {link for entry in entries for link in links(entry, "alternate")}
    assert len(known) == len(entries)
    assert all(len(links(entry, "related")) == 2 and known.issuperset(links(entry, "related")) for entry in entries)


def test_the_sample_feed_fills_ten_days(entries):
    dates = [datetime.fromisoformat(entry.findtext(f"{ATOM}published")) for entry in entries]
    assert len({at.date() for at in dates}) == 10
    assert timedelta(days=9) < max(dates) - min(dates) < timedelta(days=10)


def test_every_topic_has_sample_articles(entries, spec):
    terms = {category.get("term") for entry in entries for category in entry.findall(f"{ATOM}category")}
    assert all(terms.intersection(topic.categories) for topic in spec.topics)


def test_sample_readers_choose_what_is_on_offer(readers, spec):
    assert {reader["frequency"] for reader in readers} == {offer.frequency for offer in spec.frequencies}
    for reader in readers:
        addresses.parse(reader["email"])
        zones.get(reader["timezone"])
        assert not reader["send_at"] or time.fromisoformat(reader["send_at"])
        assert reader["weekday"] in ("", *publications.WEEKDAYS)
        assert {topic for topic in reader["topics"].split(";") if topic} <= set(spec.topic_slugs)

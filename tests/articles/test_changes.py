"""Which entries are news: identity, age, the flood of a rebuilt feed, and dates ahead."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from digest.articles import changes, excerpt, weblinks
from digest.articles.changes import Changes, Known, Occasion, Rules
from digest.articles.parse import Entry

NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def an_entry(guid: str | None = None, url: str | None = None, title: str = "Salt", **other: Any) -> Entry:
    body = other.pop("body", "")
    entry = Entry(
        guid=guid, url=url, title=title, standfirst="", body=body, image_url=None, image_alt="", author="", minutes=1,
        categories=(), related=(), published_at=None, content_hash=excerpt.content_hash(title, body),
    )  # fmt: skip
    return replace(entry, **other)


def stored(entry: Entry, id: int = 1, is_of_source: bool = True) -> Known:
    key = weblinks.canonical(entry.url) if entry.url else None
    return Known(id, is_of_source, entry.guid, key, entry.content_hash, changes.fingerprint(entry))


def decide(
    entries: Sequence[Entry], known: Sequence[Known] = (), rules: Rules = changes.DEFAULTS, **occasion: bool
) -> Changes:
    return changes.decide(entries, known, occasion=Occasion(NOW, **occasion), rules=rules)


def guids(found: Changes, state: str = "waiting") -> list[str | None]:
    return [item.entry.guid for item in found.new if item.state == state]


OLD = an_entry("g1", "https://x.example/1", "Salt", body="<p>Less.</p>")


class TestIdentity:
    @pytest.mark.parametrize(
        "entry",
        [
            an_entry("g1", "https://x.example/other", "Other", body="<p>Other.</p>"),
            an_entry("g2", "http://X.example/1/?utm_source=rss#top", "Other", body="<p>Other.</p>"),
            an_entry(None, "https://x.example/1", "Other"),
            an_entry("g2", "https://x.example/2", "salt", body="<p>Less.</p>", content_hash=OLD.content_hash),
            an_entry(None, None, "Salt", content_hash=OLD.content_hash),
        ],
    )
    def test_a_known_article_is_found_by_guid_then_url_then_content(self, entry: Entry) -> None:
        found = decide([entry], [stored(OLD, id=7)])
        assert found.new == ()
        assert [update.article_id for update in found.updated] == [7]

    def test_nothing_changed_is_no_update(self) -> None:
        found = decide([OLD], [stored(OLD)])
        assert (found.new, found.updated, found.unchanged) == ((), (), 1)

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "Salt!"}, {"body": "<p>More.</p>"}, {"published_at": NOW}, {"minutes": 9}, {"image_alt": "x"},
            {"categories": ("a",)}, {"url": "https://x.example/3"}, {"author": "Ida"}, {"standfirst": "s"},
        ],
    )  # fmt: skip
    def test_whatever_is_edited_or_redated_is_an_update(self, change: dict[str, Any]) -> None:
        found = decide([replace(OLD, **change)], [stored(OLD)])
        assert (len(found.new), len(found.updated)) == (0, 1)

    def test_a_guid_of_another_source_means_nothing(self) -> None:
        known = stored(an_entry("g1", title="Else"), is_of_source=False)
        assert guids(decide([an_entry("g1")], [known])) == ["g1"]

    def test_content_of_another_source_means_nothing(self) -> None:
        known = stored(an_entry("g9", "https://y.example/9", "Salt", body="<p>Less.</p>"), is_of_source=False)
        assert guids(decide([OLD], [known])) == ["g1"]

    def test_the_same_page_from_another_source_is_no_news_and_no_update(self) -> None:
        found = decide([an_entry("g5", "https://x.example/1", "Other words")], [stored(OLD, is_of_source=False)])
        assert (found.new, found.updated, found.unchanged) == ((), (), 1)

    def test_our_own_article_is_preferred_to_that_of_another_source(self) -> None:
        known = [stored(OLD, id=1, is_of_source=False), stored(replace(OLD, guid="g2"), id=2)]
        found = decide([an_entry("g7", "https://x.example/1")], known)
        assert [update.article_id for update in found.updated] == [2]

    def test_a_url_that_two_items_share_identifies_none(self) -> None:
        home = "https://x.example/"
        known = [stored(an_entry("g1", home, "One", body="<p>1</p>"))]
        entries = [an_entry("g3", home, "Three", body="<p>3</p>"), an_entry("g2", home, "Two", body="<p>2</p>")]
        assert guids(decide(entries, known)) == ["g2", "g3"]

    def test_an_article_is_given_once_to_the_strongest_claim(self) -> None:
        known = [stored(OLD, id=1)]
        entries = [
            an_entry("g2", "https://x.example/1", "B", body="<p>b</p>"),
            an_entry("g1", "https://x.example/9", "A"),
        ]
        found = decide(entries, known)
        assert guids(found) == ["g2"]
        assert [update.entry.guid for update in found.updated] == ["g1"]

    def test_the_same_headline_without_a_text_is_not_the_same_item(self) -> None:
        known = [stored(an_entry("g1", "https://x.example/1", "Open thread"))]
        assert guids(decide([an_entry("g2", "https://x.example/2", "Open thread")], known)) == ["g2"]

    def test_items_with_nothing_but_a_title_and_a_shared_url_are_known_again(self) -> None:
        entries = [an_entry(None, "https://x.example/", title) for title in ("One", "Two")]
        assert decide(entries, [stored(entry, id=number) for number, entry in enumerate(entries)]).unchanged == 2

    def test_a_new_guid_alone_is_told_so_that_it_can_be_kept(self) -> None:
        found = decide([replace(OLD, guid="g2")], [stored(OLD)])
        assert len(found.updated) == 1
        assert decide([replace(OLD, guid=None)], [stored(OLD)]).unchanged == 1


class TestDuplicates:
    def test_items_that_stand_twice_are_one(self) -> None:
        body = "<p>Long.</p>"
        entries = [
            an_entry("g1", "https://x.example/1", "New", body=body),
            an_entry("g1", "https://x.example/1", "Old"),
            an_entry("g2", "https://x.example/2", "New", body=body),
        ]
        assert [item.entry.title for item in decide(entries).new] == ["New"]

    def test_items_without_anything_but_a_title_are_told_apart_by_it(self) -> None:
        entries = [an_entry(title="One"), an_entry(title="Two"), an_entry(title="One")]
        assert [item.entry.title for item in decide(entries).new] == ["Two", "One"]


def aged(count: int, *, days: float = 0, step: float = 1) -> list[Entry]:
    """Newest first, as feeds are."""
    return [an_entry(f"g{n}", title=f"{n}", published_at=NOW - timedelta(days=days + n * step)) for n in range(count)]


class TestAge:
    def test_news_are_ordered_from_old_to_new(self) -> None:
        assert guids(decide(aged(4))) == ["g3", "g2", "g1", "g0"]

    def test_without_dates_the_order_of_the_document_counts(self) -> None:
        assert guids(decide([an_entry("newest", title="a"), an_entry("oldest", title="b")])) == ["oldest", "newest"]

    def test_the_past_of_a_new_source_goes_to_the_archive(self) -> None:
        found = decide(aged(10), is_first_fetch=True)
        assert guids(found, "archived") == ["g9", "g8"]
        assert len(guids(found)) == 8  # seven days exactly is still news

    def test_an_empty_publication_shows_its_newest_ten_of_any_age(self) -> None:
        found = decide(aged(15, days=100), is_first_fetch=True, is_publication_empty=True)
        assert guids(found) == [f"g{n}" for n in range(9, -1, -1)]
        assert guids(found, "archived") == [f"g{n}" for n in range(14, 9, -1)]

    def test_an_empty_publication_shows_all_that_is_recent(self) -> None:
        found = decide(aged(15, step=0.1), is_first_fetch=True, is_publication_empty=True)
        assert len(guids(found)) == 15

    def test_later_fetches_archive_nothing(self) -> None:
        assert len(guids(decide(aged(20, days=300)))) == 20

    def test_items_without_a_date_are_news(self) -> None:
        assert guids(decide([an_entry("g1")], is_first_fetch=True)) == ["g1"]


class TestFlood:
    def test_fifty_are_released_and_fifty_one_are_held(self) -> None:
        assert len(guids(decide(aged(50, step=0)))) == 50
        assert len(guids(decide(aged(51, step=0)), "held")) == 51

    def test_what_goes_to_the_archive_is_not_counted_and_not_held(self) -> None:
        found = decide(aged(100), is_first_fetch=True)
        assert (len(guids(found)), len(guids(found, "archived")), len(guids(found, "held"))) == (8, 92, 0)

    def test_updates_are_not_counted(self) -> None:
        entries = aged(80, step=0)
        known = [stored(entry, id=number) for number, entry in enumerate(entries[:60])]
        found = decide([replace(entry, author="Ida") for entry in entries], known)
        assert (len(guids(found)), len(found.updated)) == (20, 60)

    def test_the_limit_is_a_setting(self) -> None:
        assert len(guids(decide(aged(3), rules=Rules(hold_above=2)), "held")) == 3


class TestRelease:
    def test_items_dated_ahead_wait_for_their_time_and_others_do_not(self) -> None:
        ahead, behind, undated = (
            an_entry("a", title="a", published_at=NOW + DAY), an_entry("b", title="b", published_at=NOW - DAY),
            an_entry("c", title="c"),
        )  # fmt: skip
        found = {item.entry.guid: item.release_at for item in decide([ahead, behind, undated]).new}
        assert found == {"a": NOW + DAY, "b": NOW, "c": NOW}

    def test_a_date_years_ahead_is_told(self) -> None:
        found = decide(
            [
                an_entry("a", title="Slip", published_at=NOW + 400 * DAY),
                an_entry("b", title="Plan", published_at=NOW + DAY),
            ]
        )
        assert [(fault.where, fault.reason) for fault in found.faults] == [
            ("Slip", "is dated 2027-12-08 and waits until then")
        ]


ENTRIES = st.lists(
    st.builds(
        an_entry,
        guid=st.none() | st.sampled_from(["g1", "g2", "g3"]),
        url=st.none() | st.sampled_from(["https://x.example/1", "https://x.example/2"]),
        title=st.sampled_from(["One", "Two"]),
        body=st.sampled_from(["", "<p>a</p>", "<p>b</p>"]),
    ),
    max_size=8,
)


@given(ENTRIES)
def test_a_document_read_again_changes_nothing(entries: list[Entry]) -> None:
    first = decide(entries)
    known = [stored(item.entry, id=number) for number, item in enumerate(first.new)]
    again = decide(entries, known)
    assert again.new == ()
    assert again.updated == ()


@given(ENTRIES, ENTRIES)
def test_no_article_is_updated_twice_and_no_guid_is_stored_twice(before: list[Entry], after: list[Entry]) -> None:
    known = [stored(item.entry, id=number) for number, item in enumerate(decide(before).new)]
    found = decide(after, known)
    ids = [update.article_id for update in found.updated]
    assert len(ids) == len(set(ids))
    fresh = [item.entry.guid for item in found.new if item.entry.guid]
    kept = {article.id: article.guid for article in known}
    kept |= {update.article_id: update.entry.guid or kept[update.article_id] for update in found.updated}
    everything = [*fresh, *(guid for guid in kept.values() if guid)]
    assert len(everything) == len(set(everything))
    assert len(found.new) + len(found.updated) + found.unchanged == len(changes.once(after))

"""Choosing: a table of cases, and the promise that all in reach is told exactly once."""

import dataclasses
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from digest.editions import choose
from digest.editions.choose import Candidate, Chosen, Limits, Nothing, Pick, Reach, Waiting

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDER = ("cardiology", "nutrition", "methods")
LIMITS = Limits(min_items=1, max_items=3, max_links=2, max_wait=timedelta(days=7))
EVERYTHING = Reach(topics=None, covered_to=0, upto=100)


def an_article(position: int, *topics: str, hours_old: int | None = None) -> Candidate:
    """Article n has position n and, unless told otherwise, is one hour newer than Article n-1."""
    at = NOW - HOUR * (100 - position if hours_old is None else hours_old)
    return Candidate(id=position, position=position, topics=topics, published_at=at, released_at=at)


def choice(articles, reach=EVERYTHING, limits=LIMITS, now=NOW):
    return choose.choose(articles, reach, limits=limits, topic_order=ORDER, now=now)


def ids(picks: tuple[Pick, ...]) -> list[int]:
    return [pick.article_id for pick in picks]


@pytest.mark.parametrize(
    ("article_topics", "topics", "expected"),
    [
        (("cardiology",), frozenset({"cardiology"}), True),
        (("cardiology", "nutrition"), frozenset({"nutrition"}), True),
        (("cardiology",), frozenset({"nutrition"}), False),
        (("cardiology",), None, True),
        ((), None, True),
        ((), frozenset({"cardiology"}), False),
        (("cardiology",), frozenset(), False),
        ((), frozenset(), False),
    ],
)
def test_an_article_matches_readers_of_its_topics_and_of_everything(article_topics, topics, expected):
    assert choose.matches(article_topics, topics) is expected


@pytest.mark.parametrize(
    ("covered_to", "upto", "expected"),
    [(0, 4, [4, 3, 2, 1]), (2, 4, [4, 3]), (2, 3, [3]), (3, 3, []), (4, 9, [])],
)
def test_only_the_range_after_what_is_covered_counts(covered_to, upto, expected):
    found = choice(
        [an_article(n) for n in range(1, 5)], Reach(None, covered_to, upto), Limits(1, 9, 9, LIMITS.max_wait)
    )
    assert found == (Chosen(tuple(Pick(n, None) for n in expected), (), ()) if expected else Nothing())


def test_the_newest_come_in_full_then_links_then_the_rest():
    found = choice([an_article(n) for n in range(1, 9)])
    assert (ids(found.full), ids(found.links), list(found.more)) == ([8, 7, 6], [5, 4], [3, 2, 1])


def test_newest_means_published_last_and_the_position_settles_a_draw():
    articles = [an_article(1, hours_old=1), an_article(2, hours_old=30), an_article(3, hours_old=30)]
    assert ids(choice(articles).full) == [1, 3, 2]


@pytest.mark.parametrize(
    ("article_topics", "topics", "heading"),
    [
        (("nutrition", "cardiology"), None, "cardiology"),
        (("nutrition", "cardiology"), frozenset({"nutrition"}), "nutrition"),
        (("methods", "nutrition"), frozenset(ORDER), "nutrition"),
        ((), None, None),
        (("astronomy",), None, None),  # a topic the Publication has dropped since
        (("astronomy",), frozenset({"astronomy"}), None),
    ],
)
def test_an_article_stands_once_under_its_first_matching_topic(article_topics, topics, heading):
    found = choice([an_article(1, *article_topics)], Reach(topics, 0, 100))
    assert found == Chosen((Pick(1, heading),), (), ())


WEEK_OLD = 7 * 24


@pytest.mark.parametrize(
    ("ages_in_hours", "waits"),
    [
        ([1, 2], True),
        ([1, 2, 3], False),  # enough
        ([1, WEEK_OLD - 1], True),
        ([1, WEEK_OLD], False),  # waited long enough, to the second
        ([WEEK_OLD + 1], False),
    ],
)
def test_too_few_wait_until_the_oldest_has_waited_long_enough(ages_in_hours, waits):
    articles = [an_article(n, hours_old=age) for n, age in enumerate(ages_in_hours, start=1)]
    found = choice(articles, limits=dataclasses.replace(LIMITS, min_items=3))
    assert found == Waiting(NOW - HOUR * max(ages_in_hours)) if waits else isinstance(found, Chosen)


def test_waiting_counts_from_release_not_from_the_date_on_the_article():
    long_ago = dataclasses.replace(an_article(1), published_at=NOW - timedelta(days=900), released_at=NOW - HOUR)
    assert choice([long_ago], limits=dataclasses.replace(LIMITS, min_items=2)) == Waiting(NOW - HOUR)


def test_only_matching_articles_count_towards_the_least_number():
    articles = [an_article(1, "cardiology"), an_article(2, "nutrition")]
    reach = Reach(frozenset({"cardiology"}), 0, 100)
    limits = dataclasses.replace(LIMITS, min_items=2)
    assert choice(articles, reach, limits) == Waiting(articles[0].released_at)


def test_a_least_number_of_zero_sends_no_empty_mail():
    assert choice([], limits=dataclasses.replace(LIMITS, min_items=0)) == Nothing()


def test_a_publication_may_send_links_only():
    found = choice([an_article(n) for n in range(1, 4)], limits=dataclasses.replace(LIMITS, max_items=0))
    assert (ids(found.full), ids(found.links), found.more) == ([], [3, 2], (1,))


# --- properties -----------------------------------------------------------------------------------------------------

topic_names = st.sampled_from([*ORDER, "astronomy"])
ages = st.integers(0, 400).map(lambda hours: NOW - HOUR * hours)
article_lists = st.lists(
    st.builds(
        Candidate,
        id=st.just(0),
        position=st.integers(1, 60),
        topics=st.lists(topic_names, unique=True, max_size=3).map(tuple),
        published_at=ages,
        released_at=ages,
    ),
    unique_by=lambda article: article.position,
).map(lambda found: [dataclasses.replace(article, id=1000 - article.position) for article in found])
reaches = st.builds(
    Reach, topics=st.none() | st.frozensets(topic_names), covered_to=st.integers(0, 60), upto=st.integers(0, 60)
)
limits_of_any_size = st.builds(
    Limits,
    min_items=st.integers(0, 6),
    max_items=st.integers(0, 12),
    max_links=st.integers(0, 12),
    max_wait=st.integers(0, 400).map(lambda hours: HOUR * hours),
)


def in_reach(articles, reach):
    """The oracle, in other words than the code's: who must be told of."""
    held = [a for a in articles if reach.topics is None or any(topic in reach.topics for topic in a.topics)]
    return {a.id: a for a in held if a.position > reach.covered_to and not a.position > reach.upto}


@given(article_lists, reaches, limits_of_any_size)
def test_all_in_reach_is_told_exactly_once_or_waits_whole(articles, reach, limits):
    wanted = in_reach(articles, reach)
    match choice(articles, reach, limits):
        case Nothing():
            assert not wanted
        case Waiting(oldest_at):
            assert 0 < len(wanted) < limits.min_items
            assert oldest_at == min(article.released_at for article in wanted.values()) > NOW - limits.max_wait
        case Chosen(full, links, more):
            told = [*ids(full), *ids(links), *more]
            assert sorted(told) == sorted(wanted)
            assert len(full) <= limits.max_items
            assert len(links) <= limits.max_links
            assert len(full) == limits.max_items or not links
            assert len(links) == limits.max_links or not more


@given(article_lists, reaches, limits_of_any_size, st.randoms())
def test_the_order_the_rows_came_in_changes_nothing(articles, reach, limits, chance: random.Random):
    shuffled = list(articles)
    chance.shuffle(shuffled)
    assert choice(shuffled, reach, limits) == choice(articles, reach, limits)


@given(article_lists, reaches, limits_of_any_size)
def test_the_best_come_first_and_under_a_topic_the_reader_holds(articles, reach, limits):
    found = choice(articles, reach, limits)
    if isinstance(found, Chosen):
        told = [in_reach(articles, reach)[id_] for id_ in (*ids(found.full), *ids(found.links), *found.more)]
        assert told == sorted(told, key=lambda a: (a.published_at, a.position), reverse=True)
        headings = {pick.topic for pick in (*found.full, *found.links)} - {None}
        assert headings <= (set(ORDER) if reach.topics is None else reach.topics & set(ORDER))


@given(article_lists, st.integers(0, 60), st.integers(0, 60))
def test_two_ranges_in_turn_tell_what_one_would(articles, one, other):
    middle, end = sorted((one, other))
    limits = Limits(0, 0, 0, timedelta(0))
    parts = [choice(articles, Reach(None, *span), limits) for span in ((0, middle), (middle, end))]
    told = [id_ for part in parts if isinstance(part, Chosen) for id_ in part.more]
    assert sorted(told) == sorted(in_reach(articles, Reach(None, 0, end)))


def test_a_cut_tells_the_same_articles_with_less():
    picks = tuple(Pick(id_, "heart") for id_ in range(6))
    cut = Chosen(full=picks[:4], links=picks[4:], more=(6, 7)).cut(full=2, short=1, links=3)
    assert (ids(cut.full), ids(cut.links), cut.more, cut.short) == ([0, 1], [2, 3, 4], (5, 6, 7), 1)

"""Why one reader got what they got."""

import asyncio
from typing import Any

from digest import clock, database
from digest.audience import preferences, trail
from digest.commands import lookup
from tests.support.operator import BEGIN, MIN_TWO, Operator

ANNA = "anna.berg@example.org"
DAYS = ("2026-11-11T12:00:00Z", "2026-11-12T12:00:00Z", "2026-11-13T12:00:00Z")


def explained(operator: Operator, email: str = ANNA) -> dict[str, Any]:
    answer = operator("explain", "mias-feed", email, "--json")
    assert answer.code == 0, answer.err
    found: dict[str, Any] = answer.document
    return found


def test_a_new_reader_has_articles_waiting_and_a_next_date(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-09T04:00:00Z")
    found = explained(operator, "moana.reid@example.org")
    assert found["editions"] == []
    assert (found["waiting"]["count"], len(found["waiting"]["titles"])) == (5, 5)
    assert found["next_due_at"].endswith("T07:30:00+13:00")


def test_sent_digests_show_their_range_and_number_of_articles(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", DAYS[0])
    found = explained(operator)
    [edition] = found["editions"]
    assert (edition["state"], edition["articles"]) == ("sent", 5)
    assert edition["range"] == [found["head"] - 4, found["head"]]
    assert found["covered_to"] == found["head"]


def test_an_edition_without_news_says_so(operator: Operator) -> None:
    operator.begin()
    for day in DAYS:
        operator("run", "--now", day)
    states = [(edition["state"], edition["reason"]) for edition in explained(operator)["editions"]]
    assert states[0][0] == "sent"
    assert states[1:] == [("nothing new", "no news")] * 2


def test_a_digest_below_the_minimum_says_what_it_waits_for(operator: Operator) -> None:
    operator.begin(with_readers=False)
    operator("apply", operator.file("two.toml", MIN_TWO))
    readers = operator.file("readers.csv", f"email,frequency\n{ANNA},daily\n")
    operator("subscribers", "import", "mias-feed", readers, "--confirmed", "--now", BEGIN)
    operator("run", "--now", DAYS[0])
    operator("articles", "add", "mias-feed", "-", "--now", DAYS[0], stdin='{"title": "One", "body": "x"}')
    operator("run", "--now", DAYS[1])
    last = explained(operator)["editions"][-1]
    assert "1 waited, fewer than the minimum of 2" in last["reason"]


def test_who_joined_later_was_not_left_out(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", DAYS[0])
    text = "email,frequency,timezone,send_at\nnew@example.org,daily,Europe/Berlin,07:00\n"
    operator("subscribers", "import", "mias-feed", operator.file("new.csv", text), "--confirmed", "--now", DAYS[1])
    [edition] = explained(operator, "new@example.org")["editions"]
    assert (edition["state"], edition["reason"]) == ("no mail", "joined later")


def pause(db_url: str, *, at: str, until: str) -> None:
    """As Anna would on her page."""

    async def click() -> None:
        db = database.connect(db_url)
        async with db.transaction() as connection:
            found = await lookup.reader(connection, "mias-feed", ANNA)
            row, now = found.subscription, clock.parse(at)
            await preferences.pause(connection, row, clock.parse(until), door=trail.Door.PAGE, now=now)
        await db.close()

    asyncio.run(click())


def test_editions_during_a_pause_are_explained_by_it_also_afterwards(operator: Operator, db_url: str) -> None:
    operator.begin()
    pause(db_url, at=BEGIN, until="2026-11-12T00:00:00Z")
    for day in DAYS[:2]:
        operator("run", "--now", day)
    told = [(edition["slot"], edition["state"], edition["reason"]) for edition in explained(operator)["editions"]]
    assert told == [("2026-11-11", "no mail", "paused"), ("2026-11-12", "sent", "")]


def test_who_left_is_told_apart(operator: Operator) -> None:
    operator.begin()
    operator("subscribers", "unsubscribe", "mias-feed", ANNA)
    found = explained(operator)
    assert found["state"] == "unsubscribed"


def test_a_suppressed_reader_is_shown_as_such(operator: Operator) -> None:
    operator.begin()
    operator("subscribers", "suppress", ANNA)
    operator("run", "--now", DAYS[0])
    found = explained(operator)
    assert found["suppressed"] == "operator"
    assert [edition["state"] for edition in found["editions"]] == ["withheld"]
    assert "suppressed (operator)" in operator("explain", "mias-feed", ANNA).out


def test_explaining_changes_nothing(operator: Operator, db_url: str) -> None:
    operator.begin()
    operator("run", "--now", DAYS[0])
    before = operator.everything(db_url)
    operator("explain", "mias-feed", ANNA)
    assert operator.everything(db_url) == before

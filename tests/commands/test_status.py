"""What the operator sees: what there is, what is due, what needs a hand."""

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from digest import database
from digest.outbox import models
from tests.support.operator import SHIPPED, Operator
from tests.support.smtpserver import SmtpServer

SENDING = {"now", "editions", "deliveries", "oldest_due_at", "waiting_for", "pauses"}
KEYS = SENDING | {
    *("instance", "database", "tzdata", "publications", "sources", "pictures", "doubts_held", "throttle"),
    "webhooks",
}


def warnings(operator: Operator) -> list[str]:
    found: list[str] = operator("status", "--json").document["warnings"]
    return found


def test_an_empty_installation_has_a_status_too(operator: Operator) -> None:
    answer = operator("status")
    assert answer.code == 0
    assert "editions     none open" in answer.out


def test_the_document_tells_it_all(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-16T23:00:00Z")
    document = operator("status", "--json").document
    assert set(document) == KEYS | {"warnings"}
    [publication] = document["publications"]
    assert publication["readers"] == {"active": 10}
    assert publication["frequencies"] == {
        "instant": 1, "daily": 3, "weekdays": 1, "weekly": 3, "fortnightly": 1, "monthly": 1
    }  # fmt: skip
    assert publication["head"] == publication["articles"]["released"]
    assert document["deliveries"] == dict.fromkeys(("queued", "sending", "deferred", "doubtful"), 0)
    [source] = document["sources"]
    assert (source["failures"], source["reason"], source["faults"]) == (0, None, [])


def test_what_was_set_aside_is_shown_with_its_reason(operator: Operator) -> None:
    operator("apply", SHIPPED / "publications" / "mias-feed.toml")
    feed = '<rss version="2.0"><channel><title>x</title><item><guid>1</guid></item></channel></rss>'
    operator("ingest", "mias-feed", operator.file("feed.xml", feed))
    operator("ingest", "mias-feed", operator.file("broken.xml", "no feed"))
    sources = operator("status", "--json").document["sources"]
    assert [len(source["faults"]) for source in sources] == [1, 0]
    assert sources[1]["failures"] == 1
    shown = operator("status").out
    assert sources[0]["faults"][0]["reason"] in shown
    assert sources[1]["reason"] in shown


def test_names_from_outside_cannot_move_the_cursor(operator: Operator) -> None:
    operator("apply", SHIPPED / "publications" / "mias-feed.toml")
    operator("ingest", "mias-feed", operator.file("feed\x1b[2J.xml", "no feed"))
    assert "\x1b" not in operator("status").out


def test_no_relay_and_links_nobody_can_follow_are_warned_of(operator: Operator) -> None:
    operator.set(DIGEST_SMTP_URL="")
    found = warnings(operator)
    assert any(line.startswith("smtp.url is empty") for line in found)
    assert any("this machine only" in line for line in found)
    operator.set(DIGEST_SMTP_URL="smtp://127.0.0.1", DIGEST_BASE_URL="https://news.example.org")
    assert warnings(operator) == []


def test_a_copy_of_a_database_is_warned_of(operator: Operator) -> None:
    operator.begin()
    operator("run")
    operator.set(DIGEST_INSTANCE="a-copy")
    assert any("digest adopt" in line for line in warnings(operator))


def test_passwords_are_not_shown(operator: Operator) -> None:
    operator("apply", SHIPPED / "publications" / "mias-feed.toml")
    operator("ingest", "mias-feed", "http://mia:geheim@127.0.0.1:1/feed.xml")
    answer = operator("status", "--json")
    assert answer.document["sources"][0]["address"] == "http://127.0.0.1:1/feed.xml"
    assert "geheim" not in answer.out + operator("status").out


NOW = "2026-11-16T23:00:00Z"


@pytest.fixture
def greylisted(operator: Operator) -> int:
    """An Edition of which one mail was refused for now; its id."""
    operator.begin()
    with SmtpServer() as server:
        server.answer("rcpt", "450 4.7.1 Greylisted, come back later")
        operator.set(DIGEST_SMTP_URL=server.url)
        operator("run", "--now", NOW)
    found = operator("status", "--now", NOW, "--json").document["editions"]
    return next(int(one["id"]) for one in found if one["deliveries"]["deferred"] == one["total"] == 1)


def test_a_running_edition_tells_how_far_it_is(operator: Operator, greylisted: int) -> None:
    document = operator("status", "--now", NOW, "--json").document
    [edition] = [one for one in document["editions"] if one["id"] == greylisted]
    assert edition["deliveries"]["deferred"] == edition["total"] - edition["done"] == 1
    assert list(edition["deliveries"])[:5] == ["queued", "sending", "sent", "deferred", "doubtful"]
    assert (edition["percent"], edition["per_second"], edition["seconds_left"]) == (0.0, 0.0, 0)
    assert document["deliveries"]["deferred"] > 0
    assert document["waiting_for"] == {"greylisted": document["deliveries"]["deferred"]}
    shown = operator("status", "--now", NOW).out
    assert re.search(r"(?m)^waiting for  \d+: greylisted$", shown)
    assert re.search(rf"(?m)^{greylisted} .* filled +0\.0 % of 1 +1 deferred", shown)


def test_an_edition_without_mails_claims_no_share_of_them(operator: Operator) -> None:
    operator.begin()
    operator("send-now", "mias-feed", "--now", NOW)
    shown = operator("status", "--now", NOW).out
    assert re.search(r"(?m) planned +none$", shown)
    assert "% of 0" not in shown


def test_late_work_is_told_with_its_age(operator: Operator, greylisted: int) -> None:
    shown = operator("status", "--now", "2026-11-17T09:00:00Z").out
    assert re.search(r"(?m)^oldest due   2026-11-1\d \d\d:\d\d UTC, \d+ h", shown)


def test_one_edition_at_length_says_what_stands_in_its_way(operator: Operator, greylisted: int) -> None:
    document = operator("status", greylisted, "--now", NOW, "--json").document
    assert document["troubles"] == {"greylisted": 1}
    shown = operator("status", greylisted, "--now", NOW).out
    assert f"edition      {greylisted}" in shown
    assert "trouble      1: greylisted" in shown


def test_an_edition_that_is_over_has_its_counts_still(operator: Operator) -> None:
    operator.begin()
    [first, *_] = operator("run", "--now", NOW, "--json").document["editions"]
    document = operator("status", first["id"], "--json").document
    assert (document["state"], document["percent"]) == ("finished", 100.0)
    assert document["deliveries"]["sent"] > 0


def test_an_edition_there_is_not(operator: Operator) -> None:
    operator.begin(with_readers=False)
    answer = operator("status", "77")
    assert (answer.code, answer.complaint) == (2, "digest: there is no edition 77; see: digest status")


def test_watching_an_edition_ends_when_it_is_over(operator: Operator) -> None:
    operator.begin()
    [first, *_] = operator("run", "--now", NOW, "--json").document["editions"]
    [line] = operator("status", first["id"], "--watch", "--json").out.splitlines()
    assert json.loads(line)["state"] == "finished"
    assert f"edition      {first['id']}" in operator("status", first["id"], "--watch").out


def test_watching_all_goes_on_a_document_a_line(operator: Operator) -> None:
    operator.begin()
    command = [sys.executable, "-m", "digest", "status", "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        documents = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.terminate()
    assert documents[0]["now"] < documents[1]["now"]
    assert set(documents[0]) == SENDING


def test_a_destination_that_turns_us_away_is_told(operator: Operator, db_url: str) -> None:
    until = datetime(2026, 11, 16, 23, 10, tzinfo=UTC)
    pause = {
        "relay": "main",
        "destination": "gmail",
        "since": until,
        "until": until,
        "reason": "421 4.7.28\x1b[2J slow down",
    }

    async def turn_away() -> None:
        db = database.connect(db_url)
        async with db.transaction() as connection:
            await connection.execute(sa.insert(models.Pause).values(pause))
        await db.close()

    asyncio.run(turn_away())
    assert operator("status", "--now", NOW, "--json").document["pauses"][0]["destination"] == "gmail"
    line = "turned away  from gmail by way of main, until 2026-11-16 23:10 UTC: 421 4.7.28 [2J slow down"
    assert line in operator("status", "--now", NOW).out
    assert operator("status", "--now", "2026-11-17T00:00:00Z", "--json").document["pauses"] == []


def test_own_templates_that_are_not_used_are_told_with_their_place(operator: Operator) -> None:
    operator.begin()
    own = operator.file("config/publications/mias-feed/templates/digest/parts/own.css", ".a + .b { margin: 0; }")
    [line] = [line for line in operator("status", "--json").document["warnings"] if "shipped templates" in line]
    assert line.startswith(f"mias-feed is mailed with the shipped templates: {own}:1: ")
    own.write_text(".a { margin: 0; }")
    assert not any("shipped templates" in line for line in operator("status", "--json").document["warnings"])

"""Ten days on the shipped feed: what each reader got, told from the received mails and the shipped files alone."""

import csv
import email
import email.policy
import re
import socket
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from digest import templating
from tests.support import operator

pytestmark = pytest.mark.anyio

FILES = templating.data_dir("config") / "demo"
ATOM = "{http://www.w3.org/2005/Atom}"
BERLIN = ZoneInfo("Europe/Berlin")
# Each Article stands on a line of its own in the text part; related ones are indented.
ARTICLE = re.compile(r"^http://127\.0\.0\.1:\d+/sample/articles/([\w-]+)\s*$", re.MULTILINE)


@pytest.fixture
def digest(tmp_path, capsys, monkeypatch):
    with operator.at_terminal(tmp_path, capsys, monkeypatch) as person:
        yield person


@pytest.fixture(scope="module")
def mails(played):
    """(recipient, message) as they lie in the folder."""
    found = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted((played.home / "mail").glob("*.eml"))
    ]
    return [(str(mail["To"].addresses[0].addr_spec), mail) for mail in found]


@pytest.fixture(scope="module")
def readers():
    with (FILES / "readers.csv").open(encoding="utf-8", newline="") as rows:
        return {row["email"]: row for row in csv.DictReader(rows)}


def articles_of(mail):
    return ARTICLE.findall(mail.get_body(("plain",)).get_content())


def published():
    entries = ElementTree.parse(FILES / "feed.xml").findall(f"{ATOM}entry")
    return {
        entry.find(f"{ATOM}link").get("href").rsplit("/", 1)[1]: datetime.fromisoformat(
            entry.findtext(f"{ATOM}published")
        )
        for entry in entries
    }


async def test_ten_days_end_well(played):
    assert played.code == 0
    assert "0 lost, 0 twice" in played.printed
    assert str(played.home) in played.printed


async def test_every_reader_gets_mail_and_stands_in_the_table(played, mails, readers):
    assert {recipient for recipient, _ in mails} == set(readers)
    assert all(row["name"] in played.printed and row["timezone"] in played.printed for row in readers.values())


async def test_no_reader_is_told_an_article_twice(mails):
    told = Counter((recipient, name) for recipient, mail in mails for name in articles_of(mail))
    assert told
    assert max(told.values()) == 1


async def test_a_daily_reader_of_everything_misses_nothing_up_to_the_last_digest(mails):
    got = {name for recipient, mail in mails if recipient == "anna.berg@example.org" for name in articles_of(mail)}
    last = datetime(2026, 11, 7, 7, 0, tzinfo=BERLIN)
    assert got == {name for name, at in published().items() if at <= last}


async def test_an_instant_reader_hears_within_half_an_hour(mails):
    dates, pause = published(), timedelta(minutes=30)
    mine = [mail for recipient, mail in mails if recipient == "wanjiru.kamau@example.com"]
    waits = [mail["Date"].datetime - dates[name] for mail in mine for name in articles_of(mail)]
    assert waits
    assert all(timedelta(0) <= wait <= pause for wait in waits)


async def test_digests_arrive_at_the_local_time_chosen(mails, readers):
    for recipient, mail in mails:
        reader = readers[recipient]
        local = mail["Date"].datetime.astimezone(ZoneInfo(reader["timezone"]))
        assert reader["frequency"] == "instant" or f"{local:%H:%M}" == reader["send_at"]
        assert not reader["weekday"] or f"{local:%A}".lower() == reader["weekday"]


async def test_what_arrived_is_kept_as_it_came(played):
    kept = {int(path.stem): path.read_bytes() for path in (played.home / "mail").glob("*.eml")}
    assert kept == {letter.number: letter.received.content for letter in played.letters}


def test_an_own_feed_is_played_without_touching_an_installation(digest, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", f"sqlite:///{tmp_path / 'real.db'}")
    monkeypatch.chdir(tmp_path)
    feed = tmp_path / "feed.xml"
    items = "".join(
        f"<item><title>Number {n}</title><guid>g{n}</guid><category>Bees</category>"
        f"<pubDate>Fri, {10 + n % 3:02} Apr 2026 06:00:00 GMT</pubDate></item>"
        for n in range(60)
    )
    feed.write_text(f"<rss version='2.0'><channel><title>Hives</title>{items}</channel></rss>", encoding="utf-8")
    answer = digest("demo", "--once", "--feed", feed, "--home", tmp_path / "demo")
    assert (answer.code, answer.err) == (0, "")
    printed = answer.out
    assert "Hives (60 items)" in printed
    assert "Bees" in printed
    assert "60 articles came at once and are held" in printed
    assert "0 lost, 0 twice" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "feed.xml"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--feed", "nowhere.xml"], "No such file"),
        (["--feed", "ftp://feeds.example/x"], "is no feed's address"),
        (["--port", "{taken}"], "choose another with --port"),
        (["--home", "{full}"], "is not empty"),
    ],
)
def test_a_mistake_gives_one_line_and_leaves_nothing(digest, arguments, says, tmp_path, monkeypatch):
    full, temporary = tmp_path / "full", tmp_path / "tmp"
    full.mkdir()
    (full / "precious.db").touch()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = {"taken": taken.getsockname()[1], "full": full}
        answer = digest("demo", "--once", *(argument.format(**names) for argument in arguments))
    assert answer.code in (1, 2)
    assert says in answer.err
    assert answer.err.count("\n") == 1
    assert list(temporary.iterdir()) == []
    assert [path.name for path in full.iterdir()] == ["precious.db"]

"""What the operator sees: what there is, what is due, what needs a hand."""

from tests.support.operator import SHIPPED, Operator

KEYS = {
    "now",
    "instance",
    "database",
    "tzdata",
    "publications",
    "sources",
    "editions",
    "deliveries",
    "oldest_due_at",
    "doubts_held",
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
    assert document["deliveries"]["sent"] > 0
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

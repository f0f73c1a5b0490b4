"""Lists of readers in and out: CSV and JSON lines, each bad line with its reason."""

import json

import pytest

from digest.audience import rows
from tests.support import cast
from tests.web.api.conftest import Publisher

pytestmark = pytest.mark.anyio
CSV, LINES = "text/csv; charset=utf-8", "application/x-ndjson"


async def bring(publisher: Publisher, text: str | bytes, kind: str = CSV, query: str = "?confirmed=true"):  # type: ignore[no-untyped-def]
    content = text.encode() if isinstance(text, str) else text
    headers = {"Content-Type": kind}
    return await publisher.call("POST", f"/subscribers/import{query}", content=content, headers=headers)


async def test_a_csv_is_brought_in_and_bad_lines_are_told(publisher: Publisher) -> None:
    text = "email,frequency\nben@example.org,weekly\nnobody,daily\ncleo@example.org,hourly\nanna@example.org,daily\n"
    answer = await bring(publisher, text)
    found = answer.json()
    assert (answer.status_code, found["imported"], found["unchanged"], found["refusals"]) == (200, 1, 1, 2)
    assert [one["line"] for one in found["refused"]] == [3, 4]
    assert "hourly" in found["refused"][1]["reason"]


async def test_json_lines_say_the_same(publisher: Publisher) -> None:
    lines = [
        {"email": "ben@example.org", "topics": ["heart", "lungs"], "name": None, "consented_at": "2025-01-02"},
        {"email": "cleo@example.org", "topics": []},
        {"email": "dan@example.org", "colour": "red"},
        {"email": 5},
        {"email": "a\x00b@example.org"},
    ]
    text = "\n".join([*map(json.dumps, lines), "", "[]", "{", '{"email": "\\ud800@example.org"}'])
    found = (await bring(publisher, text, LINES)).json()
    assert (found["imported"], [one["line"] for one in found["refused"]]) == (2, [3, 4, 5, 7, 8, 9])
    ben, cleo = [(await publisher.get("/subscribers?limit=2")).json()["items"][index] for index in (1, 0)]
    assert (ben["topics"], ben["confirmed_at"], cleo["topics"]) == (["heart", "lungs"], "2025-01-02T00:00:00Z", None)


async def test_what_a_spreadsheet_wrote_is_read_and_what_is_torn_is_told(publisher: Publisher) -> None:
    wide = "email,name\nben@example.org,Zoë\n".encode("utf-16")
    answer = await bring(publisher, wide)
    assert (answer.status_code, answer.json()["imported"]) == (200, 1)
    answer = await bring(publisher, wide + b"c")
    assert (answer.status_code, answer.json()["refusals"]) == (200, 1)


@pytest.mark.parametrize("scopes", [("subscribers:write",), ("subscribers:write", "suppressions:write")])
async def test_only_who_may_suppress_does_so_by_a_list(publisher: Publisher, scopes: tuple[str, ...]) -> None:
    asker = await publisher.with_key(*scopes)
    found = (await bring(asker, "email,state\ngone@example.org,bounced\nben@example.org,active\n")).json()
    may_suppress = len(scopes) > 1
    assert (found["imported"], found["suppressed"], found["refusals"]) == (1, may_suppress, not may_suppress)
    covered = await publisher.call("POST", "/api/v1/suppressions/lookup", {"email": "gone@example.org"})
    assert covered.status_code == (200 if may_suppress else 404)


@pytest.mark.parametrize("torn", [b"c", "\ud800".encode("utf-16-le", "surrogatepass")])
async def test_json_lines_that_are_torn_are_told(publisher: Publisher, torn: bytes) -> None:
    answer = await bring(publisher, '{"email": "ben@example.org"}\n'.encode("utf-16") + torn, LINES)
    found = answer.json()
    assert (answer.status_code, found["imported"], [one["line"] for one in found["refused"]]) == (200, 1, [2])


@pytest.mark.parametrize(("query", "state"), [("", None), ("?ask=true", "confirm")])
async def test_without_consent_they_wait(publisher: Publisher, query: str, state: str | None) -> None:
    await bring(publisher, "email\nben@example.org\n", query=query)
    [ben] = (await publisher.get("/subscribers?state=pending")).json()["items"]
    assert (await cast.subscription(publisher.site.db, ben["id"])).notice_due == state


@pytest.mark.parametrize(
    ("text", "kind"),
    [("email,state\nben@example.org,\ncleo@example.org,blocked\n", CSV), ('{"email": "ben@example.org"}', LINES)],
)
async def test_a_whole_list_may_be_of_those_who_left(publisher: Publisher, text: str, kind: str) -> None:
    found = (await bring(publisher, text, kind, "?confirmed=true&as=unsubscribed")).json()
    assert (found["imported"], found["left"], found["suppressed"]) == (0, 1, int(kind == CSV))
    [ben] = (await publisher.get("/subscribers?state=unsubscribed")).json()["items"]
    assert ben["email"] == "ben@example.org"


async def test_a_dry_run_changes_nothing(publisher: Publisher) -> None:
    await publisher.get("/api/v1/key")
    before = await cast.everything(publisher.site.db)
    answer = await bring(publisher, "email\nben@example.org\n", query="?confirmed=true&dry_run=true")
    assert answer.json()["imported"] == 1
    assert await cast.everything(publisher.site.db) == before


@pytest.mark.parametrize(
    ("text", "kind", "query", "status"),
    [
        ("name\nben\n", CSV, "", 422),
        ("", CSV, "", 422),
        ("email\n", "application/json", "", 415),
        ("email\n", CSV, "?confirmed=perhaps", 400),
        ("email\n", CSV, "?as=asleep", 400),
        ("email\n", CSV, "?seen_until=0001-01-01T00:00:00%2B14:00", 422),
        (b"x" * 10_000_001, CSV, "", 413),
    ],
)
async def test_what_is_no_list_is_refused_whole(
    publisher: Publisher, text: str | bytes, kind: str, query: str, status: int
) -> None:
    answer = await bring(publisher, text, kind, query)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


async def test_bytes_that_are_no_text_are_bad_lines(publisher: Publisher) -> None:
    found = (await bring(publisher, b"\xef\xbb\xbfemail,name\nben@example.org,B\xe4n\ncleo@example.org,C\n")).json()
    assert (found["imported"], found["refused"]) == (
        1,
        [{"line": 2, "reason": "is not UTF-8; save the file as CSV UTF-8"}],
    )


async def test_what_goes_out_comes_in_again_unchanged(publisher: Publisher) -> None:
    answer = await publisher.get("/subscribers/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="mias-feed.csv"' in answer.headers["content-disposition"]
    assert answer.text.splitlines()[0] == ",".join(rows.COLUMNS)
    assert answer.text.splitlines()[1].startswith("anna@example.org,")
    assert (await bring(publisher, answer.text)).json()["unchanged"] == 1

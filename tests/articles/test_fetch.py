"""Fetching from a real server. Only DNS is faked; loopback is reached because the tests allow it."""

import asyncio
import gzip
import zlib
from datetime import timedelta
from pathlib import Path

import brotli
import httpx
import pytest

from digest.articles import answers, fetch
from tests.support import feedserver
from tests.support.feedserver import Reply

FEED = b"<rss version='2.0'><channel><title>T</title></channel></rss>"
LIMITS = fetch.Limits(
    user_agent="digest/1 (+https://news.example.org)",
    max_bytes=100_000,
    total=timedelta(seconds=5),
    silence=timedelta(seconds=2),
    connect=timedelta(seconds=2),
    allow_hosts=frozenset({"127.0.0.1", "feeds.example.org"}),
)


async def to_loopback(host: str) -> list[str]:
    return {"inside.example.org": ["10.0.0.8"], "rebound.example.org": ["93.184.216.34", "127.0.0.1"]}.get(
        host, ["127.0.0.1"]
    )


def get(
    url: str,
    *,
    limits: fetch.Limits = LIMITS,
    etag: str | None = None,
    modified: str | None = None,
    wish: fetch.Wish = fetch.FEED,
) -> fetch.Result:
    return asyncio.run(fetch.get(url, etag=etag, modified=modified, limits=limits, resolve=to_loopback, wish=wish))


def answer(reply: Reply, **options: str) -> fetch.Result:
    with feedserver.serve({"/feed": reply}) as server:
        return get(server.url("/feed"), **options)  # type: ignore[arg-type]


def refusal(result: fetch.Result) -> str:
    assert isinstance(result, fetch.Refused), result
    return result.reason


def document(result: fetch.Result) -> fetch.Document:
    assert isinstance(result, fetch.Document), result
    return result


def moved(to: str, status: int = 301) -> Reply:
    return Reply(status, headers={"Location": to})


def test_a_feed_is_read_with_its_validators() -> None:
    headers = {
        "Content-Type": "application/rss+xml; charset=utf-8",
        "ETag": 'W/"7"',
        "Last-Modified": "Tue, 03 Nov 2026 10:00:00 GMT",
    }
    found = document(answer(Reply(body=FEED, headers=headers)))
    assert found.body == FEED
    assert found.content_type == "application/rss+xml; charset=utf-8"
    assert (found.etag, found.modified) == ('W/"7"', "Tue, 03 Nov 2026 10:00:00 GMT")
    assert found.moved_to is None


def test_the_request_says_who_asks_and_what_is_known() -> None:
    with feedserver.serve({"/feed": Reply(304)}) as server:
        result = get(server.url("/feed"), etag='"7"', modified="Tue, 03 Nov 2026 10:00:00 GMT")
        asked = server.requests[0].headers
    assert result == fetch.Unchanged()
    assert asked["If-None-Match"] == '"7"'
    assert asked["If-Modified-Since"] == "Tue, 03 Nov 2026 10:00:00 GMT"
    assert asked["User-Agent"] == "digest/1 (+https://news.example.org)"
    assert asked["Accept-Encoding"] == "gzip, deflate, br"


def test_validators_that_no_header_can_carry_are_left_out() -> None:
    with feedserver.serve({"/feed": Reply(body=FEED)}) as server:
        document(get(server.url("/feed"), etag='"ü"', modified="x\r\nEvil: 1"))
        asked = server.requests[0].headers
    assert asked["If-None-Match"] is None
    assert asked["Evil"] is None


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(FEED, mtime=0)),
        ("x-gzip", gzip.compress(FEED[:9], mtime=0) + gzip.compress(FEED[9:], mtime=0)),
        ("gzip", gzip.compress(FEED, mtime=0) + b"padding"),
        ("deflate", zlib.compress(FEED)),
        ("deflate", raw_deflate(FEED)),
        ("br", brotli.compress(FEED)),
        ("identity", FEED),
        ("BR", brotli.compress(FEED)),
    ],
)
def test_packed_bodies_are_unpacked(coding: str, packed: bytes) -> None:
    assert document(answer(Reply(body=packed, headers={"Content-Encoding": coding}))).body == FEED


@pytest.mark.parametrize(
    ("coding", "packed", "reason"),
    [
        ("gzip", b"no gzip at all", "damaged"),
        ("br", b"no brotli at all", "damaged"),
        ("deflate", b"\xff\xff\xff\xff", "damaged"),
        ("gzip", gzip.compress(FEED * 50, mtime=0)[:-12], "stopped in the middle"),
        ("br", brotli.compress(FEED * 50)[:-4], "stopped in the middle"),
        ("zstd", FEED, "did not ask for"),
        ("gzip, gzip", FEED, "did not ask for"),
        ("identity", b"x" * 100_001, "larger than allowed"),
    ],
)
def test_bodies_that_cannot_be_unpacked_are_refused(coding: str, packed: bytes, reason: str) -> None:
    assert reason in refusal(answer(Reply(body=packed, headers={"Content-Encoding": coding})))


@pytest.mark.parametrize(
    ("statuses", "is_remembered"),
    [((301,), True), ((308, 301), True), ((302,), False), ((301, 302), False), ((302, 301), False), ((307,), False)],
)
def test_only_redirects_that_are_permanent_all_the_way_are_remembered(
    statuses: tuple[int, ...], is_remembered: bool
) -> None:
    replies = {f"/{hop}": moved(f"/{hop + 1}", status) for hop, status in enumerate(statuses)}
    with feedserver.serve({**replies, f"/{len(statuses)}": Reply(body=FEED)}) as server:
        found = document(get(server.url("/0")))
        last = server.url(f"/{len(statuses)}")
    assert found.url == last
    assert found.moved_to == (last if is_remembered else None)


def test_a_move_is_remembered_even_if_nothing_changed() -> None:
    with feedserver.serve({"/old": moved("/new"), "/new": Reply(304)}) as server:
        assert get(server.url("/old"), etag='"7"') == fetch.Unchanged(moved_to=server.url("/new"))


def test_a_name_without_an_address_is_a_reason() -> None:
    async def nowhere(host: str) -> list[str]:
        raise OSError("no such name")

    result = asyncio.run(fetch.get("http://gone.example.org/", limits=LIMITS, resolve=nowhere))
    assert refusal(result) == "the name gone.example.org has no address"


def test_the_host_is_named_though_the_address_is_pinned() -> None:
    with feedserver.serve({"/feed": Reply(body=FEED)}) as server:
        found = document(get(server.url("/feed?a=1", host="feeds.example.org")))
        asked = server.requests[0]
    assert asked.headers["Host"] == f"feeds.example.org:{server.port}"
    assert asked.path == "/feed?a=1"
    assert found.url == f"http://feeds.example.org:{server.port}/feed?a=1"


def test_a_second_address_is_tried_when_the_first_is_dead() -> None:
    async def two(host: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    with feedserver.serve({"/feed": Reply(body=FEED)}) as server:
        url = server.url("/feed", host="feeds.example.org")
        assert document(asyncio.run(fetch.get(url, limits=LIMITS, resolve=two))).body == FEED


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert document(answer(Reply(body=FEED))).body == FEED


class TestCertificates:
    @pytest.fixture(autouse=True)
    def _fresh_roots(self) -> object:
        fetch.tls.cache_clear()
        yield
        fetch.tls.cache_clear()

    def test_an_unknown_one_is_refused(self) -> None:
        with feedserver.serve({"/feed": Reply(body=FEED)}, tls=True) as server:
            reason = refusal(get(server.url("/feed", host="feeds.example.org")))
        assert reason == "the certificate of feeds.example.org is not valid for it"

    def test_it_must_be_that_of_the_host_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(feedserver.CERTIFICATE))
        with feedserver.serve({"/feed": Reply(body=FEED)}, tls=True) as server:
            assert document(get(server.url("/feed", host="feeds.example.org"))).body == FEED
            assert "certificate of 127.0.0.1" in refusal(get(server.url("/feed")))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(410), fetch.Gone()),
        (Reply(404), fetch.Refused("there is nothing at this address", None, 404)),
        (Reply(401), fetch.Refused("the server asks for a password", None, 401)),
        (Reply(418), fetch.Refused("the server answered with status 418", None, 418)),
        (Reply(204), fetch.Refused("the server answered with status 204", None, 204)),
        (
            Reply(429, headers={"Retry-After": "120"}),
            fetch.Refused("the server says we ask too often", timedelta(seconds=120), 429),
        ),
        (
            Reply(503, headers={"Retry-After": "99999999999999"}),
            fetch.Refused("the server answered with status 503", timedelta(days=7), 503),
        ),
    ],
)
def test_what_a_status_means(reply: Reply, expected: fetch.Result) -> None:
    assert answer(reply) == expected


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "90"}, timedelta(seconds=90)),
        ({"Retry-After": "Tue, 03 Nov 2026 11:00:00 GMT", "Date": "Tue, 03 Nov 2026 10:00:00 GMT"}, timedelta(hours=1)),
        ({"Retry-After": "Tue, 03 Nov 2026 09:00:00 GMT", "Date": "Tue, 03 Nov 2026 10:00:00 GMT"}, timedelta()),
        ({"Retry-After": "Thu, 03 Nov 2095 09:00:00 GMT"}, timedelta(days=7)),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_both_forms_of_retry_after_are_read(headers: dict[str, str], wait: timedelta | None) -> None:
    assert answers.retry_after(httpx.Headers(headers)) == wait


def test_a_password_in_the_address_is_given_to_its_host_only() -> None:
    with feedserver.serve({"/feed": moved("/next"), "/last": Reply(body=FEED)}) as server:
        server.replies["/next"] = moved(server.url("/last", host="feeds.example.org"))
        document(get(f"http://mia:secret@127.0.0.1:{server.port}/feed"))
        given = [request.headers["Authorization"] for request in server.requests]
    assert given == ["Basic bWlhOnNlY3JldA==", "Basic bWlhOnNlY3JldA==", None]


class TestFiles:
    def read(self, path: Path) -> fetch.Document | fetch.Refused:
        return asyncio.run(fetch.read_file(path, max_bytes=1000))

    def test_a_file_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "feed.xml"
        path.write_bytes(FEED)
        assert self.read(path) == fetch.Document(FEED, None, path.as_uri())

    def test_what_is_no_readable_file_is_a_reason(self, tmp_path: Path) -> None:
        (tmp_path / "large").write_bytes(b"x" * 1001)
        assert "larger than 1000 bytes" in refusal(self.read(tmp_path / "large"))
        assert "No such file" in refusal(self.read(tmp_path / "missing"))
        assert "is not a file" in refusal(self.read(tmp_path))
        assert "is not a file" in refusal(self.read(Path("/dev/zero")))


def test_no_more_of_a_body_is_read_than_is_enough() -> None:
    endless = Reply(body=b"begin", chunks=(b"x" * 1000,) * 10_000, headers={"Connection": "close"})
    wish = fetch.Wish("image/*", lambda body: len(body) >= 3000, first=4096)
    with feedserver.serve({"/x": endless}) as server:
        document = get(server.url("/x"), wish=wish)
        assert server.requests[0].headers["Range"] == "bytes=0-4095"
        assert server.requests[0].headers["Accept-Encoding"] == "identity"
    assert isinstance(document, fetch.Document)
    assert document.body.startswith(b"beginxxx")
    assert len(document.body) < LIMITS.max_bytes


def test_a_part_is_taken_only_where_a_part_was_asked_for() -> None:
    with feedserver.serve({"/x": Reply(206, body=b"part")}) as server:
        whole = get(server.url("/x"))
        part = get(server.url("/x"), wish=fetch.Wish("image/*", first=4))
    assert whole == fetch.Refused("the server answered with status 206", None, 206)
    assert isinstance(part, fetch.Document)


def test_what_says_beforehand_that_it_is_too_large_is_not_loaded() -> None:
    reply = Reply(headers={"Content-Length": "100001"}, chunks=(b"x",) * 100, trickle=1)
    assert refusal(answer(reply)) == "the body is larger than allowed"


@pytest.mark.parametrize(
    ("headers", "total"),
    [
        ({"Content-Length": "99"}, 99),
        ({"Content-Length": "10", "Content-Range": "bytes 0-9/5000"}, 5000),
        ({"Content-Length": "10", "Content-Range": "bytes 0-9/*"}, 0),
        ({"Content-Length": "-1"}, 0),
        ({"Content-Length": "9" * 20}, 0),
        ({}, 0),
    ],
)
def test_how_large_the_whole_is(headers: dict[str, str], total: int) -> None:
    assert answers.total(httpx.Headers(headers)) == total

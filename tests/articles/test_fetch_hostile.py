"""Servers that mean harm or are broken: each ends in a reason, within the limits, and leads nowhere inside."""

import gzip
import time
import tracemalloc
import zlib
from datetime import timedelta

import brotli
import pytest

from digest.articles import fetch
from tests.articles.test_fetch import LIMITS, answer, get, moved, refusal
from tests.support import feedserver
from tests.support.feedserver import Reply


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
def test_a_bomb_is_refused_before_it_unfolds(coding: str) -> None:
    huge = b"\x00" * 50_000_000
    pack = {"gzip": gzip.compress, "br": lambda body: brotli.compress(body, quality=1), "deflate": zlib.compress}[
        coding
    ]
    packed = pack(huge)
    del huge
    tracemalloc.start()
    reason = refusal(answer(Reply(body=packed, headers={"Content-Encoding": coding})))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason == "the body is larger than allowed"
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ({"/0": moved("/1"), "/1": moved("/0")}, "in a loop"),
        ({"/0": moved("/0")}, "in a loop"),
        ({f"/{hop}": moved(f"/{hop + 1}") for hop in range(9)}, "more than 5 times"),
        ({"/0": moved("file:///etc/passwd")}, "no web address"),
        ({"/0": moved("gopher://x.example.org/")}, "no web address"),
        ({"/0": Reply(301)}, "no web address"),
        ({"/0": moved("http://10.0.0.8/")}, "not on the public Internet"),
        ({"/0": moved("http://inside.example.org/")}, "not on the public Internet"),
        ({"/0": moved("http://[::1]/")}, "not on the public Internet"),
        ({"/0": moved("http://169.254.169.254/latest/meta-data")}, "not on the public Internet"),
    ],
)
def test_redirects_that_lead_nowhere_good_end_in_a_reason(replies: dict[str, Reply], reason: str) -> None:
    with feedserver.serve(replies) as server:
        assert reason in refusal(get(server.url("/0")))


@pytest.mark.parametrize(
    "url",
    [
        "http://inside.example.org/",
        "http://rebound.example.org/",
        "http://10.1.2.3/",
        "http://localhost/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_hosts_inside_are_not_visited(url: str) -> None:
    assert "not on the public Internet" in refusal(get(url))


@pytest.mark.parametrize(
    "url", ["ftp://feeds.example.org/", "file:///etc/passwd", "", "http://", "http://[::1", "http://a b/", "feed"]
)
def test_only_http_addresses_are_asked(url: str) -> None:
    assert "no http or https address" in refusal(get(url))


def test_a_server_that_trickles_for_ever_is_left_in_time() -> None:
    limits = fetch.Limits(total=timedelta(seconds=0.5), allow_hosts=LIMITS.allow_hosts)
    trickling = Reply(chunks=(b"<rss>",) * 1000, trickle=0.05)
    with feedserver.serve({"/feed": trickling}) as server:
        began = time.monotonic()
        reason = refusal(get(server.url("/feed"), limits=limits))
    assert reason == "no complete answer within 0.5 seconds"
    assert time.monotonic() - began < 2


def test_a_silent_server_is_left_in_time() -> None:
    limits = fetch.Limits(silence=timedelta(seconds=0.3), allow_hosts=LIMITS.allow_hosts)
    with feedserver.serve({"/feed": Reply(chunks=(b"x",), trickle=30)}) as server:
        assert refusal(get(server.url("/feed"), limits=limits)) == "127.0.0.1 fell silent"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<rss>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
)
def test_an_answer_that_is_no_http_is_a_reason(raw: bytes) -> None:
    assert "broke off, or it does not speak HTTP" in refusal(answer(Reply(raw=raw)))


def test_nobody_listening_is_a_reason() -> None:
    with feedserver.serve({}) as server:
        url = server.url("/feed")
    assert refusal(get(url)) == "no connection to 127.0.0.1 could be made"


def test_reasons_hide_passwords() -> None:
    with feedserver.serve({"/feed": moved("http://mia:secret@127.0.0.1:1/feed?token=secret")}) as server:
        assert "secret" not in refusal(get(server.url("/feed")))
    with feedserver.serve({}) as server:
        looping = f"http://mia:secret@127.0.0.1:{server.port}/feed?token=secret"
        server.replies["/feed"] = moved(looping)
        assert "secret" not in refusal(get(looping))

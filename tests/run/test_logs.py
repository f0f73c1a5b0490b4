"""Logs: one event a line, and no address in it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from digest.run import logs


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_keys() -> None:
    out = io.StringIO()
    logs.configure(style="json", stream=out)
    structlog.get_logger().info("attempt", delivery=7, outcome="sent")
    [line] = lines(out)
    assert (line["event"], line["delivery"], line["outcome"], line["level"]) == ("attempt", 7, "sent", "info")
    assert line["timestamp"].endswith("Z")


def test_what_is_no_terminal_gets_json() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("started")
    assert lines(out)[0]["event"] == "started"


def test_people_get_console_lines() -> None:
    out = io.StringIO()
    logs.configure(style="console", stream=out)
    structlog.get_logger().warning("pass_failed", name="ingest")
    assert "pass_failed" in out.getvalue()
    assert "name=ingest" in out.getvalue()


@pytest.mark.parametrize(
    "text",
    ["550 no such user <anna@example.org>", "anna@example.org", "to:anna@example.org,", "ünï.cödé@example.org"],
)
def test_no_address_is_logged_above_debug(text: str) -> None:
    out = io.StringIO()
    logs.configure(style="json", stream=out)
    structlog.get_logger().info("attempt", reason=text)
    assert "example.org" not in out.getvalue()
    assert "(address)" in lines(out)[0]["reason"]


def test_debug_shows_it_all() -> None:
    out = io.StringIO()
    logs.configure(level="debug", style="json", stream=out)
    structlog.get_logger().debug("parsed", value="anna@example.org")
    assert lines(out)[0]["value"] == "anna@example.org"


def test_a_traceback_is_kept_without_the_addresses_in_it() -> None:
    out = io.StringIO()
    logs.configure(style="json", stream=out)
    try:
        raise ValueError("parameters: ['anna@example.org']")
    except ValueError:
        structlog.get_logger().exception("pass_failed", name="send")
    [line] = lines(out)
    assert "Traceback" in line["exception"]
    assert "anna" not in line["exception"]


def test_the_level_holds_for_libraries_too_and_the_talkative_are_quieter() -> None:
    out = io.StringIO()
    logs.configure(level="info", style="json", stream=out)
    logging.getLogger("some.library").info("heard")
    logging.getLogger("some.library").debug("not heard")
    logging.getLogger("httpx").info("GET https://feed.example/?token=1")
    structlog.get_logger().debug("not heard either")
    assert [line["event"] for line in lines(out)] == ["heard"]

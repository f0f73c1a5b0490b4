"""What holds mail back, as the operator sees it, and how a pause is lifted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from digest import database
from digest.outbox import models, pauses, warmup
from tests.support.operator import Operator

NOW = datetime(2026, 11, 9, 6, 0, tzinfo=UTC)
AT = ("--now", NOW.isoformat())
UNTIL = NOW + timedelta(minutes=10)


def insert(operator: Operator, url: str, model: type[database.Base], **values: Any) -> None:
    operator.behind_the_back(url, sa.insert(model).values(values))


def pause(operator: Operator, url: str) -> None:
    values = {"relay": "mx:25", "destination": "gmail", "since": NOW, "until": UNTIL, "level": 0}
    insert(operator, url, models.Pause, **values, reason="421 4.7.28 unusual\x1b[2J rate")


def put_off(operator: Operator, url: str, reason: str) -> None:
    values = {"state": models.DeliveryState.DEFERRED, "reason": reason, "retry_at": UNTIL, "created_at": NOW}
    insert(operator, url, models.Delivery, publication_id=1, subscription_id=1, **values)


def test_an_installation_without_limits_says_so(operator: Operator) -> None:
    operator.begin()
    assert operator("throttle", "list").out.splitlines() == ["plan      open", "limits    none"]
    assert operator("status", "--json").document["throttle"] == operator("throttle", "list", "--json").document


def test_limits_are_listed(operator: Operator) -> None:
    operator.begin()
    operator.set(DIGEST_THROTTLE_PER_SECOND="14", DIGEST_THROTTLE_DESTINATIONS="GMail.com=20, example.org=0.5")
    shown = operator("throttle", "list")
    assert "limits    each relay 14/s, example.org 0.5/s, gmail 20/s" in shown.out


def test_a_pause_is_shown_with_its_reason_and_can_be_lifted(operator: Operator, db_url: str) -> None:
    operator.begin()
    pause(operator, db_url)
    put_off(operator, db_url, pauses.put_off_reason(pauses.PAUSED, "gmail"))
    shown = operator("throttle", "list", *AT).out
    assert "paused    gmail over mx:25 until 2026-11-09 06:10 UTC: 421 4.7.28 unusual" in shown
    assert "put off   1 mails, the first until 2026-11-09 06:10 UTC: throttled: the destination is paused" in shown
    assert "\x1b" not in shown
    [warning] = [line for line in operator("status", "--json").document["warnings"] if "paused" in line]
    assert warning.endswith("to try at once: digest throttle lift gmail")
    answer = operator("throttle", "lift", "googlemail.com", *AT, "--json")
    assert answer.document == {"destination": "gmail", "mails": 1}
    assert operator("throttle", "list", "--json").document["pauses"] == []


def test_what_is_not_paused_cannot_be_lifted(operator: Operator, db_url: str) -> None:
    operator.begin()
    answer = operator("throttle", "lift", "nobody.example")
    assert answer.code == 2
    assert answer.complaint == "digest: 'nobody.example' is not paused; see: digest throttle list"


@pytest.mark.parametrize("plan", ["careful", "open"])
def test_a_domain_that_warms_up_is_told_of(operator: Operator, db_url: str, plan: str) -> None:
    operator.begin()
    operator.set(DIGEST_THROTTLE_PLAN=plan)
    insert(operator, db_url, models.Ration, domain="example.org", day=NOW.date(), used=100)
    shown = operator("throttle", "list", *AT).out
    assert ("warm-up   example.org: 100 of 100 mails today" in shown) is (plan == "careful")
    put_off(operator, db_url, warmup.REASON)
    warnings = operator("status", "--json").document["warnings"]
    assert any(line.startswith("1 mails wait for the next day while the domain warms up") for line in warnings)

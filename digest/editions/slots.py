"""What names an Edition of a Cadence: a local date, an instant, or `now-<id>` (pure)."""

from datetime import date, datetime


def scheduled(day: date) -> str:
    return day.isoformat()


def at_instant(now: datetime) -> str:
    return now.isoformat()


def send_now(number: int) -> str:
    return f"now-{number}"


def is_send_now(slot: str) -> bool:
    return slot.startswith("now-")


def local_date(slot: str) -> date | None:
    """The local date of a scheduled Edition; None for `instant` and send-now, which heed no date."""
    return date.fromisoformat(slot) if len(slot) == 10 and slot[4] == "-" else None

"""Readers as they are sent to us and as they are shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import pydantic
import sqlalchemy as sa
from pydantic import AfterValidator, Field

from digest import errors, locales, publications
from digest.audience import models, preferences
from digest.web.api import shapes
from digest.web.api.shapes import Email, Given, Instant, Line, Shown

WISHED = frozenset(("frequency", "weekday", "send_at", "timezone", "topics"))


def _locale(text: str) -> str:
    try:
        return locales.parse(text)
    except errors.DigestError as error:
        raise ValueError(str(error)) from None


Locale = Annotated[str, Field(max_length=50, pattern=shapes.NO_NUL, examples=["de-AT"]), AfterValidator(_locale)]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["07:30"])]
Zone = Annotated[str, Field(min_length=1, max_length=100, pattern=shapes.NO_NUL, examples=["Europe/Berlin"])]
Topics = Annotated[tuple[Line, ...], Field(max_length=200, examples=[["nutrition"]])]


class Choice(Given):
    """What a reader chose. What is left out, or null, follows the publication's offer, or stays as it is."""

    frequency: publications.Frequency | None = None
    weekday: publications.Weekday | None = Field(None, description="For weekly, fortnightly and monthly.")
    send_at: Clock | None = Field(None, description="In the reader's own zone.")
    timezone: Zone | None = None
    topics: Topics | None = Field(None, description="None of them, as [], means every article.")

    def wish(self) -> preferences.Wish:
        weekday = None if self.weekday is None else publications.WEEKDAYS.index(self.weekday)
        return preferences.Wish(self.frequency, weekday, self.send_at, self.timezone, self.topics)


class ConsentGiven(Given):
    """When and where this person agreed to be mailed. You may have to prove it."""

    at: Instant
    source: Annotated[str, Field(min_length=1, max_length=500, pattern=shapes.NO_NUL)]


class SubscriberGiven(Choice):
    model_config = pydantic.ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "anna@example.org",
                    "frequency": "weekly",
                    "timezone": "Europe/Berlin",
                    "consent": {"at": "2026-11-20T09:12:00Z", "source": "https://example.org/signup"},
                }
            ]
        }
    )
    email: Email
    name: Line = ""
    locale: Locale | None = None
    consent: ConsentGiven | None = None


class Changes(Choice):
    """What is to change. `paused_until` null goes on at once; `locale` and `layout` null are the publication's."""

    model_config = pydantic.ConfigDict(json_schema_extra={"examples": [{"frequency": "monthly", "topics": []}]})
    locale: Locale | None = None
    layout: Literal["compact", "text"] | None = Field(None, description="null is the publication's.")
    paused_until: Instant | None = None


class AddressGiven(Given):
    email: Email


class ConsentShape(Shown):
    asked_at: datetime
    confirmed_at: datetime | None
    source: str


class SubscriberListed(Shown):
    id: int
    email: str
    name: str
    state: models.SubscriptionState
    frequency: str
    weekday: str | None
    send_at: str | None
    timezone: str | None
    topics: list[str] | None = Field(description="null means every article.")
    locale: str | None
    layout: str | None
    paused_until: datetime | None
    created_at: datetime
    confirmed_at: datetime | None
    left_at: datetime | None


class SubscriberShape(SubscriberListed):
    consents: list[ConsentShape]


def _columns(row: sa.Row[Any]) -> dict[str, Any]:
    named = {name: getattr(row, name) for name in SubscriberListed.model_fields}
    # An instant reader has neither zone nor time of day.
    timed = {} if row.frequency != "instant" else {"send_at": None, "timezone": None}
    has_weekday = row.frequency in preferences.HAVE_WEEKDAY
    return {**named, **timed, "weekday": publications.WEEKDAYS[row.weekday] if has_weekday else None}


def listed(row: sa.Row[Any]) -> SubscriberListed:
    return SubscriberListed(**_columns(row))


def whole(row: sa.Row[Any], consents: Sequence[sa.Row[Any]]) -> SubscriberShape:
    agreed = [ConsentShape(asked_at=c.asked_at, confirmed_at=c.confirmed_at, source=c.page) for c in consents]
    return SubscriberShape(**_columns(row), consents=agreed)

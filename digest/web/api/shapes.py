"""What several shapes are made of: texts, numbers and instants as every door takes them."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

# PostgreSQL takes no NUL in a text.
NO_NUL = r"^[^\x00]*$"
SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
RFC_3339 = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
LARGEST = 2**63 - 1  # of a database's integers
PAGE, LARGEST_PAGE = 50, 200


class Given(BaseModel):
    """What is sent to us: nothing that we do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What we answer."""

    model_config = ConfigDict(frozen=True)


def _as_written(given: Any) -> Any:
    """Pydantic would take numbers for seconds since 1970, and days for midnights."""
    if isinstance(given, str) and not re.fullmatch(RFC_3339, given):
        raise ValueError("must be an instant with its offset, like 2026-12-01T06:00:00Z")
    if isinstance(given, int | float):
        raise ValueError("must be a text, like 2026-12-01T06:00:00Z")
    return given


def _in_reach(at: datetime) -> datetime:
    if not 1970 <= at.year < 2200:
        raise ValueError("must be between 1970 and 2200")
    return at.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_as_written), AfterValidator(_in_reach)]
Line = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Text = Annotated[str, Field(max_length=5000, pattern=NO_NUL)]
Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        pattern=NO_NUL,
        examples=["anna@example.org"],
        # Said, and not asked by it: which addresses we take is for `addresses` to know.
        json_schema_extra={"format": "email"},
    ),
]
Slug = Annotated[str, Path(description="The publication's slug.", max_length=100, pattern=SLUG, examples=["mias-feed"])]
Id = Annotated[int, Path(ge=1, le=LARGEST)]
Limit = Annotated[int, Query(description="How many at once.", ge=1, le=LARGEST_PAGE)]
Cursor = Annotated[
    str | None,
    Query(description="`next` of the page before.", min_length=1, max_length=12, pattern=r"^[0-9a-z]{1,12}$"),
]

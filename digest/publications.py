"""A Publication: what a publisher says of it in TOML (`Spec`), and the row that holds the last Spec applied.

Owns the `publications` table. `head` is the position of the newest released Article; `revision` grows whenever an
Article that already has a position changes, so that whoever cached its look knows to look again.
"""

import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, database, errors, locales, subjects, urls, zones

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
FREQUENCIES = ("instant", "daily", "weekdays", "weekly", "fortnightly", "monthly")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Frequency = Literal["instant", "daily", "weekdays", "weekly", "fortnightly", "monthly"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class PublicationError(errors.DigestError):
    """A publication file is wrong, or there is no such Publication."""


def _slug(text: str) -> str:
    if not SLUG.fullmatch(text):
        raise ValueError("use lower-case letters, digits and inner hyphens, at most 63 characters")
    return text


def _colour(text: str) -> str:
    # Gmail drops a whole style block over one modern colour, so only the form every client reads is let in.
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError("write a colour as #rrggbb")
    return text.lower()


def _zone(text: str) -> str:
    zones.get(text)
    return text


def _address(text: str) -> str:
    found = addresses.parse(text)
    if found.needs_smtputf8:
        # RFC 6532 in From or Reply-To would shut out every reader whose server does not know SMTPUTF8.
        raise addresses.AddressError(f"'{text}' has letters before the @ that many mail servers do not take")
    return found.spelling


def _one_line(text: str) -> str:
    if any(ord(letter) < 32 for letter in text):
        raise ValueError("must stand on one line")
    return text.strip()


def _http(text: str) -> str:
    return urls.parse(text)


def _checked(check: Any) -> Any:
    """Turn our own errors into the ValueError that pydantic collects with the place they stand at."""

    def run(text: str) -> str:
        try:
            return str(check(text))
        except errors.DigestError as error:
            raise ValueError(str(error)) from None

    return AfterValidator(run)


Slug = Annotated[str, AfterValidator(_slug)]
Colour = Annotated[str, AfterValidator(_colour)]
Zone = Annotated[str, _checked(_zone)]
Locale = Annotated[str, _checked(locales.parse)]
Address = Annotated[str, _checked(_address)]
Url = Annotated[str, _checked(_http)]
Pattern = Annotated[str, AfterValidator(_one_line), _checked(subjects.check), Field(max_length=200)]
Line = Annotated[str, AfterValidator(_one_line), Field(min_length=1, max_length=200)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Colours(Part):
    accent: Colour = "#0b5563"
    background: Colour = "#f4f6f7"
    text: Colour = "#1d2528"


class Theme(Part):
    """How a layout is dressed; what is not said is as the layout has it. Families every mail program has, no others:
    a font that is fetched is a request that tells on the reader, and most programs drop it anyway.
    """

    headings: Literal["serif", "sans"] | None = None
    text: Literal["serif", "sans"] | None = None
    corners: Literal["round", "square"] | None = None


class Logo(Part):
    url: Url
    alt: Line
    width: int = Field(gt=0, le=600)
    height: int = Field(gt=0, le=600)


class Offer(Part):
    """A frequency readers may choose, with the weekday and local time used when they name none."""

    frequency: Frequency
    weekday: Weekday = "monday"
    send_at: time = time(7, 0)


class Topic(Part):
    """A subject readers may choose; an Article carries it by a feed category or by a word in title or standfirst."""

    slug: Slug
    name: Line
    categories: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


class SourceSpec(Part):
    url: str = Field(min_length=1)
    topics: tuple[Slug, ...] = ()


class Spec(Part):
    """Everything a publisher says about a Publication; the TOML file is the truth, the row a copy of it."""

    slug: Slug
    name: Line
    tagline: str = ""
    description: str = ""
    base_url: Url | None = None
    sender_name: Line
    sender_address: Address
    reply_to: Address | None = None
    postal_address: str = Field(min_length=1)
    timezone: Zone = "UTC"
    locale: Locale = "en"
    layout: Line = "digest"
    theme: Theme = Theme()
    subject: Pattern = ""
    colours: Colours = Colours()
    logo: Logo | None = None
    images: Literal["link", "rehost"] = "link"
    frequencies: tuple[Offer, ...] = Field(min_length=1)
    topics: tuple[Topic, ...] = ()
    min_items: int = Field(1, ge=1)
    max_items: int = Field(10, ge=1, le=50)
    max_links: int = Field(20, ge=0, le=200)
    max_wait_days: float = Field(7, ge=0)
    first_articles: int = Field(5, ge=0, le=50)
    fortnight_anchor: date = date(2024, 1, 1)
    welcome: bool | Literal["stories"] = True
    goodbye: bool = False
    settings_changed: bool = False
    sign_up: bool = True
    privacy_url: Url | None = None
    archive: Literal["off", "unlisted", "listed"] = "off"
    sources: tuple[SourceSpec, ...] = ()

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> "Spec":
        named: tuple[tuple[str, list[str]], ...] = (
            ("frequency", [str(offer.frequency) for offer in self.frequencies]),
            ("topic", [topic.slug for topic in self.topics]),
            ("source", [source.url for source in self.sources]),
        )
        for what, names in named:
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} stands twice")
        unknown = sorted({t for source in self.sources for t in source.topics} - {t.slug for t in self.topics})
        if unknown:
            raise ValueError(f"a source names topics that are not defined: {', '.join(unknown)}")
        return self

    def offer(self, frequency: str) -> Offer | None:
        return next((offer for offer in self.frequencies if offer.frequency == frequency), None)

    @property
    def has_archive(self) -> bool:
        return self.archive != "off"

    @property
    def topic_slugs(self) -> tuple[str, ...]:
        return tuple(topic.slug for topic in self.topics)


class Publication(database.Base):
    __tablename__ = "publications"
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    slug: orm.Mapped[str] = orm.mapped_column(unique=True)
    head: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)
    revision: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)
    spec: orm.Mapped[dict[str, Any]]
    created_at: orm.Mapped[datetime]
    applied_at: orm.Mapped[datetime]


def load(stored: dict[str, Any]) -> Spec:
    """The Spec of a row. It was checked when it was applied; raises PublicationError if somebody changed it since."""
    try:
        return Spec.model_validate(stored)
    except pydantic.ValidationError as error:
        where = f"publication '{stored.get('slug')}' in the database"
        raise PublicationError("\n".join(complaints(where, error))) from None


def read(path: Path) -> Spec:
    """A publication file as a Spec. Raises PublicationError that names every mistake in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PublicationError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PublicationError(f"{path} is no valid TOML: {error}") from None
    try:
        return Spec.model_validate(data)
    except pydantic.ValidationError as error:
        raise PublicationError("\n".join(complaints(str(path), error))) from None


def complaints(where: str, error: pydantic.ValidationError) -> Sequence[str]:
    """One line per mistake: file, key, what is wrong."""
    lines = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = "unknown key; remove it or correct its spelling"
        elif fault["type"] == "missing":
            message = "is missing"
        elif fault["type"] in ("string_too_short", "too_short") and "at least 1 " in message:
            message = "must not be empty"
        lines.append(f"{where}: {key}: {message}")
    return lines


async def get(connection: AsyncConnection, slug: str) -> sa.Row[Any]:
    """The row of a Publication. Raises PublicationError that names those there are."""
    row = (await connection.execute(sa.select(Publication).where(Publication.slug == slug))).one_or_none()
    if row is None:
        known = (await connection.execute(sa.select(Publication.slug).order_by(Publication.slug))).scalars().all()
        hint = f"there are: {', '.join(known)}" if known else "there is none yet; add one with: digest apply FILE"
        raise PublicationError(f"no publication '{slug}'; {hint}")
    return row

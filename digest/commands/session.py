"""Opens the installation for one verb, and puts what a database or disk does to it into words."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import clock, config, database
from digest.run import logs, loop, schema, wiring

T = TypeVar("T")


def play(work: Callable[[wiring.Parts], Awaitable[T]], *, at: clock.Clock = clock.system) -> T:
    """What `work` returns, run over the open installation. Raises the DigestError of what stands in the way."""

    async def run() -> T:
        async with opened(at) as parts:
            return await work(parts)

    return loop.run(run())


def transact(work: Callable[[wiring.Parts, AsyncConnection], Awaitable[T]], *, at: clock.Clock = clock.system) -> T:
    """What `work` returns, run as one transaction."""

    async def run(parts: wiring.Parts) -> T:
        async with parts.db.transaction() as connection:
            return await work(parts, connection)

    return play(run, at=at)


@asynccontextmanager
async def opened(at: clock.Clock = clock.system) -> AsyncIterator[wiring.Parts]:
    home = config.home()
    settings = config.load(home)
    log(settings)
    must_exist(settings)
    with in_words(settings):
        async with wiring.build(settings, home, at) as parts:
            yield parts


@contextmanager
def in_words(settings: config.Settings) -> Iterator[None]:
    """Turns a database that fails half-way (gone, disk full, read-only, no database at all) into a DatabaseError."""
    try:
        yield
    except (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError):
        raise  # our own statements are wrong: a bug
    except (exc.DatabaseError, exc.InterfaceError) as error:
        shown = database.shown(database.parse_url(settings.database.url))
        raise database.DatabaseError(
            f"the database {shown} failed: {_reason(error)}; what was committed before is kept, so run the command "
            "again once the database works"
        ) from error


def log(settings: config.Settings) -> None:
    """Single verbs tell what they did by themselves, so only trouble is logged, unless debug is asked for."""
    level = settings.log.level
    logs.configure(level="warning" if level == "info" else level, style=settings.log.format)


def clock_of(text: str | None) -> clock.Clock:
    """The clock `--now` asks for: standing still at that instant, or the machine's."""
    return clock.fixed(clock.parse(text)) if text else clock.system


def must_exist(settings: config.Settings) -> None:
    """Opening an SQLite file makes it; a verb in the wrong folder must not leave an empty database there."""
    if path := missing(settings):
        raise schema.SchemaError(f"there is no database at {path} yet; run: digest init")


def missing(settings: config.Settings) -> Path | None:
    """The SQLite file that should be there and is not. Raises DatabaseError when the URL is wrong."""
    url = database.parse_url(settings.database.url)
    path = Path(str(url.database))
    return path if url.get_backend_name() == "sqlite" and not path.exists() else None


def _reason(error: exc.DBAPIError) -> str:
    lines = str(error.orig or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

"""Settings → the parts in use. The only place that chooses; everything else is handed what it needs."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import digest
from digest import clock, config, database, errors, links, urls
from digest.articles import changes, fetch, poll
from digest.articles.pictures import gather
from digest.audience import entrance, screening, suppression
from digest.editions import compose, contents, folders, plan
from digest.outbox import (
    crew,
    destinations,
    dkim,
    exchangers,
    fill,
    gate,
    handing,
    outcomes,
    signing_keys,
    throttle,
    windows,
    writer,
)
from digest.outbox.transports import relay as smtp_relay, transport, urls as transport_urls
from digest.run import bugs, engine as engines, inprocess, instance, meter, pulse, schema
from digest.web import parts as web
from digest.webhooks import deliver, post, sign


@dataclasses.dataclass(frozen=True)
class Parts:
    """One installation, ready to work."""

    settings: config.Settings
    home: Path
    clock: clock.Clock
    db: database.Database
    signer: links.Signer
    hasher: suppression.Hasher
    writer: writer.Writer
    desk: handing.Desk
    filler: fill.Filler
    policy: plan.Policy
    fetcher: poll.Fetcher
    gatherer: gather.Gatherer
    engine: engines.Engine
    meter: meter.Meter
    instance: str
    keep: timedelta | None
    keep_images: timedelta | None
    gate: gate.Gate
    hooks: deliver.Desk

    def sender(self, way_out: transport.Transport) -> crew.Sender:
        """A Sender over an open transport."""
        outbox = self.settings.outbox
        patience = outcomes.Patience(normal=timedelta(minutes=outbox.retry_minutes))
        return crew.Sender(
            self.db,
            self.desk,
            way_out,
            self.clock,
            patience,
            asyncio.Event(),
            bugs.trap,
            self.gate,
            timedelta(seconds=outbox.doubt_seconds),
        )

    async def fence(self) -> None:
        """Raises InstanceError when this installation may not send."""
        await instance.check(self.db, self.instance)

    def shift(self, sender: crew.Sender, own_pulse: pulse.Pulse) -> engines.Shift:
        """What the engine works with in this process."""
        return engines.Shift(sender, self.fence, own_pulse)


class EngineError(errors.DigestError):
    """The engine chosen cannot work with this database."""


def engine_of(settings: config.Settings, db: database.Database) -> engines.Engine:
    """The engine the settings name. Raises EngineError."""
    if settings.engine.kind == "in-process":
        return inprocess.InProcess()
    if db.is_sqlite:
        raise EngineError(
            'engine.kind = "procrastinate" (DIGEST_ENGINE_KIND) needs PostgreSQL, and database.url names an SQLite '
            'file; use "in-process", or a database.url that begins with postgresql://'
        )
    # Here, for it takes a quarter of a second to load, and most installations do without.
    from digest.run import procrastinate

    return procrastinate.Procrastinate(db)


def transport_of(settings: config.Settings, *, connections: int | None = None) -> transport.Transport:
    """The way out the settings name. Raises TransportUrlError."""
    smtp = settings.smtp
    connections = connections or smtp.connections
    timeouts = smtp_relay.Timeouts(content=smtp.timeout_seconds)
    if smtp.relays:
        return transport_urls.from_relays(smtp.relays, connections=connections, timeouts=timeouts)
    password = smtp.password.get_secret_value() if smtp.password else None
    return transport_urls.from_url(smtp.url, password=password, connections=connections, timeouts=timeouts)


# Where a real mail server listens; a test server on this machine has some other port.
MAIL_PORTS = (25, 465, 587)


def is_careful(settings: config.Settings) -> bool:
    """Whether the warm-up plan holds."""
    if settings.throttle.plan != "auto":
        return settings.throttle.plan == "careful"
    return any(_is_for_real(url) for url in settings.smtp.urls)


def _is_for_real(url: str) -> bool:
    return url.startswith(("smtp:", "smtps:")) and not (urls.is_loopback(url) and _port(url) not in MAIL_PORTS)


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or MAIL_PORTS[0]
    except ValueError:
        return 0  # Whoever opens the transport says what is wrong with it.


def rules(settings: config.Settings) -> gate.Rules:
    """What the settings say of rates, connections and the warm-up."""
    throttle_, careful = settings.throttle, is_careful(settings)
    each = {destinations.of(name.lower()): limit for name, limit in throttle_.destinations.items()}
    limits = throttle.Limits(
        each_relay=throttle_.per_second or None,
        relays=throttle_.relays,
        destinations={name: limit.per_second for name, limit in each.items() if limit.per_second},
    )
    shape = windows.Shape(
        start=windows.Shape.start if careful else throttle_.connections,
        cap=throttle_.connections,
        caps={name: limit.connections for name, limit in each.items() if limit.connections},
    )
    return gate.Rules(limits, shape, careful)


def dkim_entries(settings: config.Settings, home: Path) -> tuple[signing_keys.Entry, ...]:
    """The keys the settings name; relative paths go from the home folder."""
    return tuple(signing_keys.Entry(key.domain, key.selector, home / key.key_file) for key in settings.dkim.keys)


def keyring(settings: config.Settings, home: Path) -> dkim.Keyring:
    """What mails are signed with. Raises DkimError."""
    return signing_keys.load(dkim_entries(settings, home))


def fetcher(settings: config.Settings) -> poll.Fetcher:
    """How Sources are fetched and judged."""
    ingest = settings.ingest
    limits = fetch.Limits(
        user_agent=f"digest/{digest.__version__} (+{ingest.contact or settings.base_url})",
        max_bytes=ingest.max_bytes,
        total=timedelta(seconds=ingest.timeout_seconds),
        allow_hosts=frozenset(ingest.allow_hosts),
    )
    rules = changes.Rules(
        archive_after=timedelta(days=ingest.archive_after_days), newest=ingest.newest, hold_above=ingest.hold_above
    )
    interval = timedelta(minutes=ingest.interval_minutes)
    return poll.Fetcher(limits, rules, interval, ingest.max_entries)


def way(settings: config.Settings) -> post.Way:
    """How publishers' programs are told: with the same guards as feeds are fetched."""
    agent = fetcher(settings).limits.user_agent
    return post.Way(agent, frozenset(host.lower() for host in settings.webhooks.allow_hosts))


def gatherer(settings: config.Settings) -> gather.Gatherer:
    """How pictures of Articles are looked at: with the same guards as feeds."""
    ingest, limits = settings.ingest, fetcher(settings).limits
    return gather.Gatherer(
        dataclasses.replace(limits, max_bytes=ingest.image_max_bytes), measures=ingest.measure_images
    )


def sign_up(settings: config.Settings) -> web.SignUp:
    """Who may sign up by themselves, and how often."""
    given = settings.sign_up
    policy = screening.Policy(
        takes_disposable=given.disposable == "allow",
        duties=frozenset(map(str.lower, given.refuse_names)),
        allowed=frozenset(map(str.lower, given.allow_domains)),
        refused=frozenset(map(str.lower, given.refuse_domains)),
    )
    rules = entrance.Rules(given.total, given.per_domain, given.per_network, given.per_origin)
    return web.SignUp(rules, policy)


def policy(settings: config.Settings) -> plan.Policy:
    editions = settings.editions
    return plan.Policy(
        max_lateness=timedelta(hours=editions.max_lateness_hours) if editions.max_lateness_hours else None,
        flood_share=editions.flood_share,
        flood_late=timedelta(hours=editions.flood_late_hours),
        flood_readers=editions.flood_readers,
    )


@asynccontextmanager
async def open_database(settings: config.Settings) -> AsyncIterator[database.Database]:
    """The database, checked to have the schema we need. Raises DatabaseError or SchemaError."""
    db = database.connect(settings.database.url)
    try:
        await schema.check(db)
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def build(settings: config.Settings, home: Path, at: clock.Clock = clock.system) -> AsyncIterator[Parts]:
    """All parts over an open database. Raises the DigestError of whatever part is set up wrongly."""
    signer = links.Signer(settings.keys())
    async with open_database(settings) as db:
        shelves, topics = contents.Shelves(), contents.Topics()
        hasher = suppression.Hasher(settings.keys())
        stamp, keys, driver = await instance.stamp(db), keyring(settings, home), engine_of(settings, db)
        imprint = writer.Imprint(settings.base_url, stamp, settings.smtp.feedback_id, keys)
        scribe = writer.Writer(db, compose.Composer(mail_folders(home)), signer, imprint)
        yield Parts(
            settings=settings,
            home=home,
            clock=at,
            db=db,
            signer=signer,
            hasher=hasher,
            writer=scribe,
            desk=handing.Desk(shelves, topics, hasher, scribe),
            filler=fill.Filler(shelves, topics, batch_size=settings.outbox.batch_size, submit=driver.submit),
            policy=policy(settings),
            fetcher=fetcher(settings),
            gatherer=gatherer(settings),
            engine=driver,
            meter=meter.Meter(db, at),
            instance=instance.name(home, settings.instance),
            keep=timedelta(days=settings.retention.deliveries_days) or None,
            keep_images=timedelta(days=settings.retention.images_days) or None,
            hooks=deliver.Desk(db, sign.Seal(settings.keys()), way(settings), at, stamp),
            gate=gate.Gate(rules(settings), exchangers=exchangers.Exchangers() if settings.throttle.mx else None),
        )


def mail_folders(home: Path) -> folders.Folders:
    """The templates shipped, under the installation's own and each Publication's own."""
    return dataclasses.replace(
        folders.shipped(), house=home / "templates" / "email", publications=home / "config" / "publications"
    )

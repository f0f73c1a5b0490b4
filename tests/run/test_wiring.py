"""Settings become parts; what is set up wrongly is a plain complaint before anything starts."""

from datetime import timedelta

import pytest

from digest import config, database, links
from digest.articles import changes
from digest.outbox import windows
from digest.outbox.transports import file, smtp
from digest.run import schema, wiring
from tests.support import cast

pytestmark = pytest.mark.anyio


def settings(**values):
    return config.Settings.model_validate({"secret_keys": ",".join(cast.KEYS), "instance": "test"} | values)


async def build(tmp_path, **values):
    async with wiring.build(settings(**values), tmp_path) as parts:
        return parts


async def test_settings_reach_the_parts_they_are_for(db_url, tmp_path):
    parts = await build(
        tmp_path,
        database={"url": db_url},
        outbox={"batch_size": 7, "retry_minutes": 5},
        editions={"max_lateness_hours": 3, "flood_share": 0.5, "flood_late_hours": 2, "flood_readers": 9},
        ingest={"archive_after_days": 2, "newest": 3, "hold_above": 4, "timeout_seconds": 6},
    )
    assert parts.filler.batch_size == 7
    assert parts.policy.max_lateness == timedelta(hours=3)
    assert (parts.policy.flood_share, parts.policy.flood_late, parts.policy.flood_readers) == (
        0.5,
        timedelta(hours=2),
        9,
    )
    fetcher = parts.fetcher
    assert fetcher.rules == changes.Rules(archive_after=timedelta(days=2), newest=3, hold_above=4)
    assert fetcher.limits.total == timedelta(seconds=6)
    assert parts.sender(wiring.transport_of(settings(smtp={"url": "file:///tmp"}))).patience.normal == timedelta(
        minutes=5
    )
    assert parts.desk.shelves is parts.filler.shelves  # one memory of what there is to tell


def test_zero_means_no_limit_to_lateness():
    assert wiring.policy(settings()).max_lateness is None


@pytest.mark.parametrize(
    ("url", "kind"),
    [("smtp://127.0.0.1:25", smtp.SmtpTransport), ("file:///tmp/mails", file.FileTransport)],
)
def test_the_way_out_follows_its_url(url, kind):
    way_out = wiring.transport_of(settings(smtp={"url": url, "connections": 3}))
    assert isinstance(way_out, kind)
    assert way_out.connections == 3


def test_several_relays_are_one_way_out():
    relays = [{"name": "first", "url": "smtp://one.example.org"}, {"url": "smtps://two.example.org", "connections": 4}]
    way_out = wiring.transport_of(settings(smtp={"relays": relays, "connections": 9}))
    assert way_out.relays == ("first", "two.example.org:465")
    assert way_out.connections == 9


def test_a_publication_s_templates_go_before_the_installation_s_and_those_before_the_shipped(tmp_path):
    shipped = wiring.mail_folders(tmp_path).shipped
    assert wiring.mail_folders(tmp_path).roots("mias-feed") == (shipped,)
    house, own = tmp_path / "templates" / "email", tmp_path / "config" / "publications" / "mias-feed" / "templates"
    for folder in (house, own):
        folder.mkdir(parents=True)
    assert wiring.mail_folders(tmp_path).roots("mias-feed") == (own, house, shipped)
    assert wiring.mail_folders(tmp_path).roots("toms-feed") == (house, shipped)


async def test_a_database_without_tables_is_a_plain_complaint(tmp_path):
    with pytest.raises(schema.SchemaError, match="digest init"):
        await build(tmp_path, database={"url": f"sqlite:///{tmp_path}/new.db"})


async def test_a_database_that_is_not_there_is_a_plain_complaint(tmp_path):
    with pytest.raises(database.DatabaseError, match="DIGEST_DATABASE_URL"):
        await build(tmp_path, database={"url": "postgresql://nobody@127.0.0.1:1/none"})


async def test_a_missing_key_is_a_plain_complaint(db_url, tmp_path):
    with pytest.raises(links.KeyProblem):
        await build(tmp_path, database={"url": db_url}, secret_keys="")


@pytest.mark.parametrize(
    ("plan", "url", "is_careful"),
    [
        ("auto", "smtp://relay.example.org:587", True),
        ("auto", "smtps://relay.example.org", True),
        # A mail server on this machine is a real one; a test server has another port.
        ("auto", "smtp://127.0.0.1", True),
        ("auto", "smtp://localhost:25", True),
        ("auto", "smtp://localhost:1025", False),
        ("auto", "file:///var/mail/out", False),
        ("auto", "", False),
        ("auto", "smtp://relay.example.org:port", True),
        ("careful", "smtp://localhost:1025", True),
        ("open", "smtp://relay.example.org:587", False),
    ],
)
def test_a_new_domain_warms_up_unless_mail_stays_here_or_the_operator_knows_better(plan, url, is_careful):
    rules = wiring.rules(settings(smtp={"url": url}, throttle={"plan": plan}))
    assert rules.is_careful is is_careful
    assert (rules.shape.start == windows.Shape.start) is is_careful


def test_limits_go_by_the_names_of_destinations():
    limit = {"GMail.com": {"per_second": 20, "connections": 5}, "news.example": {"connections": 2}}
    rules = wiring.rules(settings(throttle={"per_second": 14, "relays": {"mx:25": 3}, "destinations": limit}))
    assert rules.limits.destinations == {"gmail": 20}
    assert rules.shape.caps == {"gmail": 5, "news.example": 2}
    assert [rules.limits.rate(key) for key in (("mx:25", ""), ("other:25", ""))] == [3, 14]

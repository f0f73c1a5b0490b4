import asyncio
import functools
import io
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from digest.articles import models as articles
from digest.audience import erase, exporting, importing, lists, models, rows, suppression, trail, unsubscribe
from digest.links import MailToken
from tests.support import cast, table

pytestmark = pytest.mark.anyio
State = models.SubscriptionState


async def bring(db, publication, text, *, now, **order):
    source = rows.read(io.StringIO(text, newline=""))
    return await importing.run(db, source, importing.Order(publication, cast.HASHER, now, **order))


async def readers(db):
    query = (
        sa.select(models.Subscription, models.Subscriber.email, models.Subscriber.name, models.TopicSet.topics)
        .add_columns(models.Cadence.frequency, models.Cadence.weekday, models.Cadence.send_at, models.Cadence.timezone)
        .join(models.Subscriber, models.Subscriber.id == models.Subscription.subscriber_id)
        .join(models.Cadence, models.Cadence.id == models.Subscription.cadence_id)
        .outerjoin(models.TopicSet, models.TopicSet.id == models.Subscription.topic_set_id)
    )
    async with db.reading() as connection:
        return {row.email: row for row in await connection.execute(query)}


async def pauses(db, publication):
    by_address = (
        sa.select(models.Subscription.paused_until)
        .join(models.Subscriber, models.Subscriber.id == models.Subscription.subscriber_id)
        .where(models.Subscription.publication_id == publication.id)
        .order_by(models.Subscriber.email)
    )
    async with db.reading() as connection:
        return (await connection.execute(by_address)).scalars().all()


async def leave(db, email, *, now):
    row = (await readers(db))[email]
    async with db.transaction() as connection:
        await unsubscribe.leave(connection, MailToken(row.id, 1, 1), door=trail.Door.PAGE, now=now)


async def test_confirmed_readers_get_the_newest_few_articles_of_their_topics(db, now):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, ("heart",), ("heart",), ("lungs",), ("lungs",), ("lungs",))
    text = (
        "email,name,frequency,timezone,send_at,weekday,topics\n"
        "anna@example.org,Anna,weekly,Asia/Tokyo,21:00,wednesday,heart\n"
        "ben@example.org,,,,,,\n"
    )
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.imported, report.refused) == (2, [])
    anna, ben = (await readers(db)).values()
    assert (anna.state, anna.covered_to, anna.confirmed_at, anna.notice_due) == (State.ACTIVE, 0, now, None)
    assert (anna.name, anna.frequency, anna.weekday, anna.send_at, anna.timezone) == (
        "Anna", "weekly", 2, "21:00", "Asia/Tokyo",
    )  # fmt: skip
    assert anna.topics == ["heart"]
    assert (ben.covered_to, ben.frequency, ben.send_at, ben.timezone, ben.topics) == (
        3, "daily", "07:00", "Europe/Berlin", None,
    )  # fmt: skip


@pytest.mark.parametrize(("ask", "notice"), [(False, None), (True, "confirm")])
async def test_without_consent_they_stay_pending_and_are_asked_only_if_wished(db, now, ask, notice):
    publication = await cast.a_publication(db)
    await bring(db, publication, "email\nanna@example.org\n", now=now, ask=ask)
    (anna,) = (await readers(db)).values()
    assert (anna.state, anna.confirmed_at, anna.notice_due) == (State.PENDING, None, notice)


async def test_a_second_import_updates_what_it_says_and_keeps_the_rest(db, now):
    publication = await cast.a_publication(db)
    await bring(db, publication, "email,frequency,topics\nanna@example.org,weekly,heart\n", now=now, confirmed=True)
    await cast.some_articles(db, publication.id, *[("heart",)] * 5)
    report = await bring(db, publication, "email,name\nAnna@example.org,Anna\n", now=now)
    assert (report.imported, report.updated, report.unchanged) == (0, 1, 0)
    report = await bring(db, publication, "email,frequency,send_at\nAnna@example.org,daily,05:00\n", now=now)
    assert report.updated == 1
    (anna,) = (await readers(db)).values()
    assert (anna.email, anna.name, anna.frequency, anna.send_at) == ("Anna@example.org", "Anna", "daily", "05:00")
    assert (anna.topics, anna.state, anna.covered_to) == (["heart"], State.ACTIVE, 0)


async def test_the_same_import_again_changes_nothing(db, now):
    publication = await cast.a_publication(db)
    text = "email,frequency,topics\n" + "".join(f"r{n}@example.org,weekly,heart\n" for n in range(5))
    await bring(db, publication, text, now=now, confirmed=True)
    before = await cast.everything(db)
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.imported, report.updated, report.unchanged, report.refused) == (0, 0, 5, [])
    assert await cast.everything(db) == before


async def test_consent_on_record_makes_a_pending_reader_active(db, now):
    publication = await cast.a_publication(db)
    await bring(db, publication, "email\nanna@example.org\n", now=now, ask=True)
    await cast.some_articles(db, publication.id, *[("heart",)] * 5)
    report = await bring(db, publication, "email\nanna@example.org\n", now=now, confirmed=True)
    assert report.updated == 1
    (anna,) = (await readers(db)).values()
    assert (anna.state, anna.covered_to, anna.notice_due) == (State.ACTIVE, 3, None)
    assert (await bring(db, publication, "email\nanna@example.org\n", now=now)).unchanged == 1


async def test_nobody_is_revived(db, now):
    publication = await cast.a_publication(db)
    names = ("left", "waiting", "erased", "refused", "fine")
    text = "email\n" + "".join(f"{name}@example.org\n" for name in names)
    await bring(db, publication, text, now=now, confirmed=True)
    await leave(db, "left@example.org", now=now)
    await leave(db, "waiting@example.org", now=now)
    async with db.transaction() as connection:
        # A stranger asked for one who had left; nobody has confirmed that.
        asked = sa.update(models.Subscription).where(models.Subscription.left_at.is_not(None))
        await connection.execute(asked.where(models.Subscription.id == 2).values(state=State.PENDING))
        await erase.erase(connection, cast.HASHER, "erased@example.org", now=now)
        reason = models.SuppressionReason.REFUSED
        await suppression.add(connection, cast.HASHER, "refused@example.org", reason=reason, now=now)
    before = await cast.everything(db)
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.imported, report.updated, report.unchanged) == (0, 0, 1)
    assert report.refused == [
        (2, "unsubscribed on 2026-11-02: not revived"),
        (3, "unsubscribed on 2026-11-02: not revived"),
        (4, "is suppressed (erased): not revived"),
        (5, "is suppressed (refused): not revived"),
    ]
    assert await cast.everything(db) == before


async def test_bad_rows_are_reported_and_good_ones_imported(db, now):
    publication = await cast.a_publication(db)
    text = (
        "email,frequency,topics\n"
        "good@example.org,,\n"
        "bad,,\n"
        "b@example.org,fortnightly,\n"
        "c@example.org,,feet\n"
        "also-good@example.org,instant,lungs\n"
    )
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert report.imported == 2
    assert [line for line, _ in report.refused] == [3, 4, 5]
    assert "not on offer; Mia’s Feed offers daily, instant, weekly, monthly" in report.refused[1][1]
    assert "no topic 'feet'" in report.refused[2][1]


async def test_an_address_that_stands_twice_is_one_reader_and_the_later_line_counts(db, now, monkeypatch):
    publication = await cast.a_publication(db)
    text = "email,name,frequency\nanna@example.org,Anna,weekly\nben@example.org,,\nANNA@example.org,,monthly\n"
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.imported, report.updated) == (2, 1)
    anna = (await readers(db))["ANNA@example.org"]
    assert (anna.name, anna.frequency) == ("Anna", "monthly")
    monkeypatch.setattr(importing, "SLICE", 1)
    await bring(db, publication, text, now=now)
    assert (await readers(db)).keys() == {"ANNA@example.org", "ben@example.org"}


@pytest.mark.parametrize("size", [1, 1000])
async def test_of_an_address_that_stands_twice_the_line_that_says_it_left_counts(db, now, monkeypatch, size):
    monkeypatch.setattr(importing, "SLICE", size)
    publication = await cast.a_publication(db)
    text = (
        "email,state\n"
        "left@example.org,unsubscribed\nLeft@example.org,active\n"
        "cross@example.org,complained\nCross@example.org,active\ncross@example.org,unsubscribed\n"
    )
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.imported, report.left, report.suppressed) == (0, 1, 1)
    assert {line for line, _ in report.refused} >= {3, 5}
    assert all("not revived" in reason for _, reason in report.refused)
    async with db.reading() as connection:
        assert (await connection.execute(sa.select(models.Subscription.state))).scalars().all() == [State.UNSUBSCRIBED]


async def test_a_later_line_of_the_same_list_that_says_a_reader_left_counts(db, now, monkeypatch):
    monkeypatch.setattr(importing, "SLICE", 2)
    publication = await cast.a_publication(db)
    await bring(db, publication, "email\nours@example.org\n", now=now, confirmed=True)
    text = (
        "email,state,left_at\n"
        "left@example.org,active,\nours@example.org,active,\ncross@example.org,active,\nstays@example.org,active,\n"
        "Left@example.org,unsubscribed,2024-05-06\nours@example.org,unsubscribed,\ncross@example.org,complained,\n"
        "left@example.org,active,\n"
    )
    report = await bring(db, publication, text, now=now, confirmed=True)
    found = {email.lower(): row for email, row in (await readers(db)).items()}
    left = found["left@example.org"]
    assert (left.state, left.left_at) == (State.UNSUBSCRIBED, datetime(2024, 5, 6, tzinfo=UTC))
    assert report.refused == [(9, "unsubscribed on 2024-05-06: not revived")]
    # One who was a reader before the list came stays one.
    assert (found["ours@example.org"].state, found["stays@example.org"].state) == (State.ACTIVE, State.ACTIVE)
    async with db.reading() as connection:
        covered = await suppression.covers(connection, cast.HASHER, "cross@example.org")
    assert covered is models.SuppressionReason.COMPLAINED


async def test_who_left_and_was_asked_again_has_left_in_the_next_installation_too(db, now):
    publication = await cast.a_publication(db)
    text = f"email,state,left_at\nanna@example.org,pending,{now.isoformat()}\nben@example.org,active,\n"
    assert (await bring(db, publication, text, now=now, confirmed=True)).imported == 2
    report = await bring(db, publication, "email\nanna@example.org\n", now=now, confirmed=True)
    assert [reason for _, reason in report.refused] == [f"unsubscribed on {now:%Y-%m-%d}: not revived"]
    assert (await readers(db))["anna@example.org"].state is State.PENDING


async def test_one_address_reads_two_publications(db, now):
    for slug in ("mias-feed", "night-desk"):
        publication = await cast.a_publication(db, slug=slug)
        assert (await bring(db, publication, "email\nanna@example.org\n", now=now)).imported == 1
    async with db.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(models.Subscriber)) == 1
        assert await connection.scalar(sa.select(sa.func.count()).select_from(models.Subscription)) == 2


async def test_every_reader_brought_in_leaves_a_trail(db, now):
    publication = await cast.a_publication(db)
    await bring(db, publication, "email\nanna@example.org\n", now=now)
    await bring(db, publication, "email,frequency\nanna@example.org,weekly\n", now=now)
    async with db.reading() as connection:
        found = (await connection.execute(sa.select(models.Change).order_by(models.Change.id))).all()
    assert [(row.what, row.door, sorted(row.before)) for row in found] == [
        ("imported", "import", []),
        ("imported", "import", ["cadence_id"]),
    ]


async def test_an_export_can_be_imported_elsewhere(db, now):
    publication = await cast.a_publication(db)
    text = (
        "email,name,frequency,timezone,send_at,weekday,topics,locale,layout\n"
        "anna@example.org,=Anna,weekly,Asia/Tokyo,21:00,wednesday,heart;sleep,de,Compact\n"
        "ben@example.org,,instant,,,,,,\n"
        "cleo@example.org,,,,,,,,\n"
    )
    await bring(db, publication, text, now=now, confirmed=True)
    await leave(db, "cleo@example.org", now=now)
    exported = "".join([part async for part in exporting.lines(db, publication.id)])
    assert exported == (
        "email,name,frequency,timezone,send_at,weekday,topics,locale,layout,paused_until,state,consented_at,left_at\n"
        f"anna@example.org,'=Anna,weekly,Asia/Tokyo,21:00,wednesday,heart;sleep,de,compact,,active,{now.isoformat()},\n"
        f"ben@example.org,,instant,,,,,,,,active,{now.isoformat()},\n"
        f"cleo@example.org,,daily,Europe/Berlin,07:00,,,,,,unsubscribed,{now.isoformat()},{now.isoformat()}\n"
    )
    report = await bring(db, publication, exported, now=now, confirmed=True)
    assert (report.unchanged, report.refused) == (3, [])
    elsewhere = await cast.a_publication(db, slug="night-desk")
    report = await bring(db, elsewhere, exported, now=now + timedelta(days=9), confirmed=True)
    assert (report.imported, report.left) == (2, 1)
    async with db.reading() as connection:
        of_there = sa.select(models.Subscription).where(models.Subscription.publication_id == elsewhere.id)
        moved = (await connection.execute(of_there.order_by(models.Subscription.id))).all()
    assert sorted((row.state, row.confirmed_at, row.left_at) for row in moved if row.left_at) == [
        (State.UNSUBSCRIBED, now, now)
    ]
    assert {row.confirmed_at for row in moved} == {now}
    assert sorted(row.layout or "" for row in moved) == ["", "", "compact"]
    report = await bring(db, elsewhere, "email,layout\nanna@example.org,text\nben@example.org,huge\n", now=now)
    assert (report.updated, [reason for _, reason in report.refused]) == (
        1,
        ["'huge' is no layout; use one of compact, text, or leave it empty"],
    )


async def test_a_pause_goes_out_and_comes_in_as_long_as_it_lasts(db, now):
    publication = await cast.a_publication(db)
    soon, past = now + timedelta(days=20), now - timedelta(days=1)
    await bring(db, publication, "email\nben@example.org\n", now=now, confirmed=True)
    text = (
        "email,paused_until\n"
        f"anna@example.org,{soon.isoformat()}\n"
        f"ben@example.org,{soon.isoformat()}\n"
        f"cleo@example.org,{past.isoformat()}\n"
        "dora@example.org,some day\n"
    )
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.imported, report.updated) == (2, 1)
    assert [reason for _, reason in report.refused] == [
        "'some day' is no date; write it like 2026-11-02 or 2026-11-02T07:30:00Z"
    ]
    exported = "".join([part async for part in exporting.lines(db, publication.id)])
    elsewhere = await cast.a_publication(db, slug="night-desk")
    await bring(db, elsewhere, exported, now=now, confirmed=True)
    for each in (publication, elsewhere):
        assert await pauses(db, each) == [soon, soon, None]
    # A list that says nothing of a pause, or of one that is over, ends none.
    later = f"email,frequency,paused_until\nanna@example.org,weekly,\nben@example.org,weekly,{past.isoformat()}\n"
    assert (await bring(db, publication, later, now=now)).updated == 2
    assert await pauses(db, publication) == [soon, soon, None]


async def test_who_left_bounced_or_complained_elsewhere_is_never_mailed_and_never_brought_back(db, now):
    publication = await cast.a_publication(db)
    text = (
        "email,state,left_at\n"
        "left@example.org,unsubscribed,2024-05-06\n"
        "gone@example.org,bounced,\n"
        "cross@example.org,complained,\n"
        "barred@example.org,blocked,\n"
    )
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.imported, report.left, report.suppressed, report.refused) == (0, 1, 3, [])
    (left,) = (await readers(db)).values()
    assert (left.state, left.left_at) == (State.UNSUBSCRIBED, datetime(2024, 5, 6, tzinfo=UTC))
    assert (await bring(db, publication, text, now=now)).unchanged == 4
    again = "email\n" + "".join(f"{name}@example.org\n" for name in ("left", "gone", "cross", "barred"))
    report = await bring(db, publication, again, now=now, confirmed=True)
    assert [reason for _, reason in report.refused] == [
        "unsubscribed on 2024-05-06: not revived",
        "is suppressed (refused): not revived",
        "is suppressed (complained): not revived",
        "is suppressed (operator): not revived",
    ]


async def test_a_reader_of_ours_stays_one_whatever_another_sender_says_of_them(db, now):
    publication = await cast.a_publication(db)
    await bring(db, publication, "email\nanna@example.org\nben@example.org\n", now=now, confirmed=True)
    before = await cast.everything(db)
    text = "email,state\nanna@example.org,unsubscribed\nben@example.org,complained\n"
    report = await bring(db, publication, text, now=now, confirmed=True)
    assert (report.unchanged, report.left, report.suppressed) == (2, 0, 0)
    assert await cast.everything(db) == before


async def test_what_was_seen_elsewhere_does_not_come_again_and_nothing_newer_is_lost(db, now):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, *[("heart",)] * 6)
    # The third came late: it is older than the second.
    days = {1: 1, 2: 3, 3: 2, 4: 4, 5: 5, 6: 6}
    async with db.transaction() as connection:
        for position, day in days.items():
            dated = sa.update(articles.Article).where(articles.Article.position == position)
            await connection.execute(dated.values(published_at=datetime(2026, 10, day, 12, tzinfo=UTC)))
    text = (
        "email,seen_until\n"
        "two@example.org,2026-10-02\n"
        "four@example.org,2026-10-04\n"
        "all@example.org,2026-12-01\n"
        "order@example.org,\n"
        "none@example.org,2020-01-01\n"
    )
    seen = datetime(2026, 10, 5, tzinfo=UTC)
    await bring(db, publication, text, now=now, confirmed=True, seen_until=seen)
    found = {email.partition("@")[0]: row.covered_to for email, row in (await readers(db)).items()}
    assert found == {"two": 1, "four": 4, "all": 6, "order": 4, "none": 0}


async def test_a_rehearsal_says_the_same_as_the_import_and_changes_nothing(db, now, monkeypatch):
    monkeypatch.setattr(importing, "SLICE", 2)
    publication = await cast.a_publication(db)
    await bring(db, publication, "email,frequency\nanna@example.org,weekly\n", now=now, confirmed=True)
    before = await cast.everything(db)
    text = (
        "email,state,frequency\nanna@example.org,,monthly\nben@example.org,,monthly\ncleo@example.org,,monthly\n"
        "dora@example.org,bounced,\neve@example.org,unsubscribed,\nnonsense,,\n"
    )
    rehearsed = await bring(db, publication, text, now=now, confirmed=True, is_rehearsal=True)
    assert await cast.everything(db) == before
    assert rehearsed == await bring(db, publication, text, now=now, confirmed=True)
    assert (rehearsed.imported, rehearsed.updated, rehearsed.left, rehearsed.suppressed) == (2, 1, 1, 1)
    assert await cast.everything(db) != before


async def test_reasons_beyond_what_a_screen_holds_are_heard_but_not_kept(db, now, monkeypatch):
    monkeypatch.setattr(lists, "KEPT_REASONS", 3)
    heard = []
    publication = await cast.a_publication(db)
    text = "email\n" + "nonsense\n" * 10
    report = await bring(db, publication, text, now=now, on_refused=lambda line, reason: heard.append(line))
    assert (report.refusals, len(report.refused), heard) == (10, 3, list(range(2, 12)))


async def test_every_reason_is_heard_however_many_a_slice_has(db, now):
    heard = []
    publication = await cast.a_publication(db)
    text = "email,topics\n" + "".join(f"r{number}@example.org,stamps\n" for number in range(2 * importing.SLICE + 7))
    report = await bring(db, publication, text, now=now, on_refused=lambda line, reason: heard.append(line))
    assert report.refusals == len(heard) == 2 * importing.SLICE + 7
    assert len(report.refused) == lists.KEPT_REASONS


async def test_a_line_that_cannot_count_does_not_take_another_of_its_address_with_it(db, now):
    publication = await cast.a_publication(db)
    text = (
        "email,frequency,topics\n"
        "good@example.org,weekly,heart\nGood@example.org,,stamps\n"
        "later@example.org,hourly,\nbad@example.org,daily,stamps\nBad@example.org,weekly,\n"
    )
    report = await bring(db, publication, text, now=now, confirmed=True)
    found = await readers(db)
    assert {email: (row.frequency, row.topics) for email, row in found.items()} == {
        "good@example.org": ("weekly", ["heart"]),
        "Bad@example.org": ("weekly", None),
    }
    assert (report.imported, report.updated, [line for line, _ in report.refused]) == (2, 0, [3, 4, 5])


async def test_a_list_of_changes_takes_a_few_statements(db, now):
    publication = await cast.a_publication(db)
    names = [f"r{number}@example.org" for number in range(300)]
    await bring(db, publication, "email,name,frequency\n" + "".join(f"{n},A,daily\n" for n in names), now=now)
    statements = []
    listen = functools.partial(sa.event.listen, db.engine.sync_engine, "before_cursor_execute")
    listen(lambda _connection, _cursor, statement, *_: statements.append(statement))
    changed = "".join(f"{name.upper()},B,{('weekly', 'monthly')[i % 2]}\n" for i, name in enumerate(names))
    report = await bring(db, publication, f"email,name,frequency\n{changed}", now=now, confirmed=True)
    assert report.updated == len(names)
    assert len(statements) < 30
    found = await readers(db)
    assert {(row.name, row.state) for row in found.values()} == {("B", State.ACTIVE)}
    assert {email: row.frequency for email, row in found.items()} == {
        name.upper(): ("weekly", "monthly")[i % 2] for i, name in enumerate(names)
    }
    async with db.reading() as connection:
        before = (await connection.execute(sa.select(models.Change.before).order_by(models.Change.id))).scalars().all()
    assert [bool(one) for one in before] == [False] * len(names) + [True] * len(names)
    assert {one["state"] for one in before[len(names) :]} == {"pending"}


async def test_a_list_does_not_silence_a_reader_of_another_publication(db, now):
    here, there = await cast.a_publication(db), await cast.a_publication(db, slug="other")
    await bring(db, there, "email\nanna@example.org\n", now=now, confirmed=True)
    report = await bring(db, here, "email,state\nanna@example.org,complained\nben@example.org,bounced\n", now=now)
    assert (report.unchanged, report.suppressed) == (1, 1)
    async with db.reading() as connection:
        covered = await suppression.covered(connection, cast.HASHER, ["anna@example.org", "ben@example.org"])
    assert covered == {"ben@example.org": models.SuppressionReason.REFUSED}


async def test_long_lists_are_taken_in_and_given_out_in_slices(db, now, monkeypatch):
    monkeypatch.setattr(importing, "SLICE", 4)
    monkeypatch.setattr(exporting, "PAGE", 3)
    publication = await cast.a_publication(db)
    text = "email\n" + "".join(f"r{number}@example.org\n" for number in range(9))
    assert (await bring(db, publication, text, now=now, confirmed=True)).imported == 9
    exported = "".join([part async for part in exporting.lines(db, publication.id)])
    assert [line.split(",")[0] for line in exported.splitlines()[1:]] == [f"r{n}@example.org" for n in range(9)]


async def test_two_imports_at_once_bring_each_reader_in_once(db, now):
    publication = await cast.a_publication(db)
    addresses = [f"r{number}@example.org" for number in range(300)]
    one, other = (["email\n", *(f"{a}\n" for a in some)] for some in (addresses, reversed(addresses)))
    reports = await asyncio.gather(
        *(bring(db, publication, "".join(lines), now=now, confirmed=True) for lines in (one, other))
    )
    assert sum(report.imported for report in reports) == 300
    assert sum(report.unchanged for report in reports) == 300
    assert len(await readers(db)) == 300


async def test_a_reader_who_leaves_during_an_import_stays_out(db, now):
    publication = await cast.a_publication(db)
    text = "email,frequency\n" + "".join(f"r{number}@example.org,weekly\n" for number in range(50))
    await bring(db, publication, text, now=now, confirmed=True)
    again = text.replace("weekly", "monthly")
    await asyncio.gather(bring(db, publication, again, now=now, confirmed=True), leave(db, "r7@example.org", now=now))
    assert (await readers(db))["r7@example.org"].state is State.UNSUBSCRIBED


async def test_nobody_is_passed_over_because_their_number_is_taken(db, now):
    """As after a backup that was put back without its counters: PostgreSQL gives out numbers that are in use."""
    publication = await cast.a_publication(db)
    await table.add(db, models.Subscriber, id=1, email="anna@example.org", key="anna@example.org", created_at=now)
    if db.is_sqlite:
        assert (await bring(db, publication, "email\nben@example.org\n", now=now)).imported == 1
    else:
        with pytest.raises(sa.exc.IntegrityError, match="subscribers"):
            await bring(db, publication, "email\nben@example.org\n", now=now)

"""A database mails from the installation it belongs to, and from no copy of it."""

import asyncio
import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest import database
from digest.run import instance, passes
from tests.support import cast, world as worlds

pytestmark = pytest.mark.anyio


async def owner(db):
    async with db.reading() as connection:
        return await connection.scalar(sa.select(database.Meta.value).where(database.Meta.key == instance.INSTANCE))


async def test_a_database_without_an_owner_is_claimed_by_the_first_that_mails(db):
    assert await instance.look(db, "one") is None
    assert await owner(db) is None  # to look changes nothing
    await instance.check(db, "one")
    assert await owner(db) == "one"
    await instance.check(db, "one")
    with pytest.raises(instance.InstanceError, match="digest adopt"):
        await instance.check(db, "two")


async def test_of_many_that_claim_at_once_one_wins(db, db_url):
    nodes = [database.connect(db_url, pool_size=1) for _ in range(4)]
    claims = (instance.check(node, f"node{number}") for number, node in enumerate(nodes))
    answers = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(answer is None for answer in answers) == 1
    assert all(isinstance(answer, instance.InstanceError) for answer in answers if answer is not None)
    for node in nodes:
        await node.close()


async def test_adopting_makes_it_ours(db):
    await instance.check(db, "old")
    await instance.adopt(db, "new")
    await instance.check(db, "new")
    with pytest.raises(instance.InstanceError):
        await instance.check(db, "old")


async def test_the_stamp_is_made_once_for_all(db, db_url):
    nodes = [database.connect(db_url, pool_size=1) for _ in range(4)]
    stamps = await asyncio.gather(*(instance.stamp(node) for node in nodes))
    assert len(set(stamps)) == 1
    for node in nodes:
        await node.close()


def test_the_name_is_the_given_one_or_made_once_and_kept(tmp_path: Path):
    assert instance.name(tmp_path, "given") == "given"
    assert not (tmp_path / "var").exists()
    made = instance.name(tmp_path, "")
    assert len(made) == 16
    assert instance.name(tmp_path, "") == made
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["instance"]


async def test_processes_that_start_together_read_the_same_name(tmp_path: Path):
    names = await asyncio.gather(*(asyncio.to_thread(instance.name, tmp_path, "") for _ in range(8)))
    assert len(set(names)) == 1


@pytest.mark.parametrize(("content", "complaint"), [(b"\n", "is empty"), (b"\xff\xfe", "something else")])
def test_a_damaged_name_is_a_plain_complaint(tmp_path: Path, content: bytes, complaint: str):
    path = tmp_path / "var" / "instance"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(instance.InstanceError, match=complaint):
        instance.name(tmp_path, "")


def test_a_folder_that_cannot_be_written_is_a_plain_complaint(tmp_path: Path):
    (tmp_path / "var").write_text("a file where a folder should be")
    with pytest.raises(instance.InstanceError, match="DIGEST_INSTANCE"):
        instance.name(tmp_path, "")


@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
async def test_a_copied_database_does_not_mail_until_it_is_adopted(world, tmp_path):
    """All but the name is the same; pages are served, and nothing is planned, filled or sent."""
    await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    await world.run()
    with contextlib.closing(sqlite3.connect(tmp_path / "digest.db")) as original:
        original.execute(f"VACUUM INTO '{tmp_path}/copy.db'")
    async with worlds.a_copy(world, f"sqlite:///{tmp_path}/copy.db", tmp_path, name="staging") as copy:
        copy.now += timedelta(days=1)
        before = await cast.everything(copy.parts.db)
        report = await passes.run_due(copy.parts, copy.now, copy.sender)
        assert [failure.split(":")[0] for failure in report.failures] == ["fence"]
        after = await cast.everything(copy.parts.db)
        assert {name for name in after if after[name] != before[name]} <= {"articles", "publications", "sources"}
        assert copy.server.received == []
        await instance.adopt(copy.parts.db, "staging")
        await copy.run()
        assert [mail.to for mail in copy.mails] == ["anna@example.org"]

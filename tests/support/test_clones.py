"""A clone that was used is as good as a new one, or is thrown away."""

import pytest
import sqlalchemy as sa

from tests.support import clones

ROW = "INSERT INTO suppressions (address_hash, reason, note, created_at) VALUES ('a', 'operator', '', now())"


def run(url: str, *statements: str) -> list[sa.Row[tuple[object, ...]]]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = [connection.exec_driver_sql(statement) for statement in statements][-1]
        rows = list(found.all()) if found.returns_rows else []
    engine.dispose()
    return rows


def test_rows_are_gone_ids_begin_anew_and_what_was_there_is_there(postgres_clones: clones.Clones) -> None:
    with postgres_clones.one() as first:
        before = run(first, "SELECT key, value FROM meta ORDER BY key")
        run(first, ROW, "UPDATE meta SET value = 'spoilt'", "DELETE FROM alembic_version")
    with postgres_clones.one() as second:
        assert second == first
        assert run(second, "SELECT count(*) FROM suppressions")[0][0] == 0
        assert run(second, "SELECT key, value FROM meta ORDER BY key") == before
        assert run(second, "SELECT count(*) FROM alembic_version")[0][0] == 1
        assert run(second, f"{ROW} RETURNING id")[0][0] == 1


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE suppressions ADD COLUMN more text",
        "ALTER TABLE articles RENAME TO gone",
        "ALTER TABLE suppressions RENAME COLUMN note TO remark",
        "ALTER TABLE suppressions ALTER COLUMN note DROP NOT NULL",
        "ALTER TABLE suppressions ALTER COLUMN note SET DEFAULT 'x'",
        "ALTER TABLE suppressions ALTER COLUMN note TYPE varchar(10)",
        "DROP INDEX ix_cadences_next_due_at",
        "CREATE TABLE another (id integer)",
        "INSERT INTO suppressions (address_hash, reason, note, created_at)"
        " SELECT i::text, 'operator', repeat('x', 400), now() FROM generate_series(1, 12000) AS i",
    ],
)
def test_one_that_was_changed_for_good_is_not_used_again(postgres_clones: clones.Clones, change: str) -> None:
    with postgres_clones.one() as first:
        run(first, change)
    with postgres_clones.one() as second:
        assert second != first

"""Page: one date of the public archive. Columns and constraints only.

A Page names a range of positions and never changes, so it outlives Editions and Deliveries, which are pruned; what
stands on it is read from the Articles each time, so a retracted one is gone at once.
"""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from digest import database, publications


class Page(database.Base):
    """What was new for readers of one frequency on one local date of the Publication: the positions (above, upto].

    Two rows can neither be of one date nor begin at the same position, so the Pages of a frequency follow each other
    without gap or overlap, whoever writes them.
    """

    __tablename__ = "archive_pages"
    __table_args__ = (
        sa.UniqueConstraint("publication_id", "frequency", "date"),
        sa.UniqueConstraint("publication_id", "frequency", "above"),
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    frequency: orm.Mapped[str]
    date: orm.Mapped[date]
    due_at: orm.Mapped[datetime]
    above: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    upto: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    # The ids of its first Articles as they were ranked then, to be named in lists and feeds.
    leads: orm.Mapped[list[Any]]
    # The newest Delivery there was when this was written: mails with greater ids came with this Page or later ones,
    # which is all that is known of a mail that is no longer kept. None where it was written long after its date.
    newest_delivery: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)

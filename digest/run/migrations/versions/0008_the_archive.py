"""Pages of the public archive"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('archive_pages',
    sa.Column('id', KEY, nullable=False),
    sa.Column('publication_id', KEY, nullable=False),
    sa.Column('frequency', sa.Text(), nullable=False),
    sa.Column('date', sa.Date(), nullable=False),
    sa.Column('due_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('above', sa.BigInteger(), nullable=False),
    sa.Column('upto', sa.BigInteger(), nullable=False),
    sa.Column('leads', sa.JSON(), nullable=False),
    sa.Column('newest_delivery', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_archive_pages_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_archive_pages')),
    sa.UniqueConstraint('publication_id', 'frequency', 'date', name=op.f('uq_archive_pages_publication_id_frequency_date')),
    sa.UniqueConstraint('publication_id', 'frequency', 'above', name=op.f('uq_archive_pages_publication_id_frequency_above'))
    )


def downgrade() -> None:
    op.drop_table('archive_pages')

"""The address a reader wants to move to, and the mails that ask both"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
INSTANT = digest.database.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table('address_changes',
    sa.Column('id', KEY, nullable=False),
    sa.Column('subscriber_id', sa.BigInteger(), nullable=False),
    sa.Column('subscription_id', sa.BigInteger(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('asked_at', INSTANT, nullable=False),
    sa.Column('old_agreed_at', INSTANT, nullable=True),
    sa.Column('new_agreed_at', INSTANT, nullable=True),
    sa.Column('done_at', INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_address_changes')),
    sa.UniqueConstraint('subscriber_id', name=op.f('uq_address_changes_subscriber_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.add_column(sa.Column('address_change_id', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_column('address_change_id')

    op.drop_table('address_changes')

"""Endpoints of publishers' programs, and what they are to be told"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
INSTANT = digest.database.UtcDateTime(timezone=True)
EVENTS = ('subscription.subscribed', 'subscription.confirmed', 'subscription.changed', 'subscription.unsubscribed',
          'subscription.bounced', 'subscription.erased', 'edition.sent', 'ping')


def upgrade() -> None:
    op.create_table('endpoints',
    sa.Column('id', KEY, nullable=False),
    sa.Column('publication_id', sa.BigInteger(), nullable=True),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('events', sa.JSON(), nullable=False),
    sa.Column('secret', sa.Text(), nullable=False),
    sa.Column('old_secret', sa.Text(), nullable=True),
    sa.Column('old_until', INSTANT, nullable=True),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.Column('rests_until', INSTANT, nullable=True),
    sa.Column('stopped_at', INSTANT, nullable=True),
    sa.Column('stopped_reason', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_endpoints')),
    sqlite_autoincrement=True
    )
    op.create_table('announcements',
    sa.Column('id', KEY, nullable=False),
    sa.Column('endpoint_id', sa.BigInteger(), nullable=False),
    sa.Column('event', sa.Enum(*EVENTS, name='event', native_enum=False, length=40), nullable=False),
    sa.Column('at', INSTANT, nullable=False),
    sa.Column('subscription_id', sa.BigInteger(), nullable=True),
    sa.Column('edition_id', sa.BigInteger(), nullable=True),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('body', sa.Text(), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('due_at', INSTANT, nullable=False),
    sa.Column('ended_at', INSTANT, nullable=True),
    sa.Column('is_told', sa.Boolean(), nullable=False),
    sa.Column('trouble', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_announcements')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('announcements', schema=None) as batch_op:
        batch_op.create_index('ix_announcements_waiting', ['endpoint_id', 'due_at'], postgresql_where=sa.text('ended_at IS NULL'), sqlite_where=sa.text('ended_at IS NULL'))
        batch_op.create_index('ix_announcements_subscription_id', ['subscription_id'])
        batch_op.create_index('ix_announcements_ended_at', ['ended_at'])


def downgrade() -> None:
    op.drop_table('announcements')
    op.drop_table('endpoints')

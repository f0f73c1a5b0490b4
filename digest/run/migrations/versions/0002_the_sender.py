"""What the sender keeps: relays of Deliveries, pauses of Editions, misses of Subscriptions"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.add_column(sa.Column('relay', sa.Text(), nullable=True))

    with op.batch_alter_table('editions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('paused_at', digest.database.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('finished_at', digest.database.UtcDateTime(timezone=True), nullable=True))

    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('misses', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('missing_since', digest.database.UtcDateTime(timezone=True), nullable=True))

    op.create_table('buckets',
    sa.Column('relay', sa.Text(), nullable=False),
    sa.Column('destination', sa.Text(), nullable=False),
    sa.Column('free_at', sa.Double(), nullable=False),
    sa.Column('granted', sa.Integer(), nullable=False),
    sa.Column('booked_to', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('relay', 'destination', name=op.f('pk_buckets'))
    )

    op.create_table('pauses',
    sa.Column('relay', sa.Text(), nullable=False),
    sa.Column('destination', sa.Text(), nullable=False),
    sa.Column('since', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('until', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('try_until', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('relay', 'destination', name=op.f('pk_pauses'))
    )


def downgrade() -> None:
    op.drop_table('pauses')
    op.drop_table('buckets')
    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.drop_column('missing_since')
        batch_op.drop_column('misses')

    with op.batch_alter_table('editions', schema=None) as batch_op:
        batch_op.drop_column('finished_at')
        batch_op.drop_column('paused_at')

    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_column('relay')


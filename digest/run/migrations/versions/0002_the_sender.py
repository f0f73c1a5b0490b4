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

    op.create_table('rations',
    sa.Column('domain', sa.Text(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('domain', 'day', name=op.f('pk_rations'))
    )

    _let_old_rows_be_pruned()


def _let_old_rows_be_pruned() -> None:
    """Instants and indexes by which pruning finds what is long over."""
    notices = sa.text('edition_id IS NULL')
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.add_column(sa.Column('blame', sa.Text(), nullable=True))
        batch_op.create_index('ix_deliveries_notices', ['finished_at'], sqlite_where=notices, postgresql_where=notices)

    with op.batch_alter_table('editions', schema=None) as batch_op:
        batch_op.create_index('ix_editions_finished_at', ['finished_at'])
    op.execute("UPDATE editions SET finished_at = planned_at WHERE state IN ('finished', 'cancelled', 'skipped')")

    with op.batch_alter_table('selections', schema=None) as batch_op:
        batch_op.add_column(sa.Column('used_at', digest.database.UtcDateTime(timezone=True), nullable=True))
        batch_op.create_index('ix_selections_used_at', ['used_at'])
    op.execute('UPDATE selections SET used_at = CURRENT_TIMESTAMP')


def downgrade() -> None:
    op.drop_table('rations')
    op.drop_table('pauses')
    op.drop_table('buckets')

    with op.batch_alter_table('selections', schema=None) as batch_op:
        batch_op.drop_index('ix_selections_used_at')
        batch_op.drop_column('used_at')

    with op.batch_alter_table('editions', schema=None) as batch_op:
        batch_op.drop_index('ix_editions_finished_at')

    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_index('ix_deliveries_notices')
        batch_op.drop_column('blame')

    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.drop_column('missing_since')
        batch_op.drop_column('misses')

    with op.batch_alter_table('editions', schema=None) as batch_op:
        batch_op.drop_column('finished_at')
        batch_op.drop_column('paused_at')

    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_column('relay')


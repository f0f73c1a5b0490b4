"""Sign-ups that wait, how often they may come, and the words people agreed to"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
INSTANT = digest.database.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table('wordings',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('first_at', INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_wordings'))
    )
    op.create_table('sign_ups',
    sa.Column('id', KEY, nullable=False),
    sa.Column('publication_id', sa.BigInteger(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('choice', sa.JSON(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=True),
    sa.Column('page', sa.Text(), nullable=False),
    sa.Column('wording', sa.Text(), nullable=False),
    sa.Column('origin_hash', sa.Text(), nullable=False),
    sa.Column('asked_at', INSTANT, nullable=False),
    sa.Column('due_at', INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_ups'))
    )
    with op.batch_alter_table('sign_ups', schema=None) as batch_op:
        batch_op.create_index('ix_sign_ups_due_at', ['due_at'])
        batch_op.create_index('ix_sign_ups_key', ['key'])

    op.create_table('rates',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('expires_at', INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_rates'))
    )
    with op.batch_alter_table('rates', schema=None) as batch_op:
        batch_op.create_index('ix_rates_expires_at', ['expires_at'])

    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.create_index('ix_subscriptions_pending', ['id'], postgresql_where=sa.text("state IN ('pending')"), sqlite_where=sa.text("state IN ('pending')"))


def downgrade() -> None:
    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.drop_index('ix_subscriptions_pending')

    op.drop_table('rates')
    op.drop_table('sign_ups')
    op.drop_table('wordings')

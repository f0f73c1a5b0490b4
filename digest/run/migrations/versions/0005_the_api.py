"""Keys of the API, answers it may have to repeat, and what readers agreed to"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
INSTANT = digest.database.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table('consents',
    sa.Column('id', KEY, nullable=False),
    sa.Column('subscription_id', sa.BigInteger(), nullable=False),
    sa.Column('asked_at', INSTANT, nullable=False),
    sa.Column('confirmed_at', INSTANT, nullable=True),
    sa.Column('page', sa.Text(), nullable=False),
    sa.Column('wording', sa.Text(), nullable=False),
    sa.Column('origin_hash', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consents'))
    )
    with op.batch_alter_table('consents', schema=None) as batch_op:
        batch_op.create_index('ix_consents_subscription_id', ['subscription_id'])

    op.create_table('api_keys',
    sa.Column('id', KEY, nullable=False),
    sa.Column('handle', sa.Text(), nullable=False),
    sa.Column('secret_hash', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('publication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.Column('expires_at', INSTANT, nullable=True),
    sa.Column('revoked_at', INSTANT, nullable=True),
    sa.Column('last_used_at', INSTANT, nullable=True),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_api_keys_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_keys')),
    sa.UniqueConstraint('handle', name=op.f('uq_api_keys_handle'))
    )
    op.create_table('api_answers',
    sa.Column('id', KEY, nullable=False),
    sa.Column('key_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('request_hash', sa.Text(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('headers', sa.JSON(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.ForeignKeyConstraint(['key_id'], ['api_keys.id'], name=op.f('fk_api_answers_key_id_api_keys')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_answers')),
    sa.UniqueConstraint('key_id', 'name', name=op.f('uq_api_answers_key_id_name'))
    )
    with op.batch_alter_table('api_answers', schema=None) as batch_op:
        batch_op.create_index('ix_api_answers_created_at', ['created_at'])


def downgrade() -> None:
    op.drop_table('api_answers')
    op.drop_table('api_keys')
    op.drop_table('consents')

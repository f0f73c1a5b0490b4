"""Copies of pictures, and what is known of the picture of each Article"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    due, copied = sa.text('image_due_at IS NOT NULL'), sa.text('image_copy IS NOT NULL')
    with op.batch_alter_table('articles', schema=None) as batch_op:
        batch_op.add_column(sa.Column('image_kind', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('image_copy', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('image_due_at', digest.database.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('image_tries', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('image_fault', sa.Text(), nullable=True))
        batch_op.create_index('ix_articles_image_due_at', ['image_due_at'], sqlite_where=due, postgresql_where=due)
        batch_op.create_index('ix_articles_image_copy', ['image_copy'], sqlite_where=copied, postgresql_where=copied)

    op.create_table('pictures',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('width', sa.Integer(), nullable=False),
    sa.Column('height', sa.Integer(), nullable=False),
    sa.Column('made_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_pictures'))
    )
    with op.batch_alter_table('pictures', schema=None) as batch_op:
        batch_op.create_index('ix_pictures_made_at', ['made_at'])


def downgrade() -> None:
    op.drop_table('pictures')
    with op.batch_alter_table('articles', schema=None) as batch_op:
        batch_op.drop_index('ix_articles_image_copy')
        batch_op.drop_index('ix_articles_image_due_at')
        for name in ('image_fault', 'image_tries', 'image_due_at', 'image_copy', 'image_kind'):
            batch_op.drop_column(name)

"""The first tables"""

import sqlalchemy as sa
from alembic import op

import digest.database

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('batches',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('edition_id', sa.BigInteger(), nullable=True),
    sa.Column('ordinal', sa.Integer(), nullable=True),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('state', sa.Enum('queued', 'running', 'done', name='batchstate', native_enum=False, length=20), nullable=False),
    sa.Column('owner', sa.Text(), nullable=True),
    sa.Column('lease_until', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_batches')),
    sa.UniqueConstraint('edition_id', 'ordinal', name=op.f('uq_batches_edition_id_ordinal'))
    )
    with op.batch_alter_table('batches', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_batches_priority_id'), ['priority', 'id'], unique=False, postgresql_where=sa.text("state <> 'done'"), sqlite_where=sa.text("state <> 'done'"))

    op.create_table('changes',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('subscription_id', sa.BigInteger(), nullable=False),
    sa.Column('at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('door', sa.Text(), nullable=False),
    sa.Column('before', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_changes'))
    )
    with op.batch_alter_table('changes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_changes_subscription_id'), ['subscription_id'], unique=False)

    op.create_table('deliveries',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('publication_id', sa.BigInteger(), nullable=False),
    sa.Column('edition_id', sa.BigInteger(), nullable=True),
    sa.Column('subscription_id', sa.BigInteger(), nullable=False),
    sa.Column('batch_id', sa.BigInteger(), nullable=True),
    sa.Column('state', sa.Enum('queued', 'sending', 'sent', 'deferred', 'doubtful', 'failed', 'rolled', 'withheld', 'empty', name='deliverystate', native_enum=False, length=20), nullable=False),
    sa.Column('covered_from', sa.BigInteger(), nullable=True),
    sa.Column('upto', sa.BigInteger(), nullable=True),
    sa.Column('selection_id', sa.BigInteger(), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('doubts', sa.Integer(), nullable=False),
    sa.Column('created_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('first_tried_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('retry_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('handed_over_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('finished_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('code', sa.Integer(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deliveries')),
    sa.UniqueConstraint('edition_id', 'subscription_id', name=op.f('uq_deliveries_edition_id_subscription_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.create_index('ix_deliveries_batch', ['batch_id'], unique=False, sqlite_where=sa.text("state IN ('queued', 'sending', 'deferred', 'doubtful')"), postgresql_where=sa.text("state IN ('queued', 'sending', 'deferred', 'doubtful')"))
        batch_op.create_index('ix_deliveries_in_flight', ['subscription_id'], unique=True, sqlite_where=sa.text("state IN ('sending', 'doubtful')"), postgresql_where=sa.text("state IN ('sending', 'doubtful')"))
        batch_op.create_index('ix_deliveries_retry', ['retry_at'], unique=False, sqlite_where=sa.text("state IN ('deferred', 'doubtful')"), postgresql_where=sa.text("state IN ('deferred', 'doubtful')"))

    op.create_table('meta',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_meta'))
    )
    op.create_table('publications',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('head', sa.BigInteger(), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('spec', sa.JSON(), nullable=False),
    sa.Column('created_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('applied_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_publications')),
    sa.UniqueConstraint('slug', name=op.f('uq_publications_slug'))
    )
    op.create_table('subscribers',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('created_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscribers')),
    sa.UniqueConstraint('key', name=op.f('uq_subscribers_key')),
    sqlite_autoincrement=True
    )
    op.create_table('subscriptions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger(), nullable=False),
    sa.Column('publication_id', sa.BigInteger(), nullable=False),
    sa.Column('cadence_id', sa.BigInteger(), nullable=False),
    sa.Column('topic_set_id', sa.BigInteger(), nullable=True),
    sa.Column('state', sa.Enum('pending', 'active', 'unsubscribed', 'failing', name='subscriptionstate', native_enum=False, length=20), nullable=False),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('covered_to', sa.BigInteger(), nullable=False),
    sa.Column('last_date', sa.Date(), nullable=True),
    sa.Column('last_instant_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('paused_until', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('locale', sa.Text(), nullable=True),
    sa.Column('notice_due', sa.Text(), nullable=True),
    sa.Column('created_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('confirmed_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('left_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscriptions')),
    sa.UniqueConstraint('subscriber_id', 'publication_id', name=op.f('uq_subscriptions_subscriber_id_publication_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_subscriptions_cadence_id_id'), ['cadence_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_subscriptions_notice_due'), ['notice_due'], unique=False, postgresql_where=sa.text('notice_due IS NOT NULL'), sqlite_where=sa.text('notice_due IS NOT NULL'))

    op.create_table('suppressions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('address_hash', sa.Text(), nullable=False),
    sa.Column('reason', sa.Enum('erased', 'refused', 'complained', 'operator', name='suppressionreason', native_enum=False, length=20), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('created_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_suppressions')),
    sa.UniqueConstraint('address_hash', name=op.f('uq_suppressions_address_hash'))
    )
    op.create_table('cadences',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('frequency', sa.Text(), nullable=False),
    sa.Column('weekday', sa.Integer(), nullable=False),
    sa.Column('send_at', sa.Text(), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('created_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('next_due_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('planned_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('planned_upto', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_cadences_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cadences')),
    sa.UniqueConstraint('publication_id', 'frequency', 'weekday', 'send_at', 'timezone', name=op.f('uq_cadences_publication_id_frequency_weekday_send_at_timezone'))
    )
    with op.batch_alter_table('cadences', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_cadences_next_due_at'), ['next_due_at'], unique=False)

    op.create_table('selections',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('fingerprint', sa.Text(), nullable=False),
    sa.Column('picks', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_selections_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_selections')),
    sa.UniqueConstraint('publication_id', 'fingerprint', name=op.f('uq_selections_publication_id_fingerprint'))
    )
    op.create_table('sources',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('fetch_url', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('topics', sa.JSON(), nullable=False),
    sa.Column('state', sa.Enum('active', 'ended', name='sourcestate', native_enum=False, length=20), nullable=False),
    sa.Column('is_polled', sa.Boolean(), nullable=False),
    sa.Column('next_fetch_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('fetched_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.Column('modified', sa.Text(), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_sources_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sources')),
    sa.UniqueConstraint('publication_id', 'address', name=op.f('uq_sources_publication_id_address'))
    )
    with op.batch_alter_table('sources', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_sources_next_fetch_at'), ['next_fetch_at'], unique=False)

    op.create_table('topic_sets',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('topics', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_topic_sets_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_topic_sets')),
    sa.UniqueConstraint('publication_id', 'key', name=op.f('uq_topic_sets_publication_id_key'))
    )
    op.create_table('articles',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('source_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('guid', sa.Text(), nullable=True),
    sa.Column('url', sa.Text(), nullable=True),
    sa.Column('url_key', sa.Text(), nullable=True),
    sa.Column('content_hash', sa.Text(), nullable=False),
    sa.Column('fingerprint', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('standfirst', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('image_url', sa.Text(), nullable=True),
    sa.Column('image_alt', sa.Text(), nullable=False),
    sa.Column('author', sa.Text(), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('categories', sa.JSON(), nullable=False),
    sa.Column('topics', sa.JSON(), nullable=False),
    sa.Column('related', sa.JSON(), nullable=False),
    sa.Column('published_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('release_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('released_at', digest.database.UtcDateTime(timezone=True), nullable=True),
    sa.Column('state', sa.Enum('waiting', 'held', 'archived', 'released', 'retracted', name='articlestate', native_enum=False, length=20), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_articles_publication_id_publications')),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_articles_source_id_sources')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_articles')),
    sa.UniqueConstraint('publication_id', 'position', name=op.f('uq_articles_publication_id_position')),
    sa.UniqueConstraint('source_id', 'guid', name=op.f('uq_articles_source_id_guid'))
    )
    with op.batch_alter_table('articles', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_articles_publication_id_url_key'), ['publication_id', 'url_key'], unique=False)
        batch_op.create_index(batch_op.f('ix_articles_source_id_content_hash'), ['source_id', 'content_hash'], unique=False)
        batch_op.create_index(batch_op.f('ix_articles_state_release_at'), ['state', 'release_at'], unique=False)

    op.create_table('editions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('publication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('cadence_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('slot', sa.Text(), nullable=False),
    sa.Column('due_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('planned_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.Column('upto', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Enum('planned', 'filled', 'finished', 'held', 'skipped', 'cancelled', name='editionstate', native_enum=False, length=20), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('fill_cursor', sa.BigInteger(), nullable=False),
    sa.Column('settled', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['cadence_id'], ['cadences.id'], name=op.f('fk_editions_cadence_id_cadences')),
    sa.ForeignKeyConstraint(['publication_id'], ['publications.id'], name=op.f('fk_editions_publication_id_publications')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_editions')),
    sa.UniqueConstraint('cadence_id', 'slot', name=op.f('uq_editions_cadence_id_slot'))
    )
    with op.batch_alter_table('editions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_editions_state'), ['state'], unique=False, sqlite_where=sa.text("state IN ('planned', 'filled', 'held')"), postgresql_where=sa.text("state IN ('planned', 'filled', 'held')"))

    op.create_table('faults',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('source_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('found_at', digest.database.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_faults_source_id_sources'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_faults'))
    )
    with op.batch_alter_table('faults', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_faults_source_id'), ['source_id'], unique=False)




def downgrade() -> None:

    with op.batch_alter_table('faults', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_faults_source_id'))

    op.drop_table('faults')
    with op.batch_alter_table('editions', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_editions_state'), sqlite_where=sa.text("state IN ('planned', 'filled', 'held')"), postgresql_where=sa.text("state IN ('planned', 'filled', 'held')"))

    op.drop_table('editions')
    with op.batch_alter_table('articles', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_articles_state_release_at'))
        batch_op.drop_index(batch_op.f('ix_articles_source_id_content_hash'))
        batch_op.drop_index(batch_op.f('ix_articles_publication_id_url_key'))

    op.drop_table('articles')
    op.drop_table('topic_sets')
    with op.batch_alter_table('sources', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_sources_next_fetch_at'))

    op.drop_table('sources')
    op.drop_table('selections')
    with op.batch_alter_table('cadences', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_cadences_next_due_at'))

    op.drop_table('cadences')
    op.drop_table('suppressions')
    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_subscriptions_notice_due'), postgresql_where=sa.text('notice_due IS NOT NULL'), sqlite_where=sa.text('notice_due IS NOT NULL'))
        batch_op.drop_index(batch_op.f('ix_subscriptions_cadence_id_id'))

    op.drop_table('subscriptions')
    op.drop_table('subscribers')
    op.drop_table('publications')
    op.drop_table('meta')
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_index('ix_deliveries_retry', sqlite_where=sa.text("state IN ('deferred', 'doubtful')"), postgresql_where=sa.text("state IN ('deferred', 'doubtful')"))
        batch_op.drop_index('ix_deliveries_in_flight', sqlite_where=sa.text("state IN ('sending', 'doubtful')"), postgresql_where=sa.text("state IN ('sending', 'doubtful')"))
        batch_op.drop_index('ix_deliveries_batch', sqlite_where=sa.text("state IN ('queued', 'sending', 'deferred', 'doubtful')"), postgresql_where=sa.text("state IN ('queued', 'sending', 'deferred', 'doubtful')"))

    op.drop_table('deliveries')
    with op.batch_alter_table('changes', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_changes_subscription_id'))

    op.drop_table('changes')
    with op.batch_alter_table('batches', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_batches_priority_id'), postgresql_where=sa.text("state <> 'done'"), sqlite_where=sa.text("state <> 'done'"))

    op.drop_table('batches')


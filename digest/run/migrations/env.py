"""Run by Alembic: uses the connection that `schema.upgrade` hands in."""

from alembic import context

from digest.run import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata(),
    render_as_batch=True,
    compare_type=True,
    include_name=schema.is_ours,
)
with context.begin_transaction():
    context.run_migrations()

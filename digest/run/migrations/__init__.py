"""Alembic's tree, the same for SQLite and PostgreSQL, and the one way to run it."""

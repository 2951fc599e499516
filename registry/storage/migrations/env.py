"""Alembic's entry: migrate the connection that the caller hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from registry.storage import tables

_ = tables  # importing it fills SQLModel.metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()

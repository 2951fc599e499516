"""Cosignatures and publication of this log's checkpoints; logs witnessed for others, and evidence against them.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cosignature",
        sa.Column("size", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("signer", sa.String(), primary_key=True),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "published",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("size", sa.Integer(), nullable=False),
    )
    op.create_table(
        "witnessed_log",
        sa.Column("origin", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "witness_note",
        sa.Column("origin", sa.String(), primary_key=True),
        sa.Column("size", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("cosignature", sa.LargeBinary(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "split_view",
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("found_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_split_view_origin", "split_view", ["origin"])


def downgrade() -> None:
    for table in ("split_view", "witness_note", "witnessed_log", "published", "cosignature"):
        op.drop_table(table)

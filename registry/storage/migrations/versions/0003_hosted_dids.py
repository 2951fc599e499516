"""Entries of hosted DIDs by DID, and what was witnessed for others.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "did_entry",
        sa.Column("did", sa.String(), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
    )
    op.create_table(
        "witnessed",
        sa.Column("scid", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.String(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
    )
    # A DID entry has one party: the DID under which its log first came.
    op.execute(
        "INSERT INTO did_entry (did, seq) SELECT party.did, party.seq FROM party"
        " JOIN entry ON entry.seq = party.seq WHERE entry.kind = 'did_operation'"
    )


def downgrade() -> None:
    op.drop_table("witnessed")
    op.drop_table("did_entry")

"""What several processes share: challenges, and by which number a changed status list is known.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "challenge",
        sa.Column("challenge", sa.String(), primary_key=True),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False, index=True),
    )
    op.create_index("ix_challenge_book_source", "challenge", ["book", "source"])
    for column in ("used", "revision"):
        op.add_column("status_list", sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE status_list SET used ="
        " (SELECT count(*) FROM status_entry WHERE status_entry.list_number = status_list.number)"
    )
    with op.batch_alter_table("status_list") as batch:
        for column in ("used", "revision"):
            batch.alter_column(column, server_default=None)


def downgrade() -> None:
    for column in ("used", "revision"):
        op.drop_column("status_list", column)
    op.drop_table("challenge")

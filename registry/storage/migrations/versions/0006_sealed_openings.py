"""Openings are sealed; those from before wait in a table of their own for the first start, which has the keys. Erasures.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _rename_key(old: str, new: str) -> None:
    # PostgreSQL names the key after the table, once, and the next table of the name wants that name.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {old}_pkey RENAME TO {new}_pkey")


def upgrade() -> None:
    op.rename_table("opening", "plain_opening")
    _rename_key("opening", "plain_opening")
    op.create_table(
        "opening",
        sa.Column("event_id", sa.LargeBinary(), primary_key=True),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "opening_party",
        sa.Column("did", sa.String(), primary_key=True),
        sa.Column("event_id", sa.LargeBinary(), primary_key=True),
    )
    op.create_index("ix_opening_party_event_id", "opening_party", ["event_id"])
    op.create_table(
        "erasure",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("done_ms", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    for table in ("erasure", "opening_party", "opening"):
        op.drop_table(table)
    op.rename_table("plain_opening", "opening")
    _rename_key("plain_opening", "opening")

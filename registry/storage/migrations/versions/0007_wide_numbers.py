"""On PostgreSQL, sizes and sequence numbers get 64 bits; SQLite's INTEGER has them already.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBERS = {
    "entry": ("seq",),
    "party": ("count", "seq"),
    "tile": ("number",),
    "head": ("size",),
    "signed": ("size",),
    "snapshot": ("size",),
    "did_entry": ("seq",),
    "witnessed": ("number",),
    "did_version": ("number",),
    "status_list": ("number", "size"),
    "status_entry": ("list_number", "position"),
    "status_change": ("number", "list_number", "position"),
    "cosignature": ("size",),
    "published": ("size",),
    "witness_note": ("size",),
}
COUNTED = ("status_list", "status_change")


def _set(type_: sa.types.TypeEngine[int], sequence: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in NUMBERS.items():
        for column in columns:
            op.alter_column(table, column, type_=type_)
    for table in COUNTED:
        op.execute(f"ALTER SEQUENCE {table}_number_seq AS {sequence}")


def upgrade() -> None:
    _set(sa.BigInteger(), "bigint")


def downgrade() -> None:
    _set(sa.Integer(), "integer")

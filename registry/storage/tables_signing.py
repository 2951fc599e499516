"""Rows about the signing of a log: who did it last, and its end."""

from __future__ import annotations

from sqlalchemy import BigInteger, Table
from sqlmodel import Field, SQLModel


class KeyHolderRow(SQLModel, table=True):
    """Which process signed a log last: of several on one database, whose key a signature was."""

    __tablename__ = "key_holder"

    origin: str = Field(primary_key=True)
    holder: str
    size: int = Field(sa_type=BigInteger)
    time_ms: int = Field(sa_type=BigInteger)


class LogEndRow(SQLModel, table=True):
    """The end of a log that was frozen; one row, never changed: while it is there nothing is appended."""

    __tablename__ = "log_end"

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    root: bytes
    successor: str
    time_ms: int = Field(sa_type=BigInteger)


KEY_HOLDER: Table = KeyHolderRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it to table classes
LOG_END: Table = LogEndRow.__table__  # type: ignore[attr-defined]

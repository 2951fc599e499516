"""Bearer keys of gateways and operators: only their digests are kept."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from registry.errors import ConflictError
from registry.storage.engine import CHANGES, Database
from registry.storage.tables import GATEWAY


class GatewayExistsError(ConflictError):
    """There is a gateway of that name."""

    code = "gateway_exists"
    title = "A gateway of this name exists already"


TOPIC = "gateway"


class GatewayStore:
    """Who may call with a bearer key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, *, role: str, key_digest: bytes, now_ms: int) -> None:
        """Add a caller.

        Args:
            name: unique name.
            role: ``gateway`` or ``operator``.
            key_digest: SHA-256 of the bearer key.
            now_ms: POSIX ms.

        Raises:
            GatewayExistsError: ``gateway_exists``.
        """
        with self._database.write_alone("gateway") as connection:
            if connection.execute(select(GATEWAY.c.name).where(GATEWAY.c.name == name)).first():
                raise GatewayExistsError
            connection.execute(insert(GATEWAY).values(name=name, role=role, key_digest=key_digest, created_ms=now_ms))
            self._database.notify(connection, CHANGES, TOPIC)

    def remove(self, name: str) -> bool:
        """Remove a caller; say whether there was one."""
        with self._database.write() as connection:
            removed = connection.execute(delete(GATEWAY).where(GATEWAY.c.name == name)).rowcount > 0
            self._database.notify(connection, CHANGES, TOPIC)
        return removed

    def load(self) -> dict[bytes, tuple[str, str]]:
        """Return digest -> (name, role) of all callers."""
        with self._database.read() as connection:
            rows = connection.execute(select(GATEWAY.c.key_digest, GATEWAY.c.name, GATEWAY.c.role)).all()
        return {bytes(row[0]): (row[1], row[2]) for row in rows}

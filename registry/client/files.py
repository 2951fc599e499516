"""The files beside an agent's keys: its DID log, the registry it is at, what that has accepted, a change under way.

The key files themselves, these and those of the next keys, are read and written by ``registry/adapters/key_file.py``.

Spec: specs/key-file.md.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.webvh import entry_line
from registry.client.errors import AgentKeyMissingError, AgentNameError
from registry.client.view import RegistryIdentity, parse_identity
from registry.durable_file import sync_folder, write_durably

MAX_BYTES: Final = 1_048_576
_RANDOM_BYTES: Final = 10
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def agents_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where agents' keys lie: ``$BONAFIDES_AGENTS``, else ``~/.bonafides/agents``."""
    named = environment.get("BONAFIDES_AGENTS")
    return Path(named) if named else Path.home() / ".bonafides" / "agents"


def check_name(name: str) -> str:
    """Return the name if it can be that of a key file, and the last part of a DID.

    Raises:
        AgentNameError: ``agent_name_invalid``.
    """
    if not _NAME.fullmatch(name):
        raise AgentNameError
    return name


def random_name() -> str:
    """Return a last part of a DID that says nothing of anybody: 80 random bits."""
    return base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().lower()


def find_key_file(name_or_path: str | Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the key file that a name or a path stands for.

    Raises:
        AgentKeyMissingError: ``agent_key_missing``.
    """
    text = str(name_or_path)
    path = Path(text) if "/" in text or text.endswith(".json") else agents_folder(environment) / f"{text}.json"
    if not path.exists():
        raise AgentKeyMissingError(f"no key file {path}")
    return path


def list_key_files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the key files of the agents' folder, by name."""
    found = agents_folder(environment).glob("*.json")
    # A name has no dot: what has one lies beside a key file.
    return sorted(path for path in found if "." not in path.name.removesuffix(".json"))


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """The files beside one key file.

    Args:
        key_file: ``<name>.json``.
    """

    key_file: Path

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.key_file.name.removesuffix(".json")

    def _beside(self, suffix: str) -> Path:
        return self.key_file.with_name(self.name + suffix)

    @property
    def did_log(self) -> Path:
        """The first entry of a did:webvh, as a line of ``did.jsonl``."""
        return self._beside(".did.jsonl")

    @property
    def registry(self) -> Path:
        """The registry that the agent is registered at; its instances ask the same one."""
        return self.key_file.with_name(self.name.partition(".instance-")[0] + ".registry.json")

    @property
    def acceptances(self) -> Path:
        """The registry's signed acceptances, one a line."""
        return self._beside(".acceptances.jsonl")

    @property
    def counter(self) -> Path:
        """Where the agent's counter of its statements stands."""
        return self._beside(".counter.json")

    @property
    def next_keys(self) -> Path:
        """The keys that only the next change of the DID needs; they may lie elsewhere, better offline."""
        return self._beside(".next.json")

    @property
    def pending_keys(self) -> Path:
        """The keys of a change that was begun and not finished."""
        return self._beside(".pending.json")

    @property
    def pending_entry(self) -> Path:
        """The entry of a change that was begun and not finished."""
        return self._beside(".pending.jsonl")

    def instance_keys(self, instance: str) -> Path:
        """The key file of one of the agent's instances."""
        return self._beside(f".instance-{instance}.json")

    def list_instance_keys(self) -> list[Path]:
        """Return the key files of the agent's instances that lie here."""
        return sorted(self.key_file.parent.glob(f"{self.name}.instance-*.json"))

    def save_first_entry(self, entry: Mapping[str, Any]) -> None:
        """Keep the first entry of the DID; it cannot be made again."""
        write_durably(self.did_log, entry_line(entry), replace=False)

    def load_log(self) -> bytes:
        """Return the agent's own record of its DID log; empty where there is none."""
        return self.did_log.read_bytes() if self.did_log.exists() else b""

    def save_log(self, log: bytes) -> None:
        """Replace the agent's own record of its DID log, in one step."""
        write_durably(self.did_log, log)

    def save_pending_entry(self, entry: Mapping[str, Any]) -> None:
        """Keep an entry before it is sent."""
        write_durably(self.pending_entry, entry_line(entry))

    def load_pending_entry(self) -> dict[str, Any] | None:
        """Return the entry of an unfinished change, or None."""
        if not self.pending_entry.exists():
            return None
        return parse_json_object(self.pending_entry.read_bytes(), max_bytes=MAX_BYTES)

    def forget_pending(self) -> None:
        """Let go of an unfinished change; the entry goes last, because it is what says that there is one."""
        self.pending_keys.unlink(missing_ok=True)
        self.pending_entry.unlink(missing_ok=True)

    def load_first_entry(self) -> dict[str, Any] | None:
        """Return the first entry of the DID, or None."""
        if not self.did_log.exists():
            return None
        return parse_json_object(self.did_log.read_bytes().split(b"\n")[0], max_bytes=MAX_BYTES)

    def save_registry(self, identity: RegistryIdentity) -> None:
        """Remember the registry, in one step."""
        write_durably(self.registry, canonicalize(identity.to_wire()) + b"\n")

    def load_registry(self) -> RegistryIdentity | None:
        """Return the registry remembered, or None."""
        if not self.registry.exists():
            return None
        document = parse_json_object(self.registry.read_bytes(), max_bytes=MAX_BYTES)
        return parse_identity(str(document.get("url", "")), document)

    def keep_acceptance(self, document: Mapping[str, Any]) -> None:
        """Append a verified acceptance, durably: with it the agent can show what was promised."""
        is_first = not self.acceptances.exists()
        descriptor = os.open(self.acceptances, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(canonicalize(dict(document)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            sync_folder(self.acceptances.parent)

    def load_acceptances(self) -> Iterator[dict[str, Any]]:
        """Return the acceptances kept, oldest first."""
        if self.acceptances.exists():
            with self.acceptances.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield parse_json_object(line, max_bytes=MAX_BYTES)

"""Keeping an identity: rotate, recover, move, end it, give its instances keys. Always by whoever holds the keys.

Each change is written down before it is sent, and finished or given up by the next one: a crash at any point loses
nothing. Nothing is built on what the registry shows before it was verified and held against the agent's own record.

Spec: specs/key-file.md "A change, step by step"; did:webvh 1.0 "Update (Rotate)"
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.data_integrity import event_id
from did_methods.errors import DidError
from did_methods.keys import SigningKey
from did_methods.webvh import (
    WebvhState,
    append_entry,
    entry_line,
    next_key_hash,
    parallel_did_web,
    verify_entry,
    verify_states,
)
from registry.adapters.identity import NEXT_ROLES, split_ring
from registry.adapters.key_file import KeyRing, Passphrase, encode_key_ring, load_key_ring, save_key_ring
from registry.adapters.system_clock import Clock
from registry.client.documents import (
    Instance,
    check_instance_name,
    instances_of,
    moved_document,
    with_instance,
    with_signing_key,
    without_instance,
)
from registry.client.errors import (
    ChangeSupersededError,
    DidLogContradictsError,
    DidMethodFixedError,
    InstanceNameError,
    KeysReadOnlyError,
    NextKeysMissingError,
)
from registry.client.files import AgentFiles
from registry.client.recorder import Recorder
from registry.client.signing import Identity, committed_key
from registry.client.speaker import Receipt
from registry.client.transport import did_segment

_SEED: Final = 32


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """How to come by an agent's keys, and how to leave them.

    Args:
        passphrase: gives it when it is needed; None where nothing is sealed.
        sealed: key files are written sealed.
        next_file: the file with the next keys, where it does not lie beside the key file.
        next_ring: the next keys themselves, in a recovery.
    """

    passphrase: Passphrase | None = None
    sealed: bool = False
    next_file: Path | None = None
    next_ring: KeyRing | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the DID that is to be made.

    Args:
        document: the new document out of the newest state.
        signing: the new signing key and the id it stands under; None keeps the old one.
        deactivate: whether this entry ends the DID.
    """

    document: dict[str, Any]
    signing: tuple[SigningKey, str] | None = None
    deactivate: bool = False


class Keeper(Recorder):
    """A speaker that also holds the keys of its DID log."""

    def __init__(
        self,
        ring: Identity,
        *,
        files: AgentFiles | None = None,
        url: str | None = None,
        clock: Clock | None = None,
        access: KeyAccess | None = None,
    ) -> None:
        super().__init__(ring, files=files, url=url, clock=clock)
        access = access or KeyAccess()
        self._passphrase, self._sealed = access.passphrase, access.sealed
        self._next_file, self._given = access.next_file, access.next_ring

    # ------------------------------------------------------------ what stands

    def states(self) -> tuple[WebvhState, ...]:
        """Return the states of the agent's DID log as the registry shows it: verified, and not behind the own record.

        Raises:
            DidMethodFixedError: ``did_cannot_change`` for a DID that is a key.
            DidLogContradictsError: ``did_log_contradicts_record``.
            BonafidesError: the log does not verify, or cannot be had.
        """
        return self._published()[0]

    def _published(self) -> tuple[tuple[WebvhState, ...], bytes]:
        if not self.did.startswith("did:webvh:"):
            raise DidMethodFixedError
        record = self._files.load_log() if self._files else b""
        log, witness = self.view().did_files(self._first_did(record))
        states = verify_states(log, now_ms=self._clock.now_ms(), witness=witness)
        if self.did not in {state.did for state in states}:
            raise DidLogContradictsError("it is the log of another DID")
        recorded, shown = _entries(record), _entries(log)
        if shown[: len(recorded)] != recorded:
            raise DidLogContradictsError(recorded=len(recorded), shown=len(shown))
        return states, log

    def _first_did(self, record: bytes) -> str:
        """Return the name under which the log first came here: the registry serves it there, also after a move."""
        for line in record.split(b"\n")[:1]:
            if line:
                did = parse_json_object(line)["state"]["id"]
                return str(did)
        return self.did

    def _version_id(self) -> str | None:
        return self.states()[-1].version_id if self.did.startswith("did:webvh:") else None

    # ------------------------------------------------------------ changing it

    def rotate(self, *, keep_signing: bool = False) -> Receipt:
        """Replace the keys: a new signing key, the committed update key, and a new commitment.

        Args:
            keep_signing: only the update keys change.

        Raises:
            BonafidesError: ``did_cannot_change``, ``keys_read_only``, ``next_keys_missing``, ``next_keys_not_committed``,
                ``did_log_contradicts_record``, ``did_change_superseded`` and what the registry refuses.
        """

        def make(state: WebvhState) -> _Change:
            if keep_signing:
                return _Change(dict(state.raw_document))
            key = SigningKey(secrets.token_bytes(_SEED))
            document, method = with_signing_key(state, self._keys().verification_method, key.public_key)
            return _Change(document, (key, method))

        return self._change(make)

    def move(self, url: str) -> Receipt:
        """Give the DID a new place; the log goes on here as a mirror. Publish `publishable` at the new place first.

        Args:
            url: where the files will lie, for example ``https://agents.example.com/alice``.

        Raises:
            BonafidesError: as `rotate`; ``webvh_not_portable``; what a place of a DID may not be.
        """
        return self._change(lambda state: _Change(moved_document(state, url)))

    def deactivate(self) -> Receipt:
        """End the DID, for good. Errors as in `rotate`."""
        return self._change(lambda state: _Change(dict(state.raw_document), deactivate=True))

    def publishable(self) -> dict[str, bytes]:
        """Return the files of the agent's DID as they belong at its place: ``did.jsonl`` and what goes beside it."""
        states, log = self._published()
        _log, witness = self.view().did_files(self._first_did(log))
        document = parallel_did_web(states[-1])
        files = {"did.jsonl": log}
        if document is not None:
            files["did.json"] = canonicalize(document) + b"\n"
        if witness is not None:
            files["did-witness.json"] = witness
        return files

    # ------------------------------------------------------------ instances

    def add_instance(
        self, name: str, *, speaks: bool = False, expires_ms: int | None = None
    ) -> tuple[KeyRing, Receipt]:
        """Give an instance of this agent a key of its own.

        Args:
            name: a slug, new to this agent.
            speaks: whether it may issue statements too, besides acting.
            expires_ms: when its key ends by itself, milliseconds since the epoch; None for never.

        Returns:
            The instance's key ring, saved beside the agent's where that has files, and the receipt.

        Raises:
            InstanceNameError: ``instance_name_invalid``.
            BonafidesError: as `rotate`.
        """
        check_instance_name(name)
        key = SigningKey(secrets.token_bytes(_SEED))

        def make(state: WebvhState) -> _Change:
            return _Change(with_instance(state, name, key.public_key, speaks=speaks, expires_ms=expires_ms))

        ring = KeyRing(self.did, f"{self.did}#instance-{name}", {"signing": key})
        if self._files:
            if self._files.instance_keys(name).exists():
                raise InstanceNameError(f"there is a key file of {name} already")
            save_key_ring(self._files.instance_keys(name), ring, passphrase=self._seal())
        try:
            return ring, self._change(make)
        except DidError:
            if self._files:  # never published, so nobody will ever need it
                self._files.instance_keys(name).unlink(missing_ok=True)
            raise

    def remove_instance(self, name: str) -> Receipt:
        """Take an instance's key away, at once and for good; errors as in `add_instance`."""
        receipt = self._change(lambda state: _Change(without_instance(state, check_instance_name(name))))
        if self._files:
            self._files.instance_keys(name).unlink(missing_ok=True)
        return receipt

    def instances(self) -> list[Instance]:
        """Return the agent's instances as its newest document names them."""
        return instances_of(self.states()[-1])

    # ------------------------------------------------------------ how a change is made

    def resume(self) -> Receipt | None:
        """Finish a change that was begun; None where there is none.

        Raises:
            ChangeSupersededError: ``did_change_superseded``: another change came first. What was begun is forgotten.
        """
        entry = self._files.load_pending_entry() if self._files else None
        if self._files is None or entry is None:
            return None
        states, log = self._published()
        ring = load_key_ring(self._files.pending_keys, passphrase=self._passphrase)
        version = entry["versionId"]
        if all(state.version_id != version for state in states):
            try:
                verify_entry(states[-1], entry, now_ms=self._clock.now_ms())
            except DidError:
                self._files.forget_pending()
                raise ChangeSupersededError(begun=str(version)) from None
            return self._send(entry, ring, states[-1], log)
        receipt = self._post(entry, None)  # known to the log: answered as before
        self._finish(entry, ring, log)
        return receipt

    def _change(self, make: Callable[[WebvhState], _Change]) -> Receipt:
        self._keys()
        if self._files is None and self._given is None and self.did.startswith("did:webvh:"):
            raise KeysReadOnlyError  # before anything is made: keys that only this process knows would end with it
        self.resume()
        states, log = self._published()
        state = states[-1]
        change = make(state)
        entry, ring = self._make_entry(state, change)
        if self._files:
            if self._files.pending_keys.exists():  # without an entry beside it, nothing was ever sent
                self._files.pending_keys.unlink()
            save_key_ring(self._files.pending_keys, ring, passphrase=self._seal())
            self._files.save_pending_entry(entry)
        return self._send(entry, ring, state, log)

    def _make_entry(self, state: WebvhState, change: _Change) -> tuple[dict[str, Any], KeyRing]:
        held = self._next_ring()
        update, role = committed_key(state, held, recovering=self._given is not None)
        following = SigningKey(secrets.token_bytes(_SEED))
        spare = held.keys.get("reserve")
        reserve = SigningKey(secrets.token_bytes(_SEED)) if spare is None or role == "reserve" else spare
        hashes = [] if change.deactivate else [next_key_hash(key.public_key.multikey) for key in (following, reserve)]
        entry, after = append_entry(
            state,
            change.document,
            update_key=update,
            update_keys=[update.public_key.multikey],
            next_key_hashes=hashes,
            deactivated=change.deactivate,
            version_time_ms=max(self._clock.now_ms(), state.version_time_ms + 1_000),
        )
        signing, method = change.signing or (self._keys().keys["signing"], self._keys().verification_method)
        method = after.did + method[method.index("#") :]
        keys = {"signing": signing, "update": update, "nextUpdate": following, "reserve": reserve}
        return entry, KeyRing(after.did, method, keys)

    def _send(self, entry: Mapping[str, Any], ring: KeyRing, state: WebvhState, log: bytes) -> Receipt:
        receipt = self._post(entry, state.version_id)
        self._finish(entry, ring, log + entry_line(entry))
        return receipt

    def _post(self, entry: Mapping[str, Any], follows: str | None) -> Receipt:
        view = self.view()
        view.identity()  # nothing is sent to another registry than before
        headers = {} if follows is None else {"If-Match": f'"{follows}"'}
        answer = view.transport.post(f"/v1/agents/{did_segment(self.did)}/did-log", entry, headers=headers)
        return self._receipt(answer, [event_id(dict(entry))])

    def _finish(self, entry: Mapping[str, Any], ring: KeyRing, log: bytes) -> None:
        """Make the keys of a change the agent's keys: the next ones first, because they cannot be found again."""
        main, later = split_ring(ring)
        self._ring, self._given = main, None
        if self._files is None:
            return
        seal = self._seal()
        save_key_ring(self._next_path(), later, replace=True, passphrase=seal)
        save_key_ring(self._files.key_file, main, replace=True, passphrase=seal)
        self._files.save_log(log if entry_line(entry) in log else log + entry_line(entry))
        self._files.forget_pending()

    def _next_path(self) -> Path:
        assert self._files is not None
        return self._next_file or self._files.next_keys

    def _next_ring(self) -> KeyRing:
        """Return the next keys: of their own file, or of a main file that was written before they were kept apart."""
        if self._given is not None:
            return self._given
        if any(role in self._keys().keys for role in NEXT_ROLES):
            return self._keys()
        if self._next_file is None and (self._files is None or not self._files.next_keys.exists()):
            raise NextKeysMissingError("say where the file with the next keys is")
        path = self._next_path() if self._files else self._next_file
        assert path is not None
        if not path.exists():
            raise NextKeysMissingError(path.name)
        return load_key_ring(path, passphrase=self._passphrase)

    def _keys(self) -> KeyRing:
        """Return the agent's keys, where they are in this process's hands."""
        if not isinstance(self._ring, KeyRing):
            raise NextKeysMissingError("the agent's keys are with a signer of its own, which makes its changes too")
        return self._ring

    def kept_acceptances(self) -> list[dict[str, Any]]:
        """Return the registry's acceptances as they were kept, oldest first."""
        return list(self._files.load_acceptances()) if self._files else []

    def key_documents(self) -> list[dict[str, Any]]:
        """Return the agent's key files, opened: whoever reads them is the agent."""
        rings = [self._keys()]
        if self._given is None and not any(role in self._keys().keys for role in NEXT_ROLES) and self._has_next():
            rings.append(self._next_ring())
        return [parse_json_object(encode_key_ring(ring)) for ring in rings]

    def _has_next(self) -> bool:
        return self._next_file is not None or (self._files is not None and self._files.next_keys.exists())

    def protect(self, passphrase: str | None) -> None:
        """Seal all of the agent's key files under a passphrase, or open them.

        Args:
            passphrase: None leaves the files open.

        Raises:
            BonafidesError: ``passphrase_invalid``, ``key_file_unreadable``, ``seal_broken``.
        """
        if self._files is None:
            raise NextKeysMissingError("there are no key files to seal")
        paths = [self._files.key_file, self._next_path(), self._files.pending_keys, *self._files.list_instance_keys()]
        rings = {path: load_key_ring(path, passphrase=self._passphrase) for path in paths if path.exists()}
        for path, ring in rings.items():
            save_key_ring(path, ring, replace=True, passphrase=passphrase)
        self._sealed = passphrase is not None
        self._passphrase = None if passphrase is None else lambda: passphrase

    def _seal(self) -> str | None:
        return self._passphrase() if self._sealed and self._passphrase is not None else None


def _entries(log: bytes) -> list[bytes]:
    return [canonicalize(parse_json_object(line)) for line in log.split(b"\n") if line]


__all__ = ["Instance", "Keeper", "KeyAccess"]

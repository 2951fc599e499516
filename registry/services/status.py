"""The statuses of credentials: gives out places in our lists, sets what stands there, signs the lists, and reads any list.

Decides which purposes are kept here, which change is one, and whose list says what of whose credential. Our own lists are
read from memory, so what is set is seen by the very next question of every door here; lists of others are as new as their
`ttl` allows. Issues no credential and finds no key.

Spec: VC-BITSTRING-STATUS-LIST 2, 3; specs/status-list.md
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from did_methods.errors import BonafidesError
from registry import limits
from registry.adapters.system_clock import Clock
from registry.credentials.status_entry import (
    ENTRY_TYPE,
    MAX_MESSAGE_CHARS,
    MAX_STATUS_SIZE,
    MESSAGE,
    REVOCATION,
    SUSPENSION,
    StatusEntry,
    entry_document,
    parse_status_entry,
)
from registry.credentials.status_errors import StatusRetrievalError
from registry.credentials.status_list import (
    LIST_TYPE,
    StatusList,
    StatusReading,
    check_status_list,
    read_status,
)
from registry.services.status_elsewhere import ListsElsewhere, ListVerifier
from registry.services.status_errors import (
    StatusIrreversibleError,
    StatusKeyMissingError,
    StatusKindError,
    StatusListNotFoundError,
    StatusNotFoundError,
    StatusUnconfirmedError,
    StatusUpdateError,
)
from registry.services.status_signing import ListPublisher, ListSigner, PublishedList
from registry.storage.status import ListKind, Place, Shard, StatusStore

_FLAGS: Final = frozenset({REVOCATION, SUSPENSION})
# Older texts of the update call name the entry by the type of the list.
_ENTRY_TYPES: Final = frozenset({ENTRY_TYPE, LIST_TYPE})
_ENTRY_MEMBERS: Final = frozenset(
    {
        "id",
        "type",
        "statusPurpose",
        "statusListIndex",
        "statusListCredential",
        "statusSize",
        "statusMessage",
        "statusReference",
    }
)


class StatusService:
    """Keeps our statuses and reads everybody's. Safe from any thread; only `check` may wait for another host.

    Args:
        store: our lists.
        signers: DID of an issuer of lists to what signs them.
        public_url: of this registry, where its lists are served.
        elsewhere: the lists of others.
        clock: the wall clock.
    """

    def __init__(
        self,
        *,
        store: StatusStore,
        signers: Mapping[str, ListSigner],
        public_url: str,
        elsewhere: ListsElsewhere,
        clock: Clock,
    ) -> None:
        self._store = store
        self._signers = dict(signers)
        self._publisher = ListPublisher(self._signers)
        self._base = public_url.rstrip("/") + "/status-lists/"
        self._elsewhere = elsewhere
        self._clock = clock
        self._read: dict[str, tuple[Shard, StatusList]] = {}

    def close(self) -> None:
        """Drop what waits to be fetched."""
        self._elsewhere.close()

    def add_signer(self, issuer: str, signer: ListSigner) -> None:
        """Let an issuer have lists here; wiring only.

        Args:
            issuer: DID.
            signer: signs its lists.
        """
        self._signers[issuer] = signer

    def use_verifier(self, verifier: ListVerifier) -> None:
        """Verify lists of others with this verifier from now on; wiring only."""
        self._elsewhere.verifier = verifier

    # ------------------------------------------------------------ giving out and setting

    def allocate(
        self,
        *,
        purposes: Sequence[str],
        issuer: str | None = None,
        credential_id: str | None = None,
        messages: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """Give out a place for each purpose; on the disk when this returns, and never given out again.

        Args:
            purposes: ``revocation``, ``suspension``, ``message``, each once.
            issuer: DID that signs the lists; None is the first one that has lists here, for credentials signed elsewhere.
            credential_id: by which the credential's status is to be set later; None where entries alone will name it.
            messages: what the values of ``message`` mean, 2 to 256 texts, a power of two.

        Returns:
            Members of `credentialStatus`, in the order of the purposes.

        Raises:
            StatusKindError: status_kind_unsupported.
            StatusKeyMissingError: status_key_missing.

        Spec: VC-BITSTRING-STATUS-LIST 2.1
        """
        if not 1 <= len(purposes) <= limits.STATUS_ENTRIES_PER_CREDENTIAL or len(set(purposes)) != len(purposes):
            raise StatusKindError("name each purpose once")
        if bool(messages) != (MESSAGE in purposes):
            raise StatusKindError("messages belong to the purpose message")
        issuer = next(iter(self._signers), "") if issuer is None else issuer
        if issuer not in self._signers:
            raise StatusKeyMissingError
        credential = _digest(credential_id)
        wanted = [(_kind(issuer, purpose, tuple(messages)), credential) for purpose in purposes]
        places = self._store.allocate(wanted, now_ms=self._clock.now_ms())
        pairs = zip(wanted, places, strict=True)
        return [entry_document(self._entry(kind, place)) for (kind, _credential), place in pairs]

    def _entry(self, kind: ListKind, place: Place) -> StatusEntry:
        entry = StatusEntry(kind.purpose, place.position, self._base + place.shard, kind.size)
        return StatusEntry(kind.purpose, place.position, entry.list_url, kind.size, kind.messages or entry.messages)

    def set_status(
        self, *, credential_id: str | None, entry: Mapping[str, Any], value: bool | int, by: str = "operator"
    ) -> None:
        """Set a status; every door here sees it from the next question on, and it is on the disk when this returns.

        Args:
            credential_id: as given to `allocate`; None where the entry names the place.
            entry: ``type`` and ``statusPurpose``, with ``statusListCredential`` and ``statusListIndex`` where one place
                is meant and not all of this purpose that the credential has.
            value: true or false, or the number of a message.
            by: name of the caller, for the history.

        Raises:
            StatusUpdateError: status_update_malformed.
            StatusNotFoundError: status_unknown.
            StatusIrreversibleError: status_irreversible.

        Spec: VCALM 0.9 "Update Status"; VC-BITSTRING-STATUS-LIST 2.1 "statusPurpose"
        """
        named = _named_place(entry)
        if named is None and credential_id is None:
            raise StatusUpdateError("send credentialId, or a credentialStatus that names list and index")
        places = [self._place(named)] if named is not None else self._store.places(_digest(credential_id))
        # Whatever was given out without an id is known by its entry alone.
        holders = (b"", _digest(credential_id))
        if named is not None and credential_id is not None and self._store.holder(places[0]) not in holders:
            raise StatusNotFoundError
        shards = [(place, self._store.find(place.shard)) for place in places]
        chosen = [
            (place, one) for place, one in shards if one is not None and one.kind.purpose == entry["statusPurpose"]
        ]
        if not chosen:
            raise StatusNotFoundError
        for _place, shard in chosen:
            _check_value(shard, value)
        values = [(place, int(value)) for place, _ in chosen]
        self._store.set_values(values, check=_check_reversible, now_ms=self._clock.now_ms(), by=by)

    def _place(self, named: StatusEntry) -> Place:
        if not named.list_url.startswith(self._base):
            raise StatusNotFoundError
        place = Place(named.list_url.removeprefix(self._base), named.index)
        if self._store.holder(place) is None:
            raise StatusNotFoundError
        return place

    # ------------------------------------------------------------ signing

    def list_credential(self, list_id: str) -> dict[str, Any]:
        """Return the signed list of an id; see `published`."""
        return self.published(list_id).document

    def published(self, list_id: str) -> PublishedList:
        """Return a list as it stands, signed; the same until a status in it changes or its period ends.

        Args:
            list_id: last part of its URL.

        Raises:
            StatusListNotFoundError: status_list_unknown.
            StatusKeyMissingError: status_key_missing.
            StatusUnconfirmedError: status_unconfirmed.

        Spec: VC-BITSTRING-STATUS-LIST 2.2, 3.1
        """
        if not self._store.is_confirmed:
            raise StatusUnconfirmedError
        shard = self._store.find(list_id)
        if shard is None:
            raise StatusListNotFoundError
        return self._publisher.publish(shard, url=self._base + list_id, now_ms=self._clock.now_ms())

    # ------------------------------------------------------------ reading

    def check(self, entries: Sequence[StatusEntry], *, issuer: str, now_ms: int) -> tuple[StatusReading, ...]:
        """Return the status of each entry of a credential; may wait for another host.

        Whether a reading ends the credential is `check_reading`'s to say.

        Args:
            entries: of one credential.
            issuer: of that credential.
            now_ms: milliseconds since the epoch.

        Raises:
            StatusRetrievalError: status_retrieval_failed.
            VerificationError: the other codes of `ListsElsewhere.get`, `check_status_list` and `read_status`.

        Spec: VC-BITSTRING-STATUS-LIST 3.2
        """
        return tuple([self._reading(entry, issuer, now_ms, self._elsewhere.get) for entry in entries])

    def recall(self, entries: Sequence[StatusEntry], *, issuer: str, now_ms: int) -> tuple[StatusReading, ...]:
        """Return the same from memory alone; lists elsewhere that are not there are fetched behind the caller's back.

        Args:
            entries: of one credential.
            issuer: of that credential.
            now_ms: milliseconds since the epoch.

        Raises:
            StatusRetrievalError: status_retrieval_failed, also for a list whose copy may not be used any more.
            VerificationError: as in `check`.
        """
        return tuple([self._reading(entry, issuer, now_ms, self._elsewhere.known) for entry in entries])

    def is_ended(self, entries: Sequence[StatusEntry], *, issuer: str, now_ms: int) -> bool:
        """Say whether a credential must not be counted: a status ends it, or cannot be read now. Never waits.

        Args:
            entries: of one credential.
            issuer: of that credential.
            now_ms: milliseconds since the epoch.
        """
        try:
            return any(reading.ends for reading in self.recall(entries, issuer=issuer, now_ms=now_ms))
        except BonafidesError:
            return True

    def is_revoked_here(self, entry: StatusEntry) -> bool:
        """Say whether an entry of one of our own lists is set or makes no sense; False for lists elsewhere."""
        if not entry.list_url.startswith(self._base):
            return False
        return self.is_ended([entry], issuer="", now_ms=0)

    def _reading(
        self, entry: StatusEntry, issuer: str, now_ms: int, look: Callable[[str, int], StatusList | None]
    ) -> StatusReading:
        url = entry.list_url
        if url.startswith(self._base):
            return read_status(self._own_list(url[len(self._base) :]), entry)
        found = look(url, now_ms)
        if found is None:
            self._elsewhere.refresh_later(url, issuer=issuer)
            raise StatusRetrievalError("no copy of the list may be used now")
        check_status_list(found, entry, issuer=issuer, now_ms=now_ms)
        return read_status(found, entry)

    def _own_list(self, name: str) -> StatusList:
        """Return one of our lists. Whoever signed a credential that points at it chose us, so it is not asked who that is."""
        if not self._store.is_confirmed:
            raise StatusRetrievalError("other processes may have set what cannot be read now")
        shard = self._store.find(name)
        if shard is None:
            raise StatusRetrievalError("there is no such list here")
        kept = self._read.get(name)
        if kept is not None and kept[0] is shard:
            return kept[1]
        kind = shard.kind
        made = StatusList(None, kind.issuer, frozenset({kind.purpose}), shard.bits, kind.size)
        self._read[name] = (shard, made)
        return made


def _digest(credential_id: str | None) -> bytes:
    return b"" if credential_id is None else hashlib.sha256(credential_id.encode()).digest()


def _kind(issuer: str, purpose: str, messages: tuple[str, ...]) -> ListKind:
    if purpose in _FLAGS:
        return ListKind(issuer, purpose)
    size = len(messages).bit_length() - 1
    lengths = [len(text) for text in messages]
    if purpose != MESSAGE or not 1 <= size <= MAX_STATUS_SIZE or len(messages) != 2**size:
        raise StatusKindError("revocation and suspension are kept, and message with a power of two of messages")
    if max(lengths) > MAX_MESSAGE_CHARS or sum(lengths) > limits.STATUS_MESSAGE_CHARACTERS:
        raise StatusKindError("the messages are too long", limit=limits.STATUS_MESSAGE_CHARACTERS)
    return ListKind(issuer, purpose, size, messages)


def _named_place(entry: Mapping[str, Any]) -> StatusEntry | None:
    """Return the place that an update names, or None where it names a purpose only."""
    purpose = entry.get("statusPurpose")
    if entry.keys() - _ENTRY_MEMBERS or entry.get("type") not in _ENTRY_TYPES or not isinstance(purpose, str):
        raise StatusUpdateError("credentialStatus needs type and statusPurpose, and takes what an entry has")
    if not entry.keys() & {"statusListCredential", "statusListIndex"}:
        return None
    try:
        return parse_status_entry(dict(entry) | {"type": ENTRY_TYPE})
    except BonafidesError as error:
        raise StatusUpdateError("credentialStatus is not an entry", cause=error.code) from error


def _check_value(shard: Shard, value: bool | int) -> None:
    if not 0 <= value < 2**shard.kind.size:
        raise StatusUpdateError("status is not a value that this entry can have", most=2**shard.kind.size - 1)


def _check_reversible(shard: Shard, place: Place, value: int) -> None:
    if shard.kind.purpose == REVOCATION and not value and shard.value(place.position):
        raise StatusIrreversibleError

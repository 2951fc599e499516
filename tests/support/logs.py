"""A log that grows in memory the way the sequencer grows one, with keys, ids and times that are the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from did_methods.codec import base64url_decode
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from did_methods.webvh_create import append_entry, create_entry, deactivate_entry, did_template, document_template
from did_methods.webvh_parameters import next_key_hash
from did_methods.webvh_state import WebvhState
from registry.credentials.issue import issue_passport, issue_report, issue_revocation, issue_vouch
from registry.credentials.issue_registry import (
    issue_agent_revocation,
    issue_epoch,
    issue_genesis,
    issue_quarantine,
    issue_release,
    issue_root_list,
)
from registry.credentials.presentation import build_presentation, sign_presentation
from registry.history.replay import verify_at
from registry.history.rules import preview_epoch
from registry.history.sequence import SequencedLeaf, sequence
from registry.history.state import Draft, LogState
from registry.history.statement import parse_statement
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import derive_root
from registry.log.note import NoteSigner

ORIGIN = "registry.example/0a1b2c3d"
PUBLIC_URL = "https://registry.example"
START_MS = 1_763_629_200_000  # 2025-11-20T09:00:00Z
SECOND_MS, HOUR_MS, DAY_MS = 1_000, 3_600_000, 86_400_000


@dataclass(slots=True)
class Actor:
    """Somebody with keys: a did:key, or a did:webvh with its state."""

    did: str
    signer: KeySigner
    name: str
    webvh: WebvhState | None = None
    first_entry: dict[str, Any] | None = None
    rotations: int = 0


def seed(*parts: object) -> bytes:
    """Return 32 bytes that depend on the parts alone."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


def key_actor(name: str) -> Actor:
    """Return the did:key identity of that name."""
    signer = key_signer(SigningKey(seed(name, "signing")))
    return Actor(signer.verification_method.partition("#")[0], signer, name)


def webvh_actor(name: str, path: Sequence[str], *, now_ms: int, host: str = "registry.example") -> Actor:
    """Return a did:webvh identity with pre-rotation on, and its first entry."""
    signing, update = SigningKey(seed(name, "signing", 0)), SigningKey(seed(name, "update", 0))
    following = SigningKey(seed(name, "update", 1))
    entry, state = create_entry(
        document_template(did_template(host, path=path), [signing.public_key]),
        update_key=update,
        next_key_hashes=[next_key_hash(following.public_key.multikey)],
        version_time_ms=now_ms,
    )
    return Actor(state.did, KeySigner(signing, f"{state.did}#key-1"), name, state, entry)


@dataclass(slots=True)
class LogBuilder:
    """Grows a log; every statement goes through verification and the rules, as in the registry.

    Attributes:
        profile: of entry 0.
        now_ms: the clock; moves only by `wait`.
    """

    profile: Literal["live", "replay"] = "live"
    now_ms: int = START_MS
    name: str = "test"
    state: LogState = field(default_factory=LogState)
    leaves: list[SequencedLeaf] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    _uuids: int = 0

    # ------------------------------------------------------------ identities

    @property
    def root(self) -> Actor:
        """The operator root, a did:key."""
        return key_actor(f"{self.name}-operator-root")

    @property
    def registry(self) -> Actor:
        """The registry's own identity."""
        return webvh_actor(f"{self.name}-registry", (), now_ms=0 if self.profile == "replay" else START_MS)

    @property
    def note_key(self) -> SigningKey:
        """The key that signs checkpoints."""
        return SigningKey(seed(self.name, "log-note"))

    @property
    def log_key(self) -> str:
        """The checkpoint key as a C2SP verifier key."""
        return NoteSigner(ORIGIN, self.note_key).key.to_text()

    def uuid(self) -> str:
        """Return the next id."""
        self._uuids += 1
        return str(UUID(bytes=seed(self.name, "uuid", self._uuids)[:16], version=4))

    def wait(self, milliseconds: int = SECOND_MS) -> None:
        """Let time pass."""
        self.now_ms += milliseconds

    # ------------------------------------------------------------ growing

    def draft_with(self, draft: Draft, document: dict[str, Any], *, time_ms: int | None = None) -> SequencedLeaf:
        """Verify and sequence one statement into a draft of the caller's."""
        time_ms = self.now_ms if time_ms is None else time_ms
        return sequence(draft, verify_at(draft, parse_statement(document), time_ms=time_ms), time_ms=time_ms)

    def add(self, document: dict[str, Any], *, time_ms: int | None = None) -> SequencedLeaf:
        """Verify and log one statement; raises what refuses it and then changes nothing."""
        draft = self.state.draft()
        leaf = self.draft_with(draft, document, time_ms=time_ms)
        draft.commit()
        self.leaves.append(leaf)
        self.documents.append(document)
        return leaf

    def genesis_document(self, **changes: Any) -> dict[str, Any]:
        """Make entry 0."""
        members: dict[str, Any] = {
            "signer": self.root.signer,
            "origin": ORIGIN,
            "public_url": PUBLIC_URL,
            "profile": self.profile,
            "log_key": self.log_key,
            "registry_did": self.registry.did,
            "uuid": self.uuid(),
            "now_ms": self.now_ms,
        }
        return issue_genesis(**(members | changes))

    def open(self, *roots: Actor) -> LogBuilder:
        """Log entries 0 to 3."""
        clock = self.now_ms
        self.now_ms = 0 if self.profile == "replay" else clock
        self.add(self.genesis_document())
        self.add(self.registry.first_entry or {})
        self.add(self.root_list_document([actor.did for actor in roots]))
        self.epoch()
        self.now_ms = clock
        return self

    def root_list_document(self, roots: Sequence[str], *, number: int | None = None) -> dict[str, Any]:
        """Make the next root list."""
        return issue_root_list(
            signer=self.root.signer,
            registry_did=self.registry.did,
            number=len(self.state.head.root_lists) + 1 if number is None else number,
            roots=list(roots),
            uuid=self.uuid(),
            now_ms=self.now_ms,
            domain=ORIGIN,
        )

    def epoch_document(self, *, covers: int | None = None, **changes: Any) -> dict[str, Any]:
        """Make the next epoch over so many leaves (all by default), with members stated otherwise."""
        draft = self.state.draft()
        subject = preview_epoch(draft, tree_size=self.state.head.size if covers is None else covers)
        members = {
            "signer": self.registry.signer,
            "number": subject["number"],
            "tree_size": subject["treeSize"],
            "rules": subject["rules"],
            "root_list": base64url_decode(subject["rootList"]),
            "commitment": base64url_decode(subject["commitment"]),
            "uuid": self.uuid(),
            "now_ms": self.now_ms,
            "domain": ORIGIN,
        }
        return issue_epoch(**(members | changes))

    def epoch(self, *, covers: int | None = None) -> SequencedLeaf:
        """Log the next epoch."""
        return self.add(self.epoch_document(covers=covers))

    # ------------------------------------------------------------ agents

    def agent(self, name: str, *, hosted: bool = False) -> Actor:
        """Register an agent: a did:key, or a did:webvh hosted here."""
        actor = webvh_actor(name, ("agents", name), now_ms=self.now_ms) if hosted else key_actor(name)
        if actor.first_entry is not None:
            self.add(actor.first_entry)
        self.add(self.registration_document(actor))
        return actor

    def registration_document(self, actor: Actor, *, signer: KeySigner | None = None) -> dict[str, Any]:
        """Make an agent's presentation."""
        return sign_presentation(
            build_presentation(holder=actor.did, uuid=self.uuid()),
            signer=signer or actor.signer,
            now_ms=self.now_ms,
            domain=ORIGIN,
            challenge=f"challenge-{self._uuids}",
        )

    def vouch_document(self, source: Actor, target: Actor | str, context: str | None = None) -> dict[str, Any]:
        """Make a vouch."""
        return issue_vouch(
            signer=source.signer,
            subject=target if isinstance(target, str) else target.did,
            strength=80,
            uuid=self.uuid(),
            now_ms=self.now_ms,
            domain=ORIGIN,
            context=context,
        )

    def vouch(self, source: Actor, target: Actor | str, context: str | None = None) -> SequencedLeaf:
        """Log a vouch."""
        return self.add(self.vouch_document(source, target, context))

    def report_document(self, source: Actor, target: Actor | str, context: str | None = None) -> dict[str, Any]:
        """Make a report."""
        return issue_report(
            signer=source.signer,
            subject=target if isinstance(target, str) else target.did,
            severity=90,
            uuid=self.uuid(),
            now_ms=self.now_ms,
            domain=ORIGIN,
            context=context,
        )

    def report(self, source: Actor, target: Actor, context: str | None = None) -> SequencedLeaf:
        """Log a report."""
        return self.add(self.report_document(source, target, context))

    def revocation_document(self, source: Actor, leaf: SequencedLeaf) -> dict[str, Any]:
        """Make the revocation of a logged statement."""
        return issue_revocation(
            signer=source.signer,
            subject=self.documents[leaf.index]["credentialSubject"]["id"],
            event=leaf.event_id,
            uuid=self.uuid(),
            now_ms=self.now_ms,
            domain=ORIGIN,
        )

    def revoke(self, source: Actor, leaf: SequencedLeaf) -> SequencedLeaf:
        """Log the revocation of a statement by its issuer."""
        return self.add(self.revocation_document(source, leaf))

    def passport_document(self, actor: Actor, *, version_id: str | None = None) -> dict[str, Any]:
        """Make a passport, bound to the current version of a did:webvh."""
        current = None if actor.webvh is None else actor.webvh.version_id
        return issue_passport(
            signer=actor.signer,
            purpose="testing",
            capabilities=["code-review"],
            code_digest=seed("code"),
            model={"provider": "example", "name": "model-1"},
            runtime="python",
            uuid=self.uuid(),
            now_ms=self.now_ms,
            version_id=version_id or current,
        )

    def passport(self, actor: Actor) -> SequencedLeaf:
        """Log a passport."""
        return self.add(self.passport_document(actor))

    def rotate(self, actor: Actor) -> SequencedLeaf:
        """Log a did:webvh entry that replaces the update key and the signing key."""
        assert actor.webvh is not None
        turn = actor.rotations + 1
        signing = SigningKey(seed(actor.name, "signing", turn))
        entry, state = append_entry(
            actor.webvh,
            document_template(actor.did, [signing.public_key]),
            update_key=SigningKey(seed(actor.name, "update", turn)),
            next_key_hashes=[next_key_hash(SigningKey(seed(actor.name, "update", turn + 1)).public_key.multikey)],
            version_time_ms=self.now_ms,
        )
        leaf = self.add(entry)
        actor.webvh, actor.rotations = state, turn
        actor.signer = KeySigner(signing, actor.signer.verification_method)
        return leaf

    def deactivate(self, actor: Actor) -> SequencedLeaf:
        """Log the entry that ends a did:webvh."""
        assert actor.webvh is not None
        key = SigningKey(seed(actor.name, "update", actor.rotations + 1))
        entry, state = deactivate_entry(actor.webvh, update_key=key, version_time_ms=self.now_ms)
        leaf = self.add(entry)
        actor.webvh = state
        return leaf

    def state_document(self, kind: str, did: str, *, signer: KeySigner | None = None) -> dict[str, Any]:
        """Make a quarantine, release or agent_revocation."""
        issue = {"quarantine": issue_quarantine, "release": issue_release, "agent_revocation": issue_agent_revocation}
        entitled = self.root.signer if kind == "agent_revocation" else self.registry.signer
        return issue[kind](
            signer=signer or entitled,
            subject=did,
            reason="test",
            uuid=self.uuid(),
            now_ms=self.now_ms,
            domain=ORIGIN,
        )

    def set_state(self, kind: str, actor: Actor) -> SequencedLeaf:
        """Log a quarantine, release or agent_revocation."""
        return self.add(self.state_document(kind, actor.did))

    # ------------------------------------------------------------ reading

    @property
    def entries(self) -> list[bytes]:
        """The leaves' bytes."""
        return [leaf.data for leaf in self.leaves]

    def checkpoint(self) -> bytes:
        """Sign the log's head."""
        root = derive_root(leaf.leaf_hash for leaf in self.leaves)
        return sign_checkpoint(Checkpoint(ORIGIN, len(self.leaves), root), self.note_key)

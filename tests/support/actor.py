"""An agent as tests see it: keys from its name, and everything it can sign."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from did_methods.data_integrity import event_id
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from did_methods.webvh_create import (
    append_entry,
    create_entry,
    deactivate_entry,
    did_template,
    document_template,
)
from did_methods.webvh_parameters import next_key_hash
from did_methods.webvh_state import WebvhState
from registry.adapters.key_file import KeyRing
from registry.adapters.system_clock import Clock
from registry.credentials.issue import (
    issue_capability,
    issue_passport,
    issue_report,
    issue_revocation,
    issue_vouch,
)
from registry.credentials.presentation import build_presentation, request_challenge, sign_presentation

HOST, PORT = "registry.localhost", 8000
HOUR_MS = 3_600_000


def seeded(text: str) -> SigningKey:
    """Return the signing key that belongs to a text."""
    return SigningKey(hashlib.sha256(text.encode()).digest())


@dataclass(slots=True)
class Actor:
    """One agent with its keys.

    Attributes:
        did: its DID.
        signer: what signs its statements; swap it to sign with another key.
        clock: tells when it signs.
        origin: the log that it signs for.
        entries: its did:webvh log, oldest first; empty for a did:key.
        state: the did:webvh state after the last of them.
    """

    did: str
    signer: KeySigner
    clock: Clock
    origin: str
    name: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)
    state: WebvhState | None = None
    generation: int = 0

    @staticmethod
    def hosted(
        name: str, clock: Clock, origin: str, *, slug: str | None = None, host: str = HOST, port: int | None = PORT
    ) -> Actor:
        """Make an agent with a did:webvh at /agents/<slug> of a registry, pre-rotation on."""
        signing = seeded(f"{name} signing 0")
        path = ("agents", name if slug is None else slug)
        entry, state = create_entry(
            document_template(did_template(host, port=port, path=path), [signing.public_key]),
            update_key=seeded(f"{name} update 0"),
            next_key_hashes=[next_key_hash(seeded(f"{name} update 1").public_key.multikey)],
            version_time_ms=clock.now_ms(),
        )
        return Actor(state.did, KeySigner(signing, f"{state.did}#key-1"), clock, origin, name, [entry], state)

    @staticmethod
    def short_lived(name: str, clock: Clock, origin: str) -> Actor:
        """Make an agent with a did:key."""
        signer = key_signer(seeded(name))
        return Actor(signer.verification_method.partition("#")[0], signer, clock, origin, name)

    @staticmethod
    def of_ring(ring: KeyRing, clock: Clock, origin: str) -> Actor:
        """Make an agent out of a key file, for example the operator's own."""
        return Actor(ring.did, ring.signer, clock, origin, ring.did)

    # ------------------------------------------------------------ statements

    def vouch(self, subject: str, *, strength: int = 50, **more: Any) -> dict[str, Any]:
        """Sign a vouch."""
        return issue_vouch(signer=self.signer, subject=subject, strength=strength, **{**self._now(), **more})

    def report(self, subject: str, *, severity: int = 50, **more: Any) -> dict[str, Any]:
        """Sign a report."""
        return issue_report(signer=self.signer, subject=subject, severity=severity, **{**self._now(), **more})

    def revocation(self, document: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Sign the revocation of an earlier statement."""
        subject = document["credentialSubject"]["id"]
        return issue_revocation(
            signer=self.signer, subject=subject, event=event_id(dict(document)), **{**self._now(), **more}
        )

    def passport(self, **more: Any) -> dict[str, Any]:
        """Sign a passport."""
        version = {} if self.state is None else {"version_id": self.state.version_id}
        usual: dict[str, Any] = {
            "purpose": "testing",
            "capabilities": ["payments"],
            "code_digest": b"c" * 32,
            "model": {"provider": "nobody", "name": "none"},
            "runtime": "python",
        }
        now = {"uuid": str(uuid4()), "now_ms": self.clock.now_ms()}
        return issue_passport(signer=self.signer, **{**usual, **version, **now, **more})

    def capability(self, subject: str, *actions: str, lifetime_ms: int = HOUR_MS, **more: Any) -> dict[str, Any]:
        """Sign a capability for another agent; presented, not logged."""
        now_ms = more.pop("now_ms", self.clock.now_ms())
        return issue_capability(
            signer=self.signer,
            subject=subject,
            actions=actions,
            uuid=str(uuid4()),
            now_ms=now_ms,
            valid_until_ms=now_ms + lifetime_ms,
            **more,
        )

    def _now(self) -> dict[str, Any]:
        return {"uuid": str(uuid4()), "now_ms": self.clock.now_ms(), "domain": self.origin}

    # ------------------------------------------------------------ proving who it is

    def presentation(self, challenge: str | None, **more: Any) -> dict[str, Any]:
        """Sign a presentation for a challenge."""
        credentials = more.pop("credentials", ())
        holder = more.pop("holder", self.did)
        usual = {"now_ms": self.clock.now_ms(), "domain": self.origin, "challenge": challenge}
        document = build_presentation(holder=holder, uuid=str(uuid4()), credentials=credentials)
        return sign_presentation(document, signer=self.signer, **{**usual, **more})

    def registration(self, challenge: str | None, **more: Any) -> dict[str, Any]:
        """Return the body of a registration."""
        body: dict[str, Any] = {"presentation": self.presentation(challenge, **more)}
        return body | {"didLog": self.entries[:1]} if self.entries else body

    def request(
        self,
        action: str = "read",
        *,
        resource: tuple[str, str] = ("document", "d-1"),
        prove: bool = True,
        capabilities: tuple[dict[str, Any], ...] = (),
        lifetime_ms: int = 60_000,
        parameters_digest: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Return an AuthZEN request about this agent, with a presentation bound to it unless `prove` is off."""
        named = {"name": action}
        if parameters_digest is not None:
            named |= {"properties": {"parameters_digest": parameters_digest}}  # type: ignore[dict-item]
        body: dict[str, Any] = {
            "subject": {"type": "agent", "id": self.did},
            "action": named,
            "resource": {"type": resource[0], "id": resource[1]},
        }
        presented: dict[str, Any] = {}
        if prove:
            challenge = request_challenge(
                subject_id=self.did,
                action_name=action,
                resource_type=resource[0],
                resource_id=resource[1],
                parameters_digest=parameters_digest,
            )
            presented["vp"] = self.presentation(challenge, expires_ms=self.clock.now_ms() + lifetime_ms, **more)
        if capabilities:
            presented["capabilities"] = list(capabilities)
        return body | {"context": {"presentation": presented}} if presented else body

    # ------------------------------------------------------------ its DID log

    def rotate(self) -> dict[str, Any]:
        """Change signing and update keys; returns the next did:webvh entry, and signs with the new key from now on."""
        assert self.state is not None
        self.generation += 1
        signing = seeded(f"{self.name} signing {self.generation}")
        entry, self.state = append_entry(
            self.state,
            document_template(self.did, [signing.public_key]),
            update_key=seeded(f"{self.name} update {self.generation}"),
            next_key_hashes=[next_key_hash(seeded(f"{self.name} update {self.generation + 1}").public_key.multikey)],
            version_time_ms=self._next_version_ms(),
        )
        self.entries.append(entry)
        self.signer = KeySigner(signing, f"{self.did}#key-1")
        return entry

    def _next_version_ms(self) -> int:
        """Return now, or the first whole second after the newest version: versions may not share a second."""
        assert self.state is not None
        return max(self.clock.now_ms(), self.state.version_time_ms + 1_000)

    def deactivate(self) -> dict[str, Any]:
        """Return the did:webvh entry that ends this DID."""
        assert self.state is not None
        entry, self.state = deactivate_entry(
            self.state,
            update_key=seeded(f"{self.name} update {self.generation + 1}"),
            version_time_ms=self._next_version_ms(),
        )
        self.entries.append(entry)
        return entry

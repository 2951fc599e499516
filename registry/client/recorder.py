"""What an agent grants, records and contests: capabilities, delegations, badges, receipts, actions, attestations, disputes.

Signed here like everything else an agent says. Capabilities and delegations are handed over and presented, not sent to the
log; a receipt takes two agents, and either of them submits it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import uuid4

from did_methods.codec import base64url_decode
from registry.client.counting import CountingSpeaker
from registry.client.decision import Resource, digest_parameters, parse_resource
from registry.client.errors import ReceiptContentError
from registry.client.speaker import Receipt, digests, make_disclosures
from registry.credentials.issue import issue_capability
from registry.credentials.issue_evidence import (
    Appraisal,
    EvidenceKind,
    Measured,
    Outcome,
    countersign_receipt,
    issue_action_record,
    issue_affiliation,
    issue_attestation,
    issue_delegation,
    issue_dispute,
    issue_erasure_request,
    issue_receipt,
)
from registry.credentials.kinds import KINDS_BY_NAME
from registry.credentials.model import parse_credential
from registry.credentials.presentation import request_challenge

GRANT_S: Final = 3_600
NONCE_BYTES: Final = 16
REASONING: Final = "reasoning"
"""The name under which an action record commits to its reasoning."""


class Recorder(CountingSpeaker):
    """A speaker that also grants, records and contests; arguments as in `Speaker`."""

    # ------------------------------------------------------------ handed over, not logged

    def grant(
        self,
        did: str,
        *,
        actions: Sequence[str],
        resources: Sequence[Resource] = (),
        context: str | None = None,
        valid_s: int = GRANT_S,
    ) -> dict[str, Any]:
        """Sign a capability for another agent; give it to that agent, which presents it. It is not logged.

        Args:
            did: the agent that may.
            actions: action names, each may end in an asterisk.
            resources: what on; none means anything.
            context: capability domain, a slug.
            valid_s: how long, seconds.
        """
        now_ms = self._clock.now_ms()
        return issue_capability(
            signer=self._ring.signer,
            uuid=str(uuid4()),
            now_ms=now_ms,
            subject=did,
            actions=actions,
            resources=[parse_resource(one) for one in resources],
            context=context,
            valid_until_ms=now_ms + valid_s * 1_000,
        )

    def delegate(
        self,
        did: str,
        *,
        actions: Sequence[str],
        parent: Mapping[str, Any] | None = None,
        resources: Sequence[Resource] = (),
        limits: Mapping[str, int] | None = None,
        max_depth: int | None = None,
        context: str | None = None,
        valid_s: int = GRANT_S,
    ) -> dict[str, Any]:
        """Sign one hop of a delegation: the delegate acts for the root, within what each hop above left. It is not logged.

        Args:
            did: the delegate.
            actions: action names, each may end in an asterisk.
            parent: the hop by which this agent got the authority; None where it is its own.
            resources: what on; none means anything.
            limits: greatest values by name.
            max_depth: how deep the chain may become; None lets nobody pass it on.
            context: capability domain, a slug.
            valid_s: how long, seconds; never beyond the parent's end.

        Raises:
            ParseError: ``delegation_depth_invalid``, ``delegation_root_mismatch``, ``validity_empty``.
        """
        above = None if parent is None else parse_credential(dict(parent))
        now_ms = self._clock.now_ms()
        depth = 0 if above is None else above.subject.get("depth", 0) + 1
        ends = [now_ms + valid_s * 1_000, *([above.valid_until_ms] if above and above.valid_until_ms else [])]
        return issue_delegation(
            signer=self._ring.signer,
            subject=did,
            actions=actions,
            uuid=str(uuid4()),
            now_ms=now_ms,
            valid_until_ms=min(ends),
            max_depth=depth if max_depth is None else max_depth,
            parent=parent,
            resources=[parse_resource(one) for one in resources],
            limits=limits,
            context=context,
        )

    # ------------------------------------------------------------ badges

    def affiliate(
        self,
        did: str,
        *,
        role: str | None = None,
        unit: str | None = None,
        valid_s: int | None = None,
        private: Mapping[str, Any] | None = None,
        share: bool = True,
    ) -> Receipt:
        """Log that an agent is one of this organisation's own; `Speaker.revoke` withdraws it and leaves all else.

        Args:
            did: the agent.
            role: what it is here, a slug.
            unit: part of the organisation, a slug.
            valid_s: seconds; None for no end.
            private: names and values that the public document only commits to.
            share: as in `vouch`.
        """
        hidden = make_disclosures(private)
        now_ms = self._clock.now_ms()
        document = issue_affiliation(
            signer=self._ring.signer,
            subject=did,
            uuid=str(uuid4()),
            now_ms=now_ms,
            role=role,
            unit=unit,
            valid_until_ms=None if valid_s is None else now_ms + valid_s * 1_000,
            commitments=digests(hidden),
        )
        return self.submit(document, disclosures=hidden, share=share)

    # ------------------------------------------------------------ contesting

    def dispute(
        self,
        report: str,
        *,
        ground: str | None = None,
        private: Mapping[str, Any] | None = None,
        share: bool = True,
    ) -> Receipt:
        """Dispute a report about oneself.

        Args:
            report: its event id.
            ground: why, a slug.
            private: particulars that the public document only commits to.
            share: as in `vouch`.

        Raises:
            BonafidesError: ``event_not_found``, and as `vouch`.
        """
        hidden = make_disclosures(private)
        document = issue_dispute(
            reporter=str(self._logged(report).get("issuer")),
            report=base64url_decode(report),
            ground=ground,
            commitments=digests(hidden),
            **self._issuing(statement=True),
        )
        return self.submit(document, disclosures=hidden, share=share)

    # ------------------------------------------------------------ receipts

    def offer_receipt(
        self,
        did: str,
        *,
        action: str,
        interaction_digest: bytes,
        outcome: Outcome = "completed",
        part: Literal["consumer", "provider"] | None = None,
        context: str | None = None,
    ) -> dict[str, Any]:
        """Sign one half of a receipt; the other agent signs it by `accept_receipt`, and either submits it.

        Args:
            did: the other agent.
            action: action name.
            interaction_digest: SHA-256 of what both keep of the interaction, 32 bytes.
            outcome: how it ended.
            part: which part this agent had.
            context: capability domain, a slug.
        """
        return issue_receipt(
            counterparty=did,
            action=action,
            interaction_digest=interaction_digest,
            outcome=outcome,
            part=part,
            context=context,
            **self._issuing(statement=True),
        )

    def accept_receipt(
        self, half: Mapping[str, Any], *, interaction_digest: bytes, outcome: Outcome, action: str | None = None
    ) -> dict[str, Any]:
        """Return a receipt with this agent's proof added, if it says what this agent knows.

        Args:
            half: what the other agent offered.
            interaction_digest: what this agent holds as the record, 32 bytes.
            outcome: how the interaction ended for this agent.
            action: the action; None takes the one named.

        Raises:
            ReceiptContentError: ``receipt_content_mismatch``.
            ParseError: ``proof_signers_invalid`` where it names another party, and what breaks its form.
        """
        signed = countersign_receipt(
            dict(half), signer=self._ring.signer, now_ms=self._clock.now_ms(), domain=self._origin()
        )
        receipt = parse_credential(signed)
        said = receipt.subject
        if (
            receipt.kind is not KINDS_BY_NAME["receipt"]
            or base64url_decode(said["interactionDigest"]) != interaction_digest
        ):
            raise ReceiptContentError("it is about another interaction")
        if said["outcome"] != outcome or (action is not None and said["action"] != action):
            raise ReceiptContentError("it tells the interaction in another way")
        if any(proof.domain != self._origin() for proof in receipt.proofs):
            raise ReceiptContentError("the other half was signed for another log")
        return signed

    # ------------------------------------------------------------ what was done, what runs

    def record_action(
        self,
        action: str,
        resource: Resource,
        *,
        parameters: Any = None,
        reasoning: Any = None,
        decision: str | None = None,
        outcome: Outcome | None = None,
        named: bool = False,
        private: Mapping[str, Any] | None = None,
        share: bool = True,
    ) -> Receipt:
        """Log what one did: a digest of the exact action, and commitments to the reasons.

        Args:
            action: action name.
            resource: what it was done to.
            parameters: the action's parameters, a JSON value.
            reasoning: why, a JSON value; only committed to.
            decision: evaluation id of the decision that allowed it.
            outcome: how it ended.
            named: name the action in public too.
            private: more names and values that the public document only commits to.
            share: as in `vouch`.

        Spec: specs/kinds/action_record.md
        """
        wanted = parse_resource(resource)
        exact = request_challenge(
            subject_id=self.did,
            action_name=action,
            resource_type=wanted["type"],
            resource_id=wanted["id"],
            parameters_digest=None if parameters is None else digest_parameters(parameters),
        )
        why = make_disclosures(None if reasoning is None else {REASONING: reasoning})
        hidden = [*why, *make_disclosures(private)]
        document = issue_action_record(
            action_digest=base64url_decode(exact),
            action=action if named else None,
            outcome=outcome,
            decision=decision,
            reasoning_commitment=why[0].digest if why else None,
            commitments=digests(hidden),
            **self._issuing(statement=True),
        )
        return self.submit(document, disclosures=hidden, share=share)

    def attest(
        self,
        measured: Measured,
        *,
        did: str | None = None,
        evidence_kind: EvidenceKind | None = None,
        nonce: bytes | None = None,
        appraisal: Appraisal | None = None,
    ) -> Receipt:
        """Log afresh what an agent runs: oneself, or another one that one has looked at.

        Args:
            measured: what was found.
            did: the agent; None for oneself.
            evidence_kind: what stands behind it; None for one's own word, of another ``third-party``.
            nonce: 8 to 64 bytes from whoever asked; None where nobody did.
            appraisal: what a third party makes of it.
        """
        own = did is None or did == self.did
        document = issue_attestation(
            subject=did or self.did,
            evidence_kind=evidence_kind or ("self" if own else "third-party"),
            nonce=nonce or secrets.token_bytes(NONCE_BYTES),
            measured=measured,
            appraisal=appraisal,
            **self._issuing(statement=True),
        )
        return self.submit(document)

    # ------------------------------------------------------------ showing one's standing

    def standing_credential(self, did: str | None = None, *, context: str | None = None) -> dict[str, Any]:
        """Fetch a standing that the registry signed, verified, to be shown elsewhere.

        Args:
            did: the agent; None for oneself.
            context: capability domain; None overall.

        Raises:
            StandingError: ``standing_invalid``.

        Spec: specs/kinds/standing.md
        """
        return self.view().standing_credential(did or self.did, context=context)

    # ------------------------------------------------------------ erasing what was said privately

    def erase(self, event: str | None = None) -> dict[str, Any]:
        """Have the registry erase openings that are this agent's to erase; the public log stays as it is.

        Args:
            event: id of an event that this agent is a party to; None for all openings that it is a party to.

        Returns:
            The registry's answer: ``erasure`` with the number of openings, and the signed acceptance of its log entry.

        Raises:
            BonafidesError: ``registry_refused``, ``registry_unreachable``.

        Spec: specs/erasure.md
        """
        target = None if event is None else base64url_decode(event)
        request = issue_erasure_request(event=target, **self._issuing(statement=True))
        self.view().identity()  # nothing is sent to another registry than before
        return dict(self.view().transport.post("/v1/erasures", {"request": request}))

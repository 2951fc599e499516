"""What the registry itself signs: epochs, states, rulings, standings, keys observed elsewhere, acceptances. How a log begins.

Every statement goes through the same door as everybody's. The operator root signs the genesis, root lists and
revocations of agents; it is used here once, at the first start, and may then be kept offline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from did_methods.codec import base64url_decode
from did_methods.keys import KeySigner
from registry.adapters.key_file import KeyRing
from registry.credentials.issue_acceptance import AcceptedEvent, issue_acceptance
from registry.credentials.issue_registry import (
    StandingFigures,
    issue_epoch,
    issue_erasure,
    issue_genesis,
    issue_key_observation,
    issue_quarantine,
    issue_release,
    issue_root_list,
    issue_ruling,
    issue_standing,
)
from registry.credentials.presentation import build_presentation, sign_presentation
from registry.errors import DependencyError
from registry.history.errors import AgentUnknownError, DisputeNotOpenError
from registry.history.records import Head
from registry.history.rules import preview_epoch
from registry.history.state import Draft, LogState
from registry.history.statement import Statement, parse_statement
from registry.limits import (
    EPOCH_CHANGED_VOUCHES_PERMILLE,
    EPOCH_INTERVAL_MS,
    EPOCH_MINIMUM_GAP_MS,
    STANDING_VALID_MS,
)
from registry.services.sequencer import Sequencer
from registry.services.submission import Accepted, Submission

Ruling: TypeAlias = Literal["upheld", "dismissed"]

_REPLAY: Final = "replay"


class GenesisMissingError(DependencyError):
    """The log has no entry 0."""

    code = "genesis_missing"
    title = "The log has no genesis"


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """The identities that exist before the first entry; made by `make_first_keys`."""

    registry: KeyRing
    operator_root: KeyRing
    operator_agent: KeyRing
    registry_entry: dict[str, object]
    operator_entry: dict[str, object]


class Authority:
    """Makes and submits the registry's own statements."""

    def __init__(self, *, sequencer: Sequencer, signer: KeySigner) -> None:
        self._sequencer = sequencer
        self._state: LogState = sequencer.state
        self._signer = signer

    # ------------------------------------------------------------ epochs

    def epoch_due(self, *, now_ms: int) -> bool:
        """Say whether an automatic epoch is due.

        Spec: FORMATS "Epoch".
        """
        return _is_epoch_due(self._state.head, now_ms)

    def epoch_submission(self, *, time_ms: int | None = None, if_due: bool = False) -> Submission:
        """Return a submission that logs the next epoch over everything before it.

        Args:
            time_ms: in a replay registry, the epoch's log time; None is now (or the last leaf's time in a replay).
            if_due: log none where another process has just done so.
        """

        def prepare(draft: Draft, now_ms: int) -> Sequence[Statement]:
            genesis = draft.head.genesis
            if genesis is None:
                raise GenesisMissingError
            if if_due and not _is_epoch_due(draft.head, now_ms):
                return []
            if genesis.profile == _REPLAY:
                now_ms = draft.head.last_time_ms if time_ms is None else time_ms
            subject = preview_epoch(draft, tree_size=draft.head.size)
            document = issue_epoch(
                signer=self._signer,
                number=subject["number"],
                tree_size=subject["treeSize"],
                rules=subject["rules"],
                root_list=base64url_decode(subject["rootList"]),
                commitment=base64url_decode(subject["commitment"]),
                uuid=str(uuid4()),
                now_ms=now_ms,
                domain=genesis.origin,
            )
            return [parse_statement(document)]

        return Submission((), prepare=prepare, slow=True)

    # ------------------------------------------------------------ agents' states

    def quarantine(self, did: str, *, reason: str, release: bool, now_ms: int) -> Submission:
        """Return a submission that suspends an agent, or releases it."""
        issue = issue_release if release else issue_quarantine
        head = self._state.head
        if head.genesis is not None and head.genesis.profile == _REPLAY:
            now_ms = head.last_time_ms  # a replay's time stands still between its statements
        document = issue(
            signer=self._signer,
            subject=did,
            reason=reason,
            uuid=str(uuid4()),
            now_ms=now_ms,
            domain=self._origin(),
        )
        return Submission([parse_statement(document)])

    # ------------------------------------------------------------ disputes

    def ruling(self, dispute: bytes, *, word: Ruling, reason: str, now_ms: int) -> Submission:
        """Return a submission that ends an open dispute.

        Args:
            dispute: event id of the dispute, 32 bytes.
            word: ``upheld`` where the dispute is right, ``dismissed`` where the report is.
            reason: slug.
            now_ms: the wall clock.

        Raises:
            DisputeNotOpenError: ``dispute_not_open``.
        """
        live, head = self._state.tables.live.get(dispute), self._state.head
        if live is None or live.kind != "dispute":
            raise DisputeNotOpenError
        document = issue_ruling(
            signer=self._signer,
            subject=live.issuer,
            reporter=live.subject,
            dispute=dispute,
            ruling=word,
            reason=reason,
            uuid=str(uuid4()),
            now_ms=head.last_time_ms if head.genesis is not None and head.genesis.profile == _REPLAY else now_ms,
            domain=self._origin(),
        )
        return Submission([parse_statement(document)])

    # ------------------------------------------------------------ erasures

    def erasure(self, did: str, event_id: bytes | None, *, openings: int, now_ms: int) -> Submission:
        """Return a submission that logs an erasure of openings.

        Args:
            did: canonical DID of the agent.
            event_id: 32 bytes; None for all openings that the agent is a party to.
            openings: how many there are.
            now_ms: the wall clock.
        """
        head = self._state.head
        document = issue_erasure(
            signer=self._signer,
            subject=did,
            openings=openings,
            event=event_id,
            uuid=str(uuid4()),
            now_ms=head.last_time_ms if head.genesis is not None and head.genesis.profile == _REPLAY else now_ms,
            domain=self._origin(),
        )
        return Submission([parse_statement(document)])

    # ------------------------------------------------------------ standings

    def standing(self, did: str, *, context: str | None, now_ms: int) -> dict[str, object]:
        """Sign an agent's standing now, to be shown elsewhere; it is not logged.

        Args:
            did: any name of the agent; the credential is about that name.
            context: capability domain, a slug; None overall.
            now_ms: the wall clock; a newer entry moves the instant forward.

        Raises:
            AgentUnknownError: ``agent_unknown``.

        Spec: specs/kinds/standing.md
        """
        while True:
            tree = self._sequencer.tree
            with self._sequencer.lock:
                head = self._state.head
                if head.size != tree.size:
                    continue  # the log grew in between: figures and root are those of one tree
                agent = self._state.find_agent(did)
                if agent is None:
                    raise AgentUnknownError
                instant = max(now_ms, head.last_time_ms)
                reading = self._state.reputation.reading(agent.did, context, now_ms=instant)
                break
        figures = StandingFigures(
            state=agent.state,
            score_micros=reading.score_micros,
            record_micros=reading.record_micros,
            confidence_micros=reading.confidence_micros,
            rules=head.genesis.rules if head.genesis else "",
            tree_size=tree.size,
            root_hash=tree.root(),
            time_ms=instant,
            context=context,
        )
        return issue_standing(
            signer=self._signer,
            subject=did,
            origin=self._origin(),
            figures=figures,
            uuid=str(uuid4()),
            created_ms=instant,
            valid_until_ms=instant + STANDING_VALID_MS,
        )

    # ------------------------------------------------------------ keys observed elsewhere

    def key_observation(self, subject: Mapping[str, Any], *, now_ms: int) -> Statement:
        """Sign what was seen of a DID whose document lies elsewhere.

        Args:
            subject: what `observation_subject` returned.
            now_ms: the wall clock.
        """
        document = issue_key_observation(
            signer=self._signer, subject=subject, uuid=str(uuid4()), now_ms=now_ms, domain=self._origin()
        )
        return parse_statement(document)

    # ------------------------------------------------------------ acceptance

    def acceptance(self, accepted: Sequence[Accepted]) -> dict[str, object]:
        """Sign what was accepted; the same events always give the same bytes.

        Spec: FORMATS "Acceptance".
        """
        return issue_acceptance(
            signer=self._signer,
            origin=self._origin(),
            accepted=[AcceptedEvent(one.event_id, one.index, one.leaf_hash, one.time_ms) for one in accepted],
        )

    def _origin(self) -> str:
        genesis = self._state.head.genesis
        if genesis is None:
            raise GenesisMissingError
        return genesis.origin


def _is_epoch_due(head: Head, now_ms: int) -> bool:
    if head.genesis is None or head.genesis.profile == _REPLAY or head.epoch is None:
        return False
    if now_ms - head.epoch.logged_ms >= EPOCH_INTERVAL_MS:
        return True
    if now_ms - head.epoch.logged_ms < EPOCH_MINIMUM_GAP_MS:
        return False
    changed = head.live_vouches_changed * 1_000 > head.live_vouches * EPOCH_CHANGED_VOUCHES_PERMILLE
    return changed or head.root_lists[-1].index != head.epoch.root_list_index


def opening_statements(
    first: FirstKeys, *, origin: str, public_url: str, profile: str, log_key: str, now_ms: int
) -> list[Statement]:
    """Make entries 0 to 2: genesis, the registry's first DID entry, the root list with the operator's own agent.

    Spec: FORMATS "Genesis".
    """
    root, registry_did = first.operator_root.signer, first.registry.did
    genesis = issue_genesis(
        signer=root,
        origin=origin,
        public_url=public_url,
        profile="replay" if profile == _REPLAY else "live",
        log_key=log_key,
        registry_did=registry_did,
        uuid=str(uuid4()),
        now_ms=now_ms,
    )
    roots = issue_root_list(
        signer=root,
        registry_did=registry_did,
        number=1,
        roots=[first.operator_agent.did],
        uuid=str(uuid4()),
        now_ms=now_ms,
        domain=origin,
    )
    return [parse_statement(genesis), parse_statement(dict(first.registry_entry)), parse_statement(roots)]


def operator_registration(first: FirstKeys, *, origin: str, challenge: str, now_ms: int) -> list[Statement]:
    """Make the operator's own agent's entries: its DID and its registration, like any agent's."""
    presentation = sign_presentation(
        build_presentation(holder=first.operator_agent.did),
        signer=first.operator_agent.signer,
        now_ms=now_ms,
        domain=origin,
        challenge=challenge,
    )
    return [parse_statement(dict(first.operator_entry)), parse_statement(presentation)]

"""Send a planned replay to a registry: the root list, then batches and epochs in the order of the log.

Statements are signed on a second thread while earlier ones are on their way. Everything may be sent again: a registry
answers what it knows with its first place, and the same plan gives the same statements. What the registry refuses ends
the replay, because what follows would stand on a gap.

Spec: specs/replay.md
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.codec import base64url_encode
from did_methods.keys import Signer
from registry.client.errors import RegistryAnswerError, RegistryRefusedError
from registry.client.member_keys import Members, SignedLine
from registry.client.operator import Operator
from registry.client.ratings import EpochStep, SignedStep, Step
from registry.client.transport import did_segment
from registry.client.view import RegistryView
from registry.credentials.issue_registry import issue_root_list
from registry.errors import ConflictError

MOST_LINES: Final = 1_000  # what one batch may hold
AHEAD: Final = 4  # signed batches kept ready
_PAGE: Final = 100
_NOT_FOUND: Final = 404


class ImportProfileError(ConflictError):
    """The registry is a live one: its log time is the clock, so it takes no history."""

    code = "import_needs_replay_registry"
    title = "Only a replay registry takes an import"


@dataclass(frozen=True, slots=True)
class RegistryFacts:
    """What a registry says of its log, and what it has signed itself.

    Attributes:
        origin: of the log.
        registry_did: the registry's own DID.
        roots: the newest root list.
        root_list_number: its number.
        epoch_ms: log time of the newest epoch entry.
        own_indices: log indices of the entries in the registry's own chain.
    """

    origin: str
    registry_did: str
    roots: tuple[str, ...]
    root_list_number: int
    epoch_ms: int
    own_indices: tuple[int, ...]


@dataclass(slots=True)
class ReplayCounts:
    """What a replay has done so far; `skipped` were known to be in the log and not sent."""

    accepted: int = 0
    repeated: int = 0
    skipped: int = 0
    epochs: int = 0


class ReplayClient:
    """Speaks to one registry.

    Args:
        operator: of the registry; in a replay all writes are the operator's.
    """

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._transport = operator.transport
        self._view = RegistryView(operator.transport)

    def read_facts(self) -> RegistryFacts:
        """Read what is needed before anything is sent.

        Raises:
            ImportProfileError: import_needs_replay_registry.
            RegistryError: as `Transport.get`.
        """
        identity = self._view.identity()
        if identity.profile != "replay":
            raise ImportProfileError(
                "this registry is live and takes no times of the past; start one with: bonafides serve --profile replay"
            )
        roots = self._transport.get("/v1/roots")
        entries = list(self._chain(identity.registry_did))
        return RegistryFacts(
            identity.origin,
            identity.registry_did,
            tuple(roots["roots"]),
            int(roots["number"]),
            max((entry["time"] for entry in entries if entry["kind"] == "epoch"), default=0),
            tuple(sorted(entry["index"] for entry in entries)),
        )

    def _chain(self, did: str) -> Iterator[dict[str, Any]]:
        before: int | None = None
        while True:
            page = self._transport.get(f"/v1/agents/{did_segment(did)}/events", limit=_PAGE, before=before)
            yield from page["events"]
            before = page["next"]
            if before is None:
                return

    def find_index(self, event_id: bytes) -> int | None:
        """Return where an event stands in the log, or None."""
        try:
            return int(self._transport.get(f"/v1/events/{base64url_encode(event_id)}")["index"])
        except RegistryRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def send_batch(self, lines: Sequence[SignedLine]) -> int:
        """Log a batch and verify its acceptance; return how many were in the log before.

        Raises:
            RegistryRefusedError: registry_refused, with the line of the first statement refused.
            RegistryAnswerError: registry_answer_invalid.
            AcceptanceError: acceptance_invalid.
            RegistryUnreachableError: registry_unreachable.
        """
        answer = self._transport.post_lines("/v1/events:batch", b"\n".join(line.data for line in lines))
        results = answer.get("results")
        if not isinstance(results, list) or len(results) != len(lines):
            raise RegistryAnswerError("one result a line was expected")
        for line, result in zip(lines, results, strict=True):
            if "problem" in result:
                raise _refusal(result["problem"], line)
        self._view.verify_acceptance(answer.get("acceptance"), events=[line.event_id for line in lines])
        return sum(bool(result["repeated"]) for result in results)

    def log_epoch(self, time_ms: int) -> None:
        """Log an epoch at an instant."""
        self._operator.epoch(time_ms=time_ms)

    def log_statement(self, document: dict[str, Any]) -> None:
        """Log one signed statement."""
        self._transport.post("/v1/events", document)

    def read_standing(self, did: str) -> dict[str, Any]:
        """Return an agent's standing as the registry states it."""
        return self._transport.get(f"/v1/agents/{did_segment(did)}/standing")


def _refusal(problem: dict[str, Any], line: SignedLine) -> RegistryRefusedError:
    where = f"line {line.line} of the file" if line.line else "a registration"
    text = problem.get("detail") or problem.get("title") or "no reason was given"
    return RegistryRefusedError(str(problem.get("code")), f"{where}: {text}", status=int(problem.get("status", 0)))


# ---------------------------------------------------------------- the replay


@dataclass(slots=True)
class Replay:
    """One run over a plan.

    Attributes:
        client: where to.
        members: who signs.
        facts: read before the first step.
        batch: most lines in one body, up to 1,000.
        counts: what was done.
    """

    client: ReplayClient
    members: Members
    facts: RegistryFacts
    batch: int = MOST_LINES
    counts: ReplayCounts = field(default_factory=ReplayCounts)

    def set_roots(self, roots: Sequence[str], *, signer: Callable[[], Signer], time_ms: int) -> bool:
        """Log a root list of these members unless it is the newest one already; say whether it was needed.

        Args:
            roots: members.
            signer: gives the operator root; called only when a signature is needed.
            time_ms: the list's log time.
        """
        dids = tuple(self.members.did(root) for root in roots)
        if dids == self.facts.roots:
            return False
        number = self.facts.root_list_number + 1
        self.client.log_statement(
            issue_root_list(
                signer=signer(),
                registry_did=self.facts.registry_did,
                number=number,
                roots=dids,
                uuid=self.members.uuid("roots", number, *dids),
                now_ms=time_ms,
                domain=self.facts.origin,
            )
        )
        return True

    def left_over(self, steps: Sequence[Step]) -> list[Step]:
        """Return the steps that the registry does not have yet; count the others as skipped.

        A replay is sent in order, so what the registry has is a beginning of the plan, found by halving. The count of
        entries in between must agree; where it does not, everything is sent again, which is slower and as safe.
        """
        signed = [place for place, step in enumerate(steps) if not isinstance(step, EpochStep)]
        known = self._count_known([steps[place] for place in signed])
        begin = signed[known] if known < len(signed) else len(steps)
        rest = [step for step in steps[:begin] if isinstance(step, EpochStep)] + list(steps[begin:])
        self.counts.skipped = known
        return [step for step in rest if not isinstance(step, EpochStep) or step.time_ms > self.facts.epoch_ms]

    def _count_known(self, steps: Sequence[Step]) -> int:
        first = self._index_of(steps[0]) if steps else None
        if first is None:
            return 0
        low, high, last = 1, len(steps), first  # steps[low - 1] is known and stands at `last`
        while low < high:
            middle = (low + high) // 2
            found = self._index_of(steps[middle])
            if found is None:
                high = middle
            else:
                low, last = middle + 1, found
        own = sum(first < index < last for index in self.facts.own_indices)
        return low if last - first - own == low - 1 else 0

    def _index_of(self, step: Step) -> int | None:
        assert not isinstance(step, EpochStep)
        return self.client.find_index(self.members.event_id(step))

    def run(self, steps: Sequence[Step], *, on_progress: Callable[[int], None] = lambda _count: None) -> None:
        """Send the steps in order; signing runs ahead on a thread of its own.

        Args:
            steps: what `left_over` returned.
            on_progress: called with the number of signed steps that are durable since the last call.

        Raises:
            RegistryError: as `ReplayClient.send_batch`; run the same import again to go on.
        """
        parts = _cut(steps, self.batch)
        with ThreadPoolExecutor(1, thread_name_prefix="signing") as pool:
            ready: deque[Future[list[SignedLine]] | EpochStep] = deque()
            try:
                while True:
                    while len(ready) < AHEAD and (part := next(parts, None)) is not None:
                        ready.append(part if isinstance(part, EpochStep) else pool.submit(self._sign, part))
                    if not ready:
                        return
                    self._send(ready.popleft(), on_progress)
            finally:
                pool.shutdown(cancel_futures=True)

    def _sign(self, steps: Sequence[SignedStep]) -> list[SignedLine]:
        return [self.members.sign(step, domain=self.facts.origin) for step in steps]

    def _send(self, part: Future[list[SignedLine]] | EpochStep, on_progress: Callable[[int], None]) -> None:
        if isinstance(part, EpochStep):
            self.client.log_epoch(part.time_ms)
            self.counts.epochs += 1
            return
        lines = part.result()
        repeated = self.client.send_batch(lines)
        self.counts.repeated += repeated
        self.counts.accepted += len(lines) - repeated
        on_progress(len(lines))


def _cut(steps: Sequence[Step], size: int) -> Iterator[list[SignedStep] | EpochStep]:
    """Yield batches and epochs in the order of the steps."""
    part: list[SignedStep] = []
    for step in steps:
        epoch = isinstance(step, EpochStep)
        if part and (epoch or len(part) == size):
            yield part
            part = []
        if isinstance(step, EpochStep):
            yield step
        else:
            part.append(step)
    if part:
        yield part

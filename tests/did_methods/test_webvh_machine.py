"""The life of a DID as a state machine: create, rotate, move, change witnesses, deactivate, and tamper at any time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from did_methods.errors import DidError
from did_methods.method import ResolutionError
from did_methods.webvh import (
    WebvhState,
    append_entry,
    create_entry,
    deactivate_entry,
    entry_line,
    move_document,
    resolve_log,
    verify_entry,
    verify_states,
)
from did_methods.webvh_witness import WitnessRule, prune_proofs, sign_witness_proof, witness_file_bytes
from tests.support.laws import examples
from tests.support.webvh import NOW_MS, START_MS, LogWriter, commitment, document, key, multikey, template

RULES = st.sampled_from(
    [
        None,
        *(WitnessRule(n, tuple(f"did:key:{multikey(200 + w)}" for w in range(m))) for n, m in ((1, 1), (1, 3), (2, 3))),
    ]
)
SECOND = 1_000
WITNESS_KEYS = {f"did:key:{multikey(200 + number)}": key(200 + number) for number in range(3)}


class DidLife(RuleBasedStateMachine):
    """A controller with all keys, its witnesses, and a reader that checks everything after each step."""

    states: list[WebvhState]

    @initialize(rotating=st.booleans(), witness=RULES, portable=st.booleans())
    def create(self, rotating: bool, witness: WitnessRule | None, portable: bool) -> None:
        """Begin a log."""
        self.now_ms = START_MS
        self.used = 0  # number of the newest key that signed
        self.made = 1  # number of the next key that was never committed to
        hashes = self._commit() if rotating else []
        entry, state = create_entry(
            template(),
            update_key=key(0),
            next_key_hashes=hashes,
            version_time_ms=self.now_ms,
            witness=witness,
            portable=portable,
        )
        self.lines, self.states, self.proofs = [entry_line(entry)], [state], {}
        self._approve()

    def _commit(self) -> list[str]:
        self.committed = self.made
        self.made += 2
        return [commitment(self.committed), commitment(self.committed + 1)]

    def _approve(self) -> None:
        """Let exactly as many witnesses approve as the newest entry asks for."""
        required = self.last.witness_required
        if required is not None:
            asked = required.witnesses[: required.threshold]
            version_id = self.last.version_id
            self.proofs[version_id] = [
                sign_witness_proof(version_id, WITNESS_KEYS[did], created_ms=self.now_ms) for did in asked
            ]

    @property
    def last(self) -> WebvhState:
        """The state after the newest entry."""
        return self.states[-1]

    @property
    def log(self) -> bytes:
        """The log as published."""
        return b"".join(self.lines)

    @property
    def file(self) -> bytes:
        """The witness file as published."""
        return witness_file_bytes(self.proofs)

    def _append(self, state_document: dict[str, Any] | None = None, *, reserve: bool = False, **options: Any) -> None:
        self.now_ms += SECOND
        signer = self.used
        if self.last.next_key_hashes:
            signer = self.committed + reserve
            self.used = signer
            options.setdefault("next_key_hashes", self._commit())
        before = self.last
        entry, state = append_entry(
            before,
            document(before.did, self.made) if state_document is None else state_document,
            update_key=key(signer),
            version_time_ms=self.now_ms,
            **options,
        )
        assert verify_entry(before, entry, now_ms=self.now_ms) == state
        self.lines.append(entry_line(entry))
        self.states.append(state)
        self._approve()

    def _alive(self) -> bool:
        return not self.last.deactivated

    # ------------------------------------------------------------ what a controller does

    @precondition(_alive)
    @rule(reserve=st.booleans())
    def update(self, reserve: bool) -> None:
        """Change the document; with pre-rotation, with the next key or the one in reserve."""
        self._append(reserve=reserve)

    @precondition(lambda self: self._alive() and not self.last.next_key_hashes)
    @rule()
    def rotate(self) -> None:
        """Replace the key without pre-rotation."""
        new, self.made = self.made, self.made + 1
        self._append(update_keys=[multikey(new)])
        self.used = new

    @precondition(_alive)
    @rule()
    def switch_pre_rotation(self) -> None:
        """Switch pre-rotation off where it is on, and on where it is off."""
        self._append(next_key_hashes=[] if self.last.next_key_hashes else self._commit())

    @precondition(lambda self: self._alive() and self.last.portable)
    @rule(place=st.integers(0, 2))
    def move(self, place: int) -> None:
        """Move to one of three places, back included."""
        new = f"did:webvh:{self.last.scid}:place{place}.example.com"
        if new != self.last.did:
            self._append(move_document(self.last, new))

    @precondition(_alive)
    @rule(witness=RULES)
    def change_witnesses(self, witness: WitnessRule | None) -> None:
        """Replace, begin or end witnessing."""
        self._append(witness=witness or False)

    @precondition(_alive)
    @rule()
    def stay(self) -> None:
        """Give up moving for good."""
        self._append(portable=False)

    @precondition(lambda self: self._alive() and len(self.states) > 2)
    @rule()
    def deactivate(self) -> None:
        """End the DID."""
        self.now_ms += SECOND
        signer = self.committed if self.last.next_key_hashes else self.used
        entry, state = deactivate_entry(self.last, update_key=key(signer), version_time_ms=self.now_ms)
        self.lines.append(entry_line(entry))
        self.states.append(state)
        self._approve()

    # ------------------------------------------------------------ what others do

    @rule(data=st.data())
    def change_one_byte(self, data: st.DataObject) -> None:
        """Any single changed byte of any entry is refused; canonical lines have no white space to spare."""
        log = bytearray(self.log)
        position = data.draw(st.integers(0, len(log) - 2))
        log[position] ^= data.draw(st.integers(1, 255))
        with pytest.raises(DidError):
            verify_states(bytes(log), now_ms=NOW_MS, witness=self.file)

    @rule(data=st.data())
    def drop_or_repeat_an_entry(self, data: st.DataObject) -> None:
        """Anything but a shorter log is refused."""
        lines = list(self.lines)
        position = data.draw(st.integers(0, len(lines) - 1))
        if position == len(lines) - 1 or data.draw(st.booleans()):
            lines.insert(position, lines[position])
        else:
            del lines[position]
        with pytest.raises(DidError):
            verify_states(b"".join(lines), now_ms=NOW_MS, witness=self.file)

    @precondition(_alive)
    @rule(stranger=st.integers(300, 305))
    def steal(self, stranger: int) -> None:
        """A key that is neither in force nor committed to adds nothing."""
        hashes = [commitment(stranger)] if self.last.next_key_hashes else None
        with pytest.raises(DidError):
            append_entry(
                self.last,
                document(self.last.did),
                update_key=key(stranger),
                next_key_hashes=hashes,
                version_time_ms=self.now_ms + SECOND,
            )

    @precondition(lambda self: self.last.witness_required is not None)
    @rule(data=st.data())
    def withhold_an_approval(self, data: st.DataObject) -> None:
        """Without one approval that the newest entry needs, the log does not resolve; what was before still may."""
        held = dict(self.proofs)
        version_id = self.last.version_id
        kept = list(held.pop(version_id))
        kept.pop(data.draw(st.integers(0, len(kept) - 1)))
        # One voice is one voice: the rest repeated, a stranger's and a forged approval do not make up for it.
        stranger = sign_witness_proof(version_id, key(300), created_ms=self.now_ms)
        file = witness_file_bytes(held | {version_id: [*kept, *kept, stranger, stranger | {"nonce": "x"}]})
        refused = resolve_log(self.last.did, self.log, now_ms=NOW_MS, witness=file)
        assert refused.error is ResolutionError.INVALID_DID

    # ------------------------------------------------------------ what always holds

    @invariant()
    def the_reader_sees_what_the_writer_wrote(self) -> None:
        """The log verifies to the same states, every name resolves, and every version answers to its number."""
        assert verify_states(self.log, now_ms=NOW_MS, witness=self.file) == tuple(self.states)
        for name in {state.did for state in self.states}:
            result = resolve_log(name, self.log, now_ms=NOW_MS, witness=self.file)
            assert result.error is None
            assert (result.did_document is None) == self.last.deactivated
        for state in self.states[-3:]:
            number = state.version_number
            found = resolve_log(state.did, self.log, now_ms=NOW_MS, witness=self.file, version_number=number)
            assert found.did_document_metadata["versionId"] == state.version_id
            assert WebvhState.from_wire(state.to_wire()) == state

    @invariant()
    def a_pruned_witness_file_says_the_same(self) -> None:
        """Older approvals of a witness are covered by its newest one, so they can go."""
        version_ids = [state.version_id for state in self.states]
        pruned = prune_proofs(version_ids, self.proofs)
        assert sum(map(len, pruned.values())) <= len(WITNESS_KEYS)
        assert verify_states(self.log, now_ms=NOW_MS, witness=witness_file_bytes(pruned)) == tuple(self.states)


TestDidLife = DidLife.TestCase
TestDidLife.settings = examples("the life of a DID", stateful_step_count=16)


def _survivors(log: bytes, new: int) -> list[int]:
    found = []
    for position in range(len(log)):
        if log[position] != new:
            try:
                verify_states(log[:position] + bytes([new]) + log[position + 1 :], now_ms=NOW_MS)
            except DidError:
                continue
            found.append(position)
    return found


@pytest.mark.parametrize("new", [0x09, 0x0D])
def test_only_white_space_may_be_other_white_space(new: int) -> None:
    """In a log written with spaces, as other programs do, a byte can become a tab only where it was white space."""
    log = LogWriter().first().then({"ttl": 60}).log.replace(b'":', b'": ')
    spaces = [position for position, byte in enumerate(log) if byte == 0x20]
    assert _survivors(log, new) == [*spaces, len(log) - 1]

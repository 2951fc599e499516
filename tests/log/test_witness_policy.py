"""Witness policies: the file, group by group, and the quorum that it asks for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.keys import SigningKey
from did_methods.ml_dsa import MlDsaSigningKey
from registry.errors import RegistryError
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.cosignature import CosignatureInvalidError, Cosigner, append_lines, cosign
from registry.log.note import NoteKey, NoteUnverifiedError
from registry.log.verifier_key import NoteKeyError, NoteKeyTypeError
from registry.log.witness_policy import (
    PolicyFileError,
    PolicyFileTooLargeError,
    QuorumMissingError,
    WitnessPolicy,
    parse_policy,
    verify_witnessed,
)

LOG_KEY = SigningKey(bytes(range(32)))
LOG = NoteKey("log.example/1", LOG_KEY.public_key)
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
COSIGNERS = {
    name: Cosigner(f"witness.example/{name}", SigningKey(bytes([place + 1] * 32))) for place, name in enumerate(NAMES)
}
HEAD = Checkpoint(LOG.name, 7, bytes(range(32)))
WITNESSES = "".join(f"witness {name} {one.key.to_text()}\n" for name, one in COSIGNERS.items())
EXAMPLE = f"""\
# the example of the specification
log {LOG.to_text()} https://log.example/1

{WITNESSES}
group X-witnesses 2 X1 X2 X3
group\tY-witnesses  any Y1 Y2 Y3
  group X-and-Y all X-witnesses Y-witnesses \t
quorum X-and-Y
"""


def policy(text: str) -> WitnessPolicy:
    """Parse a policy that is given as text."""
    return parse_policy(text.encode())


def test_the_example_of_the_specification() -> None:
    """Two of the first three and one of the others are a quorum; nothing less is."""
    parsed = policy(EXAMPLE)
    assert [log.url for log in parsed.logs] == ["https://log.example/1"]
    assert [one.name for one in parsed.witnesses] == list(NAMES)
    for count in range(len(NAMES) + 1):
        for chosen in itertools.combinations(NAMES, count):
            x, y = sum(name[0] == "X" for name in chosen), sum(name[0] == "Y" for name in chosen)
            assert parsed.has_quorum(chosen) == (x >= 2 and y >= 1), chosen


def test_one_witness_and_none_are_quorums_too() -> None:
    """A quorum may be one witness by its name, or nothing at all."""
    single = policy(WITNESSES + "quorum Y2\n")
    assert single.has_quorum({"Y2"})
    assert not single.has_quorum({"X1", "Y1"})
    assert policy("quorum none\n").has_quorum(())
    assert policy("quorum none\n").is_open


def test_the_same_witness_counts_once() -> None:
    """Two cosignatures of one key are one witness, however they are counted."""
    parsed = policy(WITNESSES + "group two 2 X1 X2 X3\nquorum two\n")
    lines = [cosign(HEAD, COSIGNERS["X1"], time_s=time_s) for time_s in (1, 2)]
    note = append_lines(sign_checkpoint(HEAD, LOG_KEY), lines)
    with pytest.raises(QuorumMissingError):
        verify_witnessed(note, policy(f"log {LOG.to_text()}\n" + WITNESSES + "group two 2 X1 X2 X3\nquorum two\n"))
    assert not parsed.has_quorum(["X1", "X1"])


def test_a_checkpoint_is_verified_under_a_policy() -> None:
    """The log's signature and a quorum are needed; cosignatures by others neither help nor harm."""
    parsed = policy(EXAMPLE)
    lines = {name: cosign(HEAD, one, time_s=9) for name, one in COSIGNERS.items()}
    stranger = cosign(HEAD, Cosigner("stranger.example", SigningKey(bytes(32))), time_s=9)
    note = sign_checkpoint(HEAD, LOG_KEY)
    enough = append_lines(note, [stranger, lines["X1"], lines["X3"], lines["Y2"]])
    verified = verify_witnessed(enough, parsed)
    assert parsed.signed_by(verified.cosignatures) == {"X1", "X3", "Y2"}
    assert verified.checkpoint.checkpoint == HEAD
    with pytest.raises(QuorumMissingError):
        verify_witnessed(append_lines(note, [stranger, lines["X1"], lines["X2"]]), parsed)
    with pytest.raises(NoteUnverifiedError):
        verify_witnessed(sign_checkpoint(Checkpoint("log.example/2", 7, bytes(32)), LOG_KEY), parsed)
    forged = cosign(Checkpoint(LOG.name, 8, bytes(32)), COSIGNERS["Y3"], time_s=9)
    with pytest.raises(CosignatureInvalidError):
        verify_witnessed(append_lines(enough, [forged]), parsed)


def test_a_log_that_changes_its_key_may_have_both() -> None:
    """During the overlap either key of the origin is enough."""
    new_key = SigningKey(bytes([9] * 32))
    both = policy(f"log {LOG.to_text()}\nlog {NoteKey(LOG.name, new_key.public_key).to_text()}\nquorum none\n")
    for signing_key in (LOG_KEY, new_key):
        assert verify_witnessed(sign_checkpoint(HEAD, signing_key), both).checkpoint.checkpoint == HEAD


def test_post_quantum_witnesses_are_witnesses() -> None:
    """A policy may mix the types."""
    quantum = Cosigner("witness.example/q", MlDsaSigningKey(bytes(range(32))))
    text = f"log {LOG.to_text()}\n{WITNESSES}witness Q {quantum.key.to_text()}\ngroup both all X1 Q\nquorum both\n"
    lines = [cosign(HEAD, COSIGNERS["X1"], time_s=1), cosign(HEAD, quantum, time_s=1)]
    found = verify_witnessed(append_lines(sign_checkpoint(HEAD, LOG_KEY), lines), policy(text))
    assert {one.key for one in found.cosignatures} == {COSIGNERS["X1"].key, quantum.key}


W = COSIGNERS["X1"].key.to_text()
V = COSIGNERS["X2"].key.to_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum none",
        "\n",
        "quorum none\nquorum none\n",
        "quorum X1\n",
        f"quorum X1\nwitness X1 {W}\n",
        f"witness none {W}\nquorum none\n",
        f"witness X1 {W}\nwitness X1 {V}\nquorum X1\n",
        f"witness X1 {W}\nwitness X2 {W}\nquorum X1\n",
        f"witness X1 {W}\ngroup X1 any X1\nquorum X1\n",
        f"witness X1 {W}\ngroup g any X1 X1\nquorum g\n",
        f"witness X1 {W}\ngroup g any X1\ngroup h any X1\nquorum g\n",
        f"witness X1 {W}\ngroup g any g\nquorum g\n",
        f"witness X1 {W}\ngroup g any none\nquorum g\n",
        f"witness X1 {W}\ngroup g 2 X1\nquorum g\n",
        f"witness X1 {W}\ngroup g 0 X1\nquorum g\n",
        f"witness X1 {W}\ngroup g 01 X1\nquorum g\n",
        f"witness X1 {W}\ngroup g +1 X1\nquorum g\n",
        f"witness X1 {W}\ngroup g \u0661 X1\nquorum g\n",
        f"witness X1 {W}\ngroup g some X1\nquorum g\n",
        f"witness X1 {W}\ngroup g any\nquorum none\n",
        f"witness X1 {W} https://a.example https://b.example\nquorum none\n",
        f"log {LOG.to_text()}\nlog {LOG.to_text()}\nquorum none\n",
        "witness X1\nquorum none\n",
        "log\nquorum none\n",
        "quorum\n",
        "quorum none none\n",
        "Quorum none\n",
        "something else\nquorum none\n",
        "quorum none\r\n",
        "quorum none\0\n",
        "quorum\x0bnone\n",
        "\x7f\nquorum none\n",
    ],
)
def test_other_files_are_refused(text: str) -> None:
    """Every rule of the specification refuses what breaks it, and the detail says in which line."""
    with pytest.raises(PolicyFileError):
        policy(text)


def test_keys_of_the_wrong_type_are_refused() -> None:
    """A log does not sign with a cosigning key, nor a witness with a note key; broken keys are told as such."""
    for text, error in (
        (f"log {W}\n", NoteKeyTypeError),
        (f"witness X1 {LOG.to_text()}\n", NoteKeyTypeError),
        ("witness X1 nothing\n", NoteKeyError),
        (f"log {LOG.to_text()[:-2]}\n", NoteKeyError),
    ):
        with pytest.raises(error):
            policy(text + "quorum none\n")


def test_one_key_is_not_log_and_witness() -> None:
    """A log that lists itself as its witness is refused, under whatever name and type."""
    same = Cosigner("witness.example", LOG_KEY).key.to_text()
    with pytest.raises(PolicyFileError):
        policy(f"log {LOG.to_text()}\nwitness W {same}\nquorum none\n")


def test_names_are_octets() -> None:
    """A letter that looks like another is another name, and bytes that are no UTF-8 are names too."""
    text = f"witness \u212a {W}\nquorum K\n"
    with pytest.raises(PolicyFileError):
        policy(text)
    raw = b"witness \xff\xfe " + W.encode() + b"\nquorum \xff\xfe\n"
    parsed = parse_policy(raw)
    assert parsed.has_quorum({parsed.witnesses[0].name})


def test_files_have_a_size() -> None:
    """Thirty-two of each are taken, as C2SP asks; a flood is not."""
    many = "".join(
        f"witness W{place} {Cosigner(f'w.example/{place}', SigningKey(bytes([place]) * 32)).key.to_text()}\n"
        f"group G{place} any W{place}\n"
        for place in range(64)
    )
    assert len(policy(many + "quorum G31\n").groups) == 64
    with pytest.raises(PolicyFileTooLargeError):
        policy(many + f"witness W64 {Cosigner('w', SigningKey(bytes([64]) * 32)).key.to_text()}\nquorum none\n")
    with pytest.raises(PolicyFileTooLargeError):
        parse_policy(b"#" * 65_536 + b"\n")


@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            ["log", "witness", "group", "quorum", "any", "all", "2", "none", "A", "B", W, V, "\n", " ", "\t"]
        ),
        max_size=40,
    ).map(lambda parts: (" ".join(parts) + "\n").encode())
)
def test_any_bytes_are_a_policy_or_refused_by_code(data: bytes) -> None:
    """The parser never fails in another way, and a policy that it reads can be asked."""
    try:
        parsed = parse_policy(data)
    except RegistryError:
        return
    assert parsed.has_quorum({one.name for one in parsed.witnesses})


def test_all_witnesses_are_always_a_quorum() -> None:
    """No policy can be written that its own witnesses together do not satisfy."""
    assert policy(EXAMPLE).has_quorum(NAMES)

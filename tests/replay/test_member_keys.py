"""Members' identities: derived from one seed, kept in a private file, signing exactly what the slow way signs."""

from __future__ import annotations

import stat
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.data_integrity import event_id
from did_methods.key import key_signer
from did_methods.keys import SigningKey
from registry.client.member_keys import (
    MemberKeysFormatError,
    MemberKeysMismatchError,
    MemberKeysUnreadableError,
    Members,
    encode_member_keys,
    load_member_keys,
    parse_member_keys,
    save_member_keys,
)
from registry.client.ratings import Rating, RegistrationStep
from registry.credentials.issue import issue_report, issue_vouch
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.presentation import build_presentation, sign_presentation
from registry.history.statement import parse_statement, verify_statement

SEED = bytes(range(32))
ORIGIN = "registry.localhost:8000/0a1b2c3d"
TIMES = st.integers(0, 253_402_300_799_999)


def _signer(members: Members, member: str) -> object:
    return members._key(member)[0]


@given(st.integers(1, 10), st.booleans(), TIMES, st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
def test_ratings_are_signed_as_issue_vouch_and_issue_report_do(
    points: int, is_vouch: bool, time_ms: int, name: str
) -> None:
    """The bytes written directly are the canonical bytes of the same credential issued member by member."""
    members = Members(SEED)
    row = Rating(3, name, name + "'s friend", points if is_vouch else -points, time_ms, 2)
    line = members.sign(row, domain=ORIGIN)
    common = {
        "signer": key_signer(members._key(row.source)[0]),
        "subject": members.did(row.target),
        "uuid": members.uuid(row.source, row.target, row.value, row.time_ms, row.occurrence),
        "now_ms": time_ms,
        "domain": ORIGIN,
    }
    issued = (
        issue_vouch(strength=points * 10, **common) if is_vouch else issue_report(severity=points * 10, **common)  # type: ignore[arg-type]
    )
    assert line.data == canonicalize(issued)
    assert line.event_id == event_id(issued) == members.event_id(row)
    assert (line.time_ms, line.line) == (time_ms, 3)


def test_registrations_are_signed_as_presentations_are() -> None:
    """A member's registration is its presentation without a challenge; its id does not depend on the time."""
    members = Members(SEED)
    line = members.sign(RegistrationStep("m1", 5_000), domain=ORIGIN)
    document = build_presentation(holder=members.did("m1"))
    signed = sign_presentation(
        document, signer=key_signer(members._key("m1")[0]), now_ms=5_000, domain=ORIGIN, challenge=None
    )
    assert line.data == canonicalize(signed)
    assert line.event_id == members.sign(RegistrationStep("m1", 6_000), domain=ORIGIN).event_id


def test_what_is_signed_verifies() -> None:
    """A registry parses and verifies the lines like anybody's."""
    members = Members(SEED)
    for step in (RegistrationStep("m1", 5_000), Rating(1, "m1", "m2", -4, 7_500)):
        statement = parse_statement(parse_json_object(members.sign(step, domain=ORIGIN).data))
        verified = verify_statement(statement, keys=SelfCertifyingLookup(), now_ms=step.time_ms, origin=ORIGIN)
        assert verified.created_ms == step.time_ms


def test_the_same_seed_gives_the_same_statements_and_another_seed_others() -> None:
    """Ids and keys follow from seed and row alone: a rerun repeats, a second replay with new keys does not collide."""
    row = Rating(1, "a", "b", 4, 1_000)
    assert Members(SEED).sign(row, domain=ORIGIN) == Members(SEED).sign(row, domain=ORIGIN)
    assert Members(SEED).event_id(row) != Members(bytes(32)).event_id(row)
    assert Members(SEED).did("a") != Members(SEED).did("b")


def test_ids_are_version_4_and_parts_do_not_run_together() -> None:
    """The id has the form the credentials ask for; ("1", "23") and ("12", "3") are different rows."""
    members = Members(SEED)
    assert UUID(members.uuid("1", "23")).version == 4
    assert members.uuid("1", "23") != members.uuid("12", "3")


def test_the_file_is_private_and_lists_every_member(tmp_path: Path) -> None:
    """Mode 0600 from the first byte on; what is loaded signs as before; another save replaces it in one step."""
    path = tmp_path / "keys.jsonl"
    save_member_keys(path, Members(SEED), ["a", "é"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    members, listed = load_member_keys(path)
    assert listed == {"a": Members(SEED).did("a"), "é": Members(SEED).did("é")}
    save_member_keys(path, members, [*listed, "b"])
    assert list(load_member_keys(path)[1]) == ["a", "é", "b"]
    assert [one.name for one in tmp_path.iterdir()] == ["keys.jsonl"]


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Whoever has the seed is every member."""
    path = tmp_path / "keys.jsonl"
    save_member_keys(path, Members(SEED), ["a"])
    path.chmod(0o640)
    with pytest.raises(MemberKeysUnreadableError, match="chmod 600"):
        load_member_keys(path)
    with pytest.raises(MemberKeysUnreadableError):
        load_member_keys(tmp_path / "missing")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}\n",
        b"not json\n",
        b'{"format":"bonafides/member-keys/2","seed":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}\n',
        b'{"format":"bonafides/member-keys/1","seed":"AAAA"}\n',
        b'{"format":"bonafides/member-keys/1","seed":5}\n',
        b'{"format":"bonafides/member-keys/1","seed":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}\n{"did":1}\n',
    ],
)
def test_other_files_are_refused(data: bytes) -> None:
    """Only this format of this version is read."""
    with pytest.raises(MemberKeysFormatError):
        parse_member_keys(data)


def test_a_file_whose_dids_are_not_its_seeds_is_refused() -> None:
    """A seed pasted over another one would sign as strangers."""
    data = encode_member_keys(Members(SEED), ["a", "b"]).splitlines()
    other = encode_member_keys(Members(bytes(32)), []).splitlines()
    with pytest.raises(MemberKeysMismatchError):
        parse_member_keys(b"\n".join([*other, *data[1:]]))


def test_secrets_are_not_printed() -> None:
    """Neither the keys nor the seed show in a log line."""
    members = Members(SEED)
    members.did("a")
    assert SEED.hex() not in repr(members)
    assert repr(members) == "Members(1 keys made)"
    assert isinstance(_signer(members, "a"), SigningKey)

"""The table of kinds, what is derived from it, and what its documents may say in public."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from registry.credentials.kind import SEQUENCE
from registry.credentials.kinds import (
    BONAFIDES_CONTEXT,
    CONTEXTS,
    CREDENTIALS_CONTEXT,
    KINDS,
    KINDS_BY_NAME,
    KINDS_BY_TYPE,
    PRESENTATION,
)
from registry.credentials.members import AnyObject, Const, Either, Integer, ListOf, Member, Object, OneOf, Text
from registry.credentials.schema import all_schemas
from tests.credentials.builders import VALID

ROOT = Path(__file__).resolve().parents[2]
CONTEXT_FILE = ROOT / "registry" / "credentials" / "contexts" / "bonafides-v1.jsonld"
# What the base context and the syntax of JSON-LD define already.
BASE_TERMS = {"id", "type", "name", "@context", "issuer", "validFrom", "validUntil", "credentialSubject", "proof"}


def _members(member: Member) -> Iterator[Member]:
    yield member
    match member:
        case Object():
            for part in (*member.required.values(), *member.optional.values()):
                yield from _members(part)
        case ListOf():
            yield from _members(member.item)
        case Either():
            yield from _members(member.first)
            yield from _members(member.second)
        case Text() | Const() | OneOf() | Integer() | AnyObject():
            pass


def _names(member: Member) -> Iterator[str]:
    for part in _members(member):
        if isinstance(part, Object):
            yield from part.required
            yield from part.optional


def _context() -> dict[str, Any]:
    context: dict[str, Any] = json.loads(CONTEXT_FILE.read_text("utf-8"))["@context"]
    return context


def test_the_contexts_are_the_two_pinned_ones() -> None:
    """Every document names exactly these two, in this order, for ever."""
    assert CONTEXTS == (CREDENTIALS_CONTEXT, BONAFIDES_CONTEXT)
    assert CONTEXTS == ("https://www.w3.org/ns/credentials/v2", "https://w3id.org/bonafides/v1")


def test_names_and_types_are_unique() -> None:
    """A type names one kind and a leaf kind one type, spelled as the standard's types and our leaves are."""
    assert len(KINDS_BY_TYPE) == len(KINDS_BY_NAME) == len(KINDS)
    for kind in KINDS:
        assert kind.type.endswith("Credential")
        # A ruling and a standing are the registry's, and travel with the agent that they are about.
        agents = kind.signer in ("agent", "any") or kind.name in ("ruling", "standing")
        assert kind.type.startswith("Agent" if agents else "Registry")


def test_log_statements_are_logged() -> None:
    """Only what is logged, or orders a log to do something, is bound to it; what is logged has an id drawn at random."""
    for kind in KINDS:
        assert kind.logged or not kind.log_statement or kind.name == "erasure_request"
        assert not kind.logged or "id" in kind.document.required


def test_vouches_and_reports_have_no_end() -> None:
    """Neither a validity nor a proof's expiry can end them: only a logged revocation does."""
    for name in ("vouch", "report"):
        kind = KINDS_BY_NAME[name]
        assert kind.valid_until == "forbidden"
        assert not kind.proof_expires


def test_public_members_hold_no_free_text() -> None:
    """No string of any logged document has room for a space, a line break or a letter outside ASCII."""
    for kind in KINDS:
        for member in _members(kind.document):
            if isinstance(member, Text):
                check = member.compile()
                for text in ("a b", "a\n", "é", "", " ", "\t", "x" * 1_000):
                    assert not check(text), (kind.name, member.title)


def test_the_context_defines_every_member_and_type() -> None:
    """Each type and each member of a subject or counter is a term of the bundled context, and no term is left over."""
    terms = {term for term in _context() if not term.startswith("@")}
    types = {kind.type for kind in KINDS}
    members = {name for kind in KINDS for name in _names(kind.subject)} - BASE_TERMS
    assert terms == types | members | {"sequence"} | set(_names(SEQUENCE))


def test_the_context_is_protected() -> None:
    """A later context cannot change what a term means."""
    assert _context()["@protected"] is True


def test_schemas_on_disk_are_current() -> None:
    """Both folders hold what the table of kinds gives."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import gen_schemas

    assert gen_schemas.stale_files() == []


@pytest.mark.parametrize("name", sorted(all_schemas()))
def test_schemas_are_valid_schemas(name: str) -> None:
    """Each generated file is a schema of the dialect that it names."""
    jsonschema.Draft202012Validator.check_schema(all_schemas()[name])


@pytest.mark.parametrize("name", sorted(VALID))
def test_valid_documents_satisfy_their_schema(name: str) -> None:
    """What the issue functions make is valid by the published schema in any engine."""
    document = VALID[name][1]()
    kind = KINDS_BY_TYPE[document["type"][1]]
    jsonschema.validate(document, all_schemas()[f"{kind.name}.json"])


def test_every_kind_has_an_example() -> None:
    """The builders cover the whole table, so tests over all of them cover every kind."""
    assert {VALID[name][1]()["type"][1] for name in VALID} == set(KINDS_BY_TYPE)


def test_presentations_allow_eight_credentials() -> None:
    """The list of presented credentials is short, because each one costs a signature check."""
    presented = PRESENTATION.optional["verifiableCredential"]
    assert isinstance(presented, ListOf)
    assert presented.max_items == 8

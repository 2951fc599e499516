"""Laws of the codecs, of canonical JSON, of times, of DIDs and of proofs."""

from __future__ import annotations

import copy
import json
from typing import Any

import base58
import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from did_methods import canonical, codec
from did_methods import data_integrity as di
from did_methods.codec_errors import CodecError, JsonError
from did_methods.did import InvalidDidError, parse_did, parse_did_url, split_did_path
from did_methods.errors import DidError
from did_methods.key import did_key_from, key_signer, parse_did_key
from did_methods.keys import SigningKey
from did_methods.timestamp import format_timestamp, parse_timestamp

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SAFE = 2**53 - 1
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# Names around the places where UTF-8 and UTF-16 order differ.
NAMES = TEXT | st.text("az\u00e9\ud7ff\ue000\ufb33\uffff\U00010000\U0001f600\U0010ffff", max_size=3)
PLAIN = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | TEXT
ANY = PLAIN | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not 2**53 <= abs(x) < 1e21)


def _nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
    )


@given(_nested(ANY))
def test_both_canonical_paths_equal_the_oracle(value: Any) -> None:
    """The fast path, the slow path and an independent library write the same bytes."""
    expected = rfc8785.dumps(value)
    assert canonical.canonicalize(value) == expected
    assert canonical._canonicalize_guarded(value) == expected


@given(_nested(PLAIN))
def test_plain_values_equal_the_oracle(value: Any) -> None:
    """Values without floats, which take the fast path, have the oracle's bytes."""
    assert canonical.canonicalize(value) == canonical._canonicalize_guarded(value) == rfc8785.dumps(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_written_as_the_oracle_does_and_reads_back(number: float) -> None:
    """A double has one text, the same in both libraries, which reads back to the same double."""
    text = canonical.canonicalize(number)
    assert text == rfc8785.dumps(number)
    assert float(text) == number


@given(_nested(ANY))
def test_canonical_text_is_a_fixed_point(value: Any) -> None:
    """Parsing canonical text and writing it again changes nothing."""
    text = canonical.canonicalize(value)
    try:
        parsed = codec.parse_json(text)
    except JsonError as error:
        assume(error.code != "json_number_range")  # a whole float beyond 2^53 is written as an integer
        raise
    assert canonical.canonicalize(parsed) == text


@given(_nested(ANY), st.booleans())
def test_strict_parsing_reads_what_the_standard_library_wrote(value: Any, ascii_only: bool) -> None:
    """Honest JSON in any white space and escaping parses to the value it was made from."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2 if ascii_only else None)
    assert codec.parse_json(text.encode("utf-8")) == value


@given(st.binary(max_size=64) | st.text(max_size=64).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_parse_or_are_refused_with_a_code(data: bytes) -> None:
    """No input brings anything but a value with a canonical form, or a refusal."""
    try:
        value = codec.parse_json(data)
    except JsonError:
        return
    canonical.canonicalize(value)


@given(st.binary(max_size=90))
def test_base58_round_trip(data: bytes) -> None:
    """Bytes come back from their text."""
    assume(data)
    assert codec.base58_decode(codec.base58_encode(data)) == data


@given(st.integers(0, 6), st.binary(max_size=90))
def test_base58_text_is_that_of_the_library(zeros: int, data: bytes) -> None:
    """Four digits at a time give the text of a digit at a time, with any number of zeros before it."""
    assert codec.base58_encode(bytes(zeros) + data) == base58.b58encode(bytes(zeros) + data).decode("ascii")


@given(st.text(ALPHABET, min_size=1, max_size=128))
def test_base58_texts_have_no_aliases(text: str) -> None:
    """A text comes back from its bytes, so no two texts have the same bytes."""
    assert codec.base58_encode(codec.base58_decode(text)) == text


@given(st.binary(max_size=100))
def test_base64url_round_trip(data: bytes) -> None:
    """Bytes come back from their text, which has no padding."""
    text = codec.base64url_encode(data)
    assert "=" not in text
    assert codec.base64url_decode(text) == data


@given(st.text("AZaz09-_=+/", max_size=12))
def test_base64url_texts_have_no_aliases(text: str) -> None:
    """A text that decodes comes back from its bytes."""
    try:
        data = codec.base64url_decode(text)
    except CodecError:
        return
    assert codec.base64url_encode(data) == text


@given(st.sampled_from(sorted(codec.KEY_CODECS)), st.binary(min_size=49, max_size=49))
def test_multikey_round_trip(kind: codec.KeyKind, data: bytes) -> None:
    """A key of any kind comes back from its text."""
    raw = data[: codec.KEY_CODECS[kind].raw_bytes]
    assert codec.multikey_decode(codec.multikey_encode(kind, raw)) == codec.Multikey(kind, raw)


@given(st.integers(0, 2**63 - 1), st.binary(max_size=4))
def test_varints_have_one_spelling(number: int, rest: bytes) -> None:
    """A minimal varint reads back with what follows it, and the same number with padding is refused."""
    groups = [(number >> shift) & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    minimal = bytes([group | 0x80 for group in groups[:-1]] + [groups[-1]])
    assert codec.read_varint(minimal + rest) == (number, rest)
    with pytest.raises(CodecError):
        codec.read_varint(minimal[:-1] + bytes([minimal[-1] | 0x80, 0]) + rest)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_round_trip(time_ms: int) -> None:
    """Every millisecond of the years 1 to 9999 comes back from its text."""
    assert parse_timestamp(format_timestamp(time_ms), require_utc=True) == time_ms


_ID_CHARS = st.text("abzABZ019.-_", min_size=1, max_size=6)
_ESCAPES = st.integers(0, 255).map(lambda byte: f"%{byte:02X}")
_SEGMENTS = st.lists(_ID_CHARS | _ESCAPES, min_size=1, max_size=3).map("".join)
DIDS = st.builds(
    lambda method, segments: f"did:{method}:{':'.join(segments)}",
    st.text("az09", min_size=1, max_size=5),
    st.lists(_SEGMENTS, min_size=1, max_size=4),
)


@given(DIDS, st.sampled_from(["", "events", "log/proof"]), st.booleans())
def test_a_did_in_a_path_comes_back_however_it_was_sent(did: str, suffix: str, encoded: bool) -> None:
    """Plain or encoded once, with or without a suffix, the path gives the DID that was put into it."""
    segment = did.replace("%", "%25").replace(":", "%3A") if encoded else did
    path = f"/v1/agents/{segment}{'/' if suffix else ''}{suffix}"
    assert split_did_path(path.encode(), prefix="/v1/agents/", suffixes=("events", "log/proof")) == (did, suffix)


@given(DIDS, st.sampled_from(["", "/p", "?q=1", "/p?q"]), st.sampled_from(["", "#f", "#"]))
def test_did_urls_keep_their_did(did: str, middle: str, fragment: str) -> None:
    """A DID URL begins with its DID, and a DID URL with anything more is no DID."""
    url = parse_did_url(did + middle + fragment)
    assert url.did == parse_did(did)
    if middle or fragment:
        with pytest.raises(InvalidDidError):
            parse_did(url.text)


@given(st.binary(max_size=80))
def test_any_path_gives_a_did_or_a_refusal(path: bytes) -> None:
    """No bytes in a path bring anything but a valid DID, or a refusal with a code."""
    try:
        did, suffix = split_did_path(b"/did" + path, prefix="/", suffixes=("events",))
    except DidError:
        return
    assert parse_did(did).text == did
    assert suffix in {"", "events"}


@given(st.binary(min_size=32, max_size=32))
def test_every_key_is_its_did(seed: bytes) -> None:
    """The key comes back from its did:key."""
    public_key = SigningKey(seed).public_key
    assert parse_did_key(did_key_from(public_key)) == public_key


KEY = SigningKey(bytes(range(32)))


@given(st.dictionaries(NAMES.filter(lambda name: name not in {"proof", "@context"}), _nested(ANY), max_size=4))
def test_whatever_is_signed_verifies(document: dict[str, Any]) -> None:
    """Every document with a canonical form can be signed, and verifies after a trip over the wire."""
    signed = di.sign_document(document, signer=key_signer(KEY), created=0)
    try:
        received = codec.parse_json_object(json.dumps(signed).encode())
    except JsonError as error:
        assume(error.code != "json_number_range")
        raise
    (proof,) = di.parse_proofs(received)
    di.verify_proof(received, proof, KEY.public_key)
    assert di.event_id(received) == di.event_id(document)


SIGNED = di.sign_document(
    {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "credentialSubject": {"id": "did:example:a", "strength": 80},
    },
    signer=key_signer(KEY),
    created=1_795_165_200_000,
    domain="log.example",
)
SIGNED_BYTES = canonical.canonicalize(SIGNED)


def _verify(document: dict[str, Any]) -> None:
    for proof in di.parse_proofs(document):
        di.verify_proof(document, proof, KEY.public_key)


@given(st.integers(0, len(SIGNED_BYTES) - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_signed_document_is_noticed(position: int, change: int) -> None:
    """A signed document with any one byte changed does not parse, or does not verify, or says the same as before."""
    altered = bytearray(SIGNED_BYTES)
    altered[position] ^= change
    try:
        document = codec.parse_json_object(bytes(altered))
        _verify(document)
    except DidError:
        return
    assert canonical.canonicalize(document) == SIGNED_BYTES


@given(st.data())
def test_any_changed_value_of_a_signed_document_is_noticed(data: st.DataObject) -> None:
    """A signed document with any member replaced, added or removed is refused."""
    document = copy.deepcopy(SIGNED)
    target = data.draw(st.sampled_from([document, document["credentialSubject"], document["proof"]]))
    name = data.draw(st.sampled_from(sorted(target)) | NAMES)
    value = data.draw(st.just(...) | _nested(ANY))
    if value is ...:
        target.pop(name, None)
    else:
        target[name] = value
    assume(canonical.canonicalize(document) != SIGNED_BYTES)
    with pytest.raises(DidError):
        _verify(document)

"""Strict JSON and the byte codecs, case by case."""

from __future__ import annotations

import subprocess
import sys

import base58 as base58_library
import pytest
from multiformats import multibase, multicodec, multihash

from did_methods import codec
from did_methods.canonical import canonicalize
from did_methods.codec_errors import (
    Base58Error,
    Base64UrlError,
    EncodedTooLongError,
    JsonDuplicateKeyError,
    JsonError,
    JsonNotObjectError,
    JsonNumberError,
    JsonTooDeepError,
    JsonTooLargeError,
    JsonTooManyValuesError,
    KeyCodecError,
    KeyLengthError,
    MultibaseError,
    MultihashError,
    VarintError,
)
from did_methods.multihash import multihash_decode, multihash_sha256
from tests.did_methods.cases import cases


def _input(case: dict[str, str]) -> bytes:
    return bytes.fromhex(case["inputHex"]) if "inputHex" in case else case["input"].encode("utf-8")


@pytest.mark.parametrize("case", cases("json", "valid"))
def test_valid_json_has_the_canonical_bytes_of_its_vector(case: dict[str, str]) -> None:
    """Each valid text parses, and its value has the canonical bytes written beside it."""
    assert canonicalize(codec.parse_json(_input(case))) == case["canonical"].encode("utf-8")


@pytest.mark.parametrize("case", cases("json", "invalid"))
def test_invalid_json_is_refused_with_the_code_of_its_vector(case: dict[str, str]) -> None:
    """Each invalid text is refused for the reason written beside it."""
    with pytest.raises(JsonError) as refusal:
        codec.parse_json(_input(case))
    assert refusal.value.code == case["code"]


def test_byte_limit_is_exact() -> None:
    """A text of exactly the byte limit parses, and one byte more does not."""
    assert codec.parse_json(b'"abc"', max_bytes=5) == "abc"
    with pytest.raises(JsonTooLargeError):
        codec.parse_json(b'"abc" ', max_bytes=5)


@pytest.mark.parametrize("text", [b"[0,1,2]", b'{"a":[0],"b":1}', b'["[,{",1,""]'])
def test_value_limit_is_exact(text: bytes) -> None:
    """Four values pass a limit of four and not one of three, whatever brackets and commas strings hold."""
    codec.parse_json(text, max_nodes=4)
    with pytest.raises(JsonTooManyValuesError):
        codec.parse_json(text, max_nodes=3)


def test_default_value_limit_holds() -> None:
    """Twenty thousand values parse, and one more does not."""
    assert codec.parse_json(b"[" + b",".join([b"0"] * 19_999) + b"]")
    with pytest.raises(JsonTooManyValuesError):
        codec.parse_json(b"[" + b",".join([b"0"] * 20_000) + b"]")


@pytest.mark.parametrize("text", [b'{"a":{"b":1}}', b"[[1]]", b'[{"a":1}]', b'[{},[],"]",{"c":1}]'])
def test_depth_limit_is_exact(text: bytes) -> None:
    """Depth two passes a limit of two and not one of one."""
    codec.parse_json(text, max_depth=2)
    with pytest.raises(JsonTooDeepError):
        codec.parse_json(text, max_depth=1)


def test_a_generous_depth_limit_still_ends_in_a_clear_refusal() -> None:
    """A caller that allows any depth gets a refusal with a code where the stack ends."""
    deep = b"[" * 30_000 + b'"\\u0041"' + b"]" * 30_000
    with pytest.raises(JsonTooDeepError):
        codec.parse_json(deep, max_depth=10**6, max_nodes=10**6)


def test_only_objects_pass_as_objects() -> None:
    """The object form returns objects, and says so when the top level is something else."""
    assert codec.parse_json_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(JsonNotObjectError):
        codec.parse_json_object(b"[]")


def test_refusals_do_not_show_the_payload() -> None:
    """What is refused stays out of the message, so that it can be logged."""
    with pytest.raises(JsonError) as refusal:
        codec.parse_json(b'{"secret":topsecret}')
    assert "secret" not in str(refusal.value)
    with pytest.raises(JsonDuplicateKeyError) as refusal:
        codec.parse_json(b'{"topsecret":1,"topsecret":2}')
    assert "secret" not in str(refusal.value)


def test_a_number_that_is_too_long_is_refused_before_it_is_computed() -> None:
    """Digits beyond any use cost the reader nothing, for integers and for floats."""
    for text in (b"9" * 60_000, b"0." + b"1" * 60_000, b"1e" + b"0" * 60_000):
        with pytest.raises(JsonNumberError):
            codec.parse_json(text)


def test_the_library_would_accept_what_the_base58_guard_refuses() -> None:
    """White space that the base58 library skips is refused, so each value has one text."""
    for text in ("2g\n", "2g ", "2g\t"):
        assert base58_library.b58decode(text) == base58_library.b58decode("2g")
        with pytest.raises(Base58Error):
            codec.base58_decode(text)


@pytest.mark.parametrize("text", ["", "0", "O", "I", "l", "\uff11", "2g=", " 2g", "2 g", "2g\x00"])
def test_base58_refuses_other_characters(text: str) -> None:
    """Only the 58 ASCII characters of the alphabet pass, at least one of them."""
    with pytest.raises(Base58Error):
        codec.base58_decode(text)


def test_base58_length_limit_is_exact_and_comes_first() -> None:
    """A text of the limit decodes, and a long one is refused without work in proportion to its square."""
    assert codec.base58_decode("1" * 128) == bytes(128)
    with pytest.raises(EncodedTooLongError):
        codec.base58_decode("1" * 129)
    with pytest.raises(EncodedTooLongError):
        codec.base58_decode("z" * 10_000_000)


@pytest.mark.parametrize("text", ["A", "AA==", "AB", "AAF", "A+8A", "A/8A", "AA\n", " AA", "\u00c4A", "AAAAA"])
def test_base64url_refuses_every_second_spelling(text: str) -> None:
    """Padding, the other alphabet, white space, unused bits and impossible lengths are refused."""
    with pytest.raises(Base64UrlError):
        codec.base64url_decode(text)


def test_base64url_reads_canonical_text() -> None:
    """Texts of RFC 4648 without padding decode, the empty one too, up to the limit."""
    assert codec.base64url_decode("") == b""
    assert codec.base64url_decode("Zm9vYmE") == b"fooba"
    assert codec.base64url_decode("-_-_") == b"\xfb\xff\xbf"
    with pytest.raises(EncodedTooLongError):
        codec.base64url_decode("AAAA", max_chars=3)


def test_multibase_takes_exactly_the_base_asked_for() -> None:
    """The prefix is the caller's choice, never the sender's."""
    assert codec.multibase_decode("z2g") == b"a"
    assert codec.multibase_decode("uYQ", "u") == b"a"
    for text in ("uYQ", "m2g", "Z2g", "2g", ""):
        with pytest.raises(MultibaseError):
            codec.multibase_decode(text)
    with pytest.raises(MultibaseError):
        codec.multibase_decode("z2g", "u")


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ed25519", "ed25519-pub"),
        ("x25519", "x25519-pub"),
        ("p256", "p256-pub"),
        ("p384", "p384-pub"),
        ("secp256k1", "secp256k1-pub"),
    ],
)
def test_codec_table_is_that_of_multiformats(kind: codec.KeyKind, name: str) -> None:
    """Code, prefix and text of each key kind are what the multiformats library has for it."""
    row, raw = codec.KEY_CODECS[kind], bytes(range(codec.KEY_CODECS[kind].raw_bytes))
    assert multicodec.get(name).code == row.code
    assert multicodec.wrap(name, raw) == row.prefix + raw
    assert multibase.encode(multicodec.wrap(name, raw), "base58btc") == codec.multikey_encode(kind, raw)


@pytest.mark.oracle
def test_multihash_is_that_of_multiformats() -> None:
    """The SHA-256 multihash equals the library's, and reads back to the digest."""
    data = b"agent"
    assert multihash_sha256(data) == multihash.digest(data, "sha2-256")
    assert multihash_decode(multihash_sha256(data)) == multihash.unwrap(multihash_sha256(data))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", VarintError),
        (b"\x12", VarintError),
        (b"\x92\x00\x20" + bytes(32), VarintError),
        (b"\x12\x20" + bytes(31), MultihashError),
        (b"\x12\x20" + bytes(33), MultihashError),
        (b"\x12\x1f" + bytes(31), MultihashError),
        (b"\x13\x40" + bytes(64), MultihashError),
    ],
)
def test_other_multihashes_are_refused(data: bytes, error: type[Exception]) -> None:
    """Only the whole, minimal SHA-256 multihash is read."""
    with pytest.raises(error):
        multihash_decode(data)


def test_unsupported_codecs_are_named_in_the_message() -> None:
    """Whoever sends another kind of key is told which kind it was."""
    with pytest.raises(KeyCodecError, match="bls12_381-g2-pub"):
        codec.multikey_decode("z" + codec.base58_encode(b"\xeb\x01" + bytes(40)))
    with pytest.raises(KeyCodecError, match="0x7fffff"):
        codec.multikey_decode("z" + codec.base58_encode(b"\xff\xff\xff\x03" + bytes(32)))


def test_keys_of_wrong_length_are_not_written() -> None:
    """A key is written only with the length of its kind."""
    with pytest.raises(KeyLengthError):
        codec.multikey_encode("ed25519", bytes(31))


def test_multiformats_is_not_loaded_until_it_is_needed() -> None:
    """Importing the codecs and reading good keys leaves the large table unloaded."""
    program = (
        "import sys, did_methods.key as k; k.resolve_did_key(sys.argv[1]);"
        "assert not [m for m in sys.modules if m.startswith(('multiformats', 'cryptography'))]"
    )
    did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
    subprocess.run([sys.executable, "-c", program, did], check=True)

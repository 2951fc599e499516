"""Related resources: their form, their digests against what is known here, and what is said of the rest."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base58_encode, base64url_encode
from registry.credentials.bundled_contexts import CONTEXT_URLS, known_bytes
from registry.credentials.data_model import parse_any_credential
from registry.credentials.data_model_errors import DataModelError, ResourceMismatchError
from registry.credentials.data_model_resources import check_related_resources
from registry.credentials.problem_types import MALFORMED_VALUE_ERROR
from tests.credentials.test_data_model import V2, credential

URL = "https://example.org/picture"
OTHER = "https://example.org/elsewhere"
NEW, OLD = b"the newer edition", b"the older edition"
KNOWN = {URL: (NEW, OLD)}


def sri(data: bytes, algorithm: str = "sha384") -> str:
    """Return a digest as Subresource Integrity writes it."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def multihash(data: bytes, algorithm: str = "sha256") -> bytes:
    """Return the multihash of data."""
    digest = hashlib.new(algorithm, data).digest()
    return bytes([{"sha256": 0x12, "sha384": 0x20, "sha512": 0x13}[algorithm], len(digest)]) + digest


def multibase(data: bytes, algorithm: str = "sha256") -> str:
    """Return a digest as digestMultibase has it."""
    return "u" + base64url_encode(multihash(data, algorithm))


def listing(*resources: Any) -> dict[str, Any]:
    """Return a credential with these related resources."""
    return credential(relatedResource=list(resources))


GOOD = {"id": URL, "digestSRI": sri(NEW)}

# Why it is refused -> (document, code, path).
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "strings": (listing(URL), "vc_entry_invalid", "/relatedResource/0"),
    "a string": (credential(relatedResource=URL), "vc_entry_invalid", "/relatedResource"),
    "an empty list": (listing(), "vc_entry_invalid", "/relatedResource"),
    "without id": (listing({"digestSRI": sri(NEW)}), "vc_entry_id_missing", "/relatedResource/0"),
    "id no URL": (listing({**GOOD, "id": "picture"}), "vc_id_invalid", "/relatedResource/0/id"),
    "the same id twice": (
        listing(GOOD, {"id": URL, "digestMultibase": multibase(NEW)}),
        "vc_resource_repeated",
        "/relatedResource/1",
    ),
    "without digest": (listing({"id": URL}), "vc_resource_digest_missing", "/relatedResource/0"),
    "too many": (listing(*({**GOOD, "id": f"{URL}/{n}"} for n in range(33))), "vc_entry_limit", "/relatedResource"),
    "digest a number": (
        listing({"id": URL, "digestSRI": 1}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestSRI",
    ),
    "digest an empty list": (
        listing({"id": URL, "digestSRI": []}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestSRI",
    ),
    "SRI empty": (
        listing({"id": URL, "digestSRI": " "}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestSRI",
    ),
    "SRI in base64url": (
        listing({"id": URL, "digestSRI": "sha384-_rCVIV7fSXXTNIvpiq26jRDyj8JG8TDjij-tD0ewLk4JpnXEz6a5AeeY_1qQ0d0P"}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestSRI",
    ),
    "SRI of another length": (
        listing({"id": URL, "digestSRI": sri(NEW, "sha256").replace("sha256", "sha384")}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestSRI",
    ),
    "SRI of an unknown hash": (
        listing({"id": URL, "digestSRI": "md5-" + base64.b64encode(bytes(16)).decode()}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestSRI",
    ),
    "SRI with dirty last bits": (
        listing({"id": URL, "digestSRI": "sha256-" + "A" * 42 + "B="}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestSRI",
    ),
    "multibase of another base": (
        listing({"id": URL, "digestMultibase": "m" + base64.b64encode(multihash(NEW)).decode()}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestMultibase",
    ),
    "multihash cut off": (
        listing({"id": URL, "digestMultibase": "u" + base64url_encode(multihash(NEW)[:-1])}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestMultibase",
    ),
    "multihash of another length": (
        listing({"id": URL, "digestMultibase": "u" + base64url_encode(b"\x12\x10" + bytes(16))}),
        "vc_resource_digest_invalid",
        "/relatedResource/0/digestMultibase",
    ),
}

# What holds of the known resource: each is a digest of one of its editions.
MATCHING: dict[str, dict[str, Any]] = {
    "sha256": {"digestSRI": sri(NEW, "sha256")},
    "sha384": {"digestSRI": sri(NEW, "sha384")},
    "sha512": {"digestSRI": sri(NEW, "sha512")},
    "an option": {"digestSRI": sri(NEW) + "?ct=text/plain"},
    "alternatives": {"digestSRI": f"{sri(b'another')} {sri(NEW)}"},
    "weaker ones do not count": {"digestSRI": f"{sri(b'another', 'sha256')} {sri(NEW, 'sha512')}"},
    "a list": {"digestSRI": [sri(NEW)]},
    "multibase": {"digestMultibase": multibase(NEW)},
    "multibase sha384": {"digestMultibase": multibase(NEW, "sha384")},
    "multibase in base58": {"digestMultibase": "z" + base58_encode(multihash(NEW))},
    "multibase of the digest alone": {"digestMultibase": "u" + base64url_encode(hashlib.sha256(NEW).digest())},
    "both": {"digestSRI": sri(NEW), "digestMultibase": [multibase(NEW), multibase(NEW, "sha512")]},
    "an older edition": {"digestSRI": sri(OLD), "digestMultibase": multibase(OLD)},
}

MISMATCHING: dict[str, dict[str, Any]] = {
    "SRI": {"digestSRI": sri(b"another")},
    "multibase": {"digestMultibase": multibase(b"another")},
    "multibase of the digest alone": {"digestMultibase": "uM4RgWQc3RUDtjJCSgTJtTfvpZ7SPEg_LNO0ESlovQC0"},
    "one of two kinds": {"digestSRI": sri(NEW), "digestMultibase": multibase(b"another")},
    "one of two multihashes": {"digestMultibase": [multibase(NEW), multibase(b"another", "sha512")]},
    "a weak one does not save a strong one": {"digestSRI": f"{sri(NEW, 'sha256')} {sri(b'another', 'sha512')}"},
    "two editions mixed": {"digestSRI": sri(NEW), "digestMultibase": multibase(OLD)},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason: str) -> None:
    """A list of related resources that breaks a rule is refused under the code of that rule, with the place named."""
    document, code, path = REFUSED[reason]
    with pytest.raises(DataModelError) as refusal:
        parse_any_credential(document)
    assert (refusal.value.code, refusal.value.params) == (code, {"path": path})


@pytest.mark.parametrize("form", MATCHING)
def test_matching(form: str) -> None:
    """A digest of an edition that is known holds, in every form that the specifications allow."""
    parsed = parse_any_credential(credential(relatedResource={"id": URL, **MATCHING[form]}))
    assert check_related_resources(parsed, known=KNOWN) == ()


@pytest.mark.parametrize("form", MISMATCHING)
def test_mismatching(form: str) -> None:
    """A digest of something else than the known resource is an error, never a warning."""
    parsed = parse_any_credential(listing({"id": URL, **MISMATCHING[form]}))
    with pytest.raises(ResourceMismatchError) as refusal:
        check_related_resources(parsed, known=KNOWN)
    assert refusal.value.params == {"path": "/relatedResource/0"}
    assert refusal.value.type_uri == MALFORMED_VALUE_ERROR


def test_what_is_not_known_is_named() -> None:
    """Resources that are not known, or by an unknown hash function only, are named as not evaluated, and the rest is judged."""
    blake = {"id": V2, "digestMultibase": "u" + base64url_encode(b"\x1e\x20" + bytes(32))}
    parsed = parse_any_credential(listing({**GOOD, "id": OTHER}, GOOD, blake))
    known = {**KNOWN, V2: (b"",)}
    assert check_related_resources(parsed, known=known) == (OTHER, V2)
    wrong = parse_any_credential(listing({**GOOD, "id": OTHER}, {"id": URL, "digestSRI": sri(OLD + NEW)}))
    with pytest.raises(ResourceMismatchError):
        check_related_resources(wrong, known=KNOWN)


@pytest.mark.parametrize("url", CONTEXT_URLS)
def test_bundled_contexts_are_known(url: str) -> None:
    """A credential may pin the digest of any bundled context, and is refused where it pins another."""
    for edition in known_bytes()[url]:
        right = parse_any_credential(listing({"id": url, "digestSRI": sri(edition)}))
        assert check_related_resources(right, known=known_bytes()) == ()
    wrong = parse_any_credential(listing({"id": url, "digestSRI": sri(b"")}))
    with pytest.raises(ResourceMismatchError):
        check_related_resources(wrong, known=known_bytes())


def test_both_editions_of_the_base_context() -> None:
    """The digests that the specification's own test suite pins (July 2024) hold, and so does the published one's."""
    published = "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734"
    stated = (
        {"digestSRI": "sha384-NSOcNpmdIVUxIJGvGUoe22FjTWrXiaXlsZ8q6912LdnR3KraQO2n75Ica4wK4Qeg"},
        {"digestMultibase": "uJKGMkOmFbVJhEfKTduMC2XCyvRAYLjOVmZWwIH1wQ7k"},
        {"digestMultibase": "u" + base64url_encode(b"\x12\x20" + bytes.fromhex(published))},
    )
    for digest in stated:
        parsed = parse_any_credential(listing({"id": V2, **digest}))
        assert check_related_resources(parsed, known=known_bytes()) == ()


@given(text=st.text(alphabet="sha2563841-+/=AZaz09 ?u", max_size=60), member=st.sampled_from(["SRI", "Multibase"]))
def test_any_digest_is_read_or_refused_by_name(text: str, member: str) -> None:
    """Whatever stands for a digest, the answer is a resource or an error of the data model."""
    document = listing({"id": URL, f"digest{member}": text})
    assert _outcome(document) in {"", "vc_resource_digest_invalid"}


def _outcome(document: dict[str, Any]) -> str:
    try:
        parse_any_credential(document)
    except DataModelError as refusal:
        return refusal.code
    return ""

"""Attacks on the contexts of a signed document: each changes the graph, or is refused; and the one that no graph shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.adapters.rdf_canonical import canonical_n_quads
from registry.credentials import json_ld_errors as errors
from registry.credentials.bundled_contexts import (
    CREDENTIALS_V1_URL,
    CREDENTIALS_V2_URL,
    DATA_INTEGRITY_V2_URL,
    EXAMPLES_V2_URL,
)
from registry.credentials.json_ld import SafeExpander
from tests.support.vectors import published

EXPANDER = SafeExpander()
TERM = "https://www.w3.org/ns/credentials/examples#alumniOf"


def canonical(document: dict[str, Any]) -> bytes:
    """Return what a signature over a document covers."""
    return canonical_n_quads(EXPANDER.quads(document), digest="sha256", max_twins=500)


@pytest.fixture(scope="module")
def signed() -> dict[str, Any]:
    """Return W3C's own example without its proof; its contexts are v2 and examples."""
    document: dict[str, Any] = json.loads(published("vc-di-eddsa/eddsa-rdfc-2022/signedDataInt.json").read_bytes())
    del document["proof"]
    assert document["@context"] == [CREDENTIALS_V2_URL, EXAMPLES_V2_URL]
    return document


@pytest.mark.parametrize(
    ("contexts", "refusal"),
    [
        (["https://attacker.example/v2"], errors.JsonLdContextUnknownError),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, "https://attacker.example/v2"], errors.JsonLdContextUnknownError),
        ([CREDENTIALS_V2_URL], errors.JsonLdTermError),
        ([EXAMPLES_V2_URL, CREDENTIALS_V2_URL], None),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"alumniOf": "urn:x:evil"}], None),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"alumniOf": None}], errors.JsonLdTermError),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"alumniOf": "@id"}], errors.JsonLdError),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"alumniOf": "@index"}], errors.JsonLdDroppedError),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"@vocab": "urn:x:"}], None),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"@vocab": None}], errors.JsonLdTermError),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"@language": "en"}], None),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"name": "urn:x:evil"}], errors.JsonLdProtectedError),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, {"AlumniCredential": "urn:x:evil"}], None),
        ([CREDENTIALS_V2_URL, CREDENTIALS_V1_URL, EXAMPLES_V2_URL], errors.JsonLdProtectedError),
        ([CREDENTIALS_V1_URL, DATA_INTEGRITY_V2_URL, EXAMPLES_V2_URL], None),
        ([CREDENTIALS_V2_URL, EXAMPLES_V2_URL, None, EXAMPLES_V2_URL], errors.JsonLdProtectedError),
    ],
)
def test_another_context_is_another_graph_or_none(
    signed: dict[str, Any], contexts: list[Any], refusal: type[errors.JsonLdError] | None
) -> None:
    """Unknown, missing, appended, remapping or unmapping contexts: refused by code, or the signature would not hold."""
    attacked = signed | {"@context": contexts}
    if refusal is None:
        if contexts == [EXAMPLES_V2_URL, CREDENTIALS_V2_URL]:
            assert canonical(attacked) == canonical(signed)  # these two say the same in either order
        else:
            assert canonical(attacked) != canonical(signed)
        return
    with pytest.raises(errors.JsonLdError) as caught:
        canonical(attacked)
    assert issubclass(type(caught.value), refusal)


def test_a_nested_context_remaps_nothing_unseen(signed: dict[str, Any]) -> None:
    """A context inside the subject that gives a member another meaning is in the graph."""
    subject = {**signed["credentialSubject"], "@context": {"alumniOf": "urn:x:evil"}}
    assert canonical(signed | {"credentialSubject": subject}) != canonical(signed)


def test_a_member_renamed_together_with_its_definition_is_the_same_graph(signed: dict[str, Any]) -> None:
    """What signing graphs cannot show, and the documentation says so: another name in JSON with the same meaning."""
    subject = {name: value for name, value in signed["credentialSubject"].items() if name != "alumniOf"}
    renamed = signed | {
        "@context": [*signed["@context"], {"almaMater": TERM}],
        "credentialSubject": subject | {"almaMater": signed["credentialSubject"]["alumniOf"]},
    }
    assert canonical(renamed) == canonical(signed)

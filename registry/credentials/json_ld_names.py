"""Members of the data model under their own names: what a graph says of a document stands in its JSON where verifiers look.

A signature over a graph holds for every spelling of it. Whoever holds a document may write an end of validity or a status
under a full IRI or an alias, in a nested block, or on the same node at another place, and the graph stays the same: without
this check, a verifier that reads JSON would never see it. Decides nothing about values, nor about extension terms.

Spec: VC-DATA-INTEGRITY 2.4; VC-DATA-MODEL-2.0 6.1; specs/json-ld.md "Names of members"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from registry.credentials.json_ld_errors import JsonLdDisguisedError
from registry.credentials.json_ld_rdf import Quad
from registry.credentials.status_entry import ENTRY_TYPE

CREDENTIALS: Final = "https://www.w3.org/2018/credentials#"
STATUS: Final = "https://www.w3.org/ns/credentials/status#"
SECURITY: Final = "https://w3id.org/security#"

DOCUMENT_MEMBERS: Final[Mapping[str, str]] = {
    name: CREDENTIALS + name
    for name in (
        "confidenceMethod",
        "credentialSchema",
        "credentialStatus",
        "credentialSubject",
        "evidence",
        "expirationDate",
        "holder",
        "issuanceDate",
        "issuer",
        "refreshService",
        "relatedResource",
        "renderMethod",
        "termsOfUse",
        "validFrom",
        "validUntil",
        "verifiableCredential",
    )
}
ENTRY_MEMBERS: Final[Mapping[str, str]] = {
    name: STATUS + name
    for name in (
        "statusListCredential",
        "statusListIndex",
        "statusMessage",
        "statusPurpose",
        "statusReference",
        "statusSize",
    )
}
PROOF_MEMBERS: Final[Mapping[str, str]] = {
    name: SECURITY + name
    for name in (
        "challenge",
        "cryptosuite",
        "domain",
        "nonce",
        "previousProof",
        "proofPurpose",
        "verificationMethod",
    )
} | {"created": "http://purl.org/dc/terms/created", "expires": SECURITY + "expiration"}


def check_names(document: Mapping[str, Any], quads: Sequence[Quad], *, root: str) -> None:
    """Check that all that the graph says of a document in the words of the data model stands in the document under those names.

    Looked at are the document itself, or a proof whose options are read as one, and its entries of status lists.

    Args:
        document: the JSON object that was expanded.
        quads: its statements, none left out that stands there twice.
        root: term of the document's own node.

    Raises:
        JsonLdDisguisedError: json_ld_member_disguised.

    Spec: VC-DATA-INTEGRITY 2.4
    """
    said = Counter((quad.subject, quad.predicate) for quad in quads if quad.graph is None)
    _compare(document, root, DOCUMENT_MEMBERS, said)
    if "proofPurpose" in document:
        _compare(document, root, PROOF_MEMBERS, said)
    is_status = DOCUMENT_MEMBERS["credentialStatus"]
    nodes = [quad.object for quad in quads if (quad.subject, quad.predicate, quad.graph) == (root, is_status, None)]
    # In the order of the document, because all of them come from this one member.
    for entry, node in zip(_listed(document.get("credentialStatus", [])), nodes, strict=True):
        if isinstance(entry, dict) and entry.get("type") == ENTRY_TYPE:
            _compare(entry, str(node), ENTRY_MEMBERS, said)


def _compare(
    item: Mapping[str, Any], node: str, members: Mapping[str, str], said: Mapping[tuple[str, str], int]
) -> None:
    for name, predicate in members.items():
        if said.get((node, predicate), 0) != (len(_listed(item[name])) if name in item else 0):
            raise JsonLdDisguisedError


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

"""Writes specs/vectors/credential: one file per case, valid ones with what follows from them, invalid ones with their code.

Run from the root of the repository: `python -m tests.credentials.make_vectors`. The keys are made from fixed seeds, so
the files are the same wherever they are written; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.timestamp import format_timestamp
from registry.credentials.issue_evidence import countersign_receipt
from registry.credentials.model import parse_credential
from registry.credentials.presentation import parse_presentation
from tests.credentials.builders import (
    AGENT,
    CHALLENGE,
    HOUR_MS,
    MALLORY,
    NOW_MS,
    ORIGIN,
    OTHER_ORIGIN,
    OWNER,
    PEER,
    REGISTRY_DID,
    REGISTRY_DOCUMENT,
    REGISTRY_LOGIN,
    VALID,
    capability,
    changed,
    owned_passport,
    passport,
    presentation,
    resigned,
    vouch,
)
from tests.credentials.builders_evidence import affiliation, attestation, delegation, half_receipt, receipt, standing
from tests.credentials.test_model import REFUSED as MALFORMED
from tests.credentials.test_model_evidence import REFUSED as MALFORMED_EVIDENCE
from tests.credentials.test_presentation import REFUSED as MALFORMED_PRESENTATIONS

FOLDER = Path(__file__).resolve().parents[2] / "specs" / "vectors" / "credential"

# Well formed, genuinely signed or not, and refused at NOW_MS for ORIGIN.
UNVERIFIED: dict[str, tuple[dict[str, Any], str]] = {
    "for another log": (vouch(domain=OTHER_ORIGIN), "domain_mismatch"),
    "signed too long ago": (vouch(now_ms=NOW_MS - HOUR_MS), "created_too_old"),
    "signed in the future": (vouch(now_ms=NOW_MS + HOUR_MS), "created_in_future"),
    "passport from the future": (passport(now_ms=NOW_MS + 1_000), "created_in_future"),
    "not valid yet": (
        resigned(changed(passport(), "validFrom", value=format_timestamp(NOW_MS + 1_000)), AGENT),
        "credential_not_yet_valid",
    ),
    "expired": (capability(now_ms=NOW_MS - 2 * HOUR_MS, valid_until_ms=NOW_MS), "credential_expired"),
    "proof expired": (resigned(capability(), OWNER, expires=NOW_MS), "proof_expired"),
    "signed by a stranger": (resigned(vouch(), MALLORY), "issuer_key_mismatch"),
    "signed with a login key": (resigned(VALID["quarantine"][1](), REGISTRY_LOGIN), "verification_method_purpose"),
    "strength changed after signing": (changed(vouch(), "credentialSubject", "strength", value=100), "proof_invalid"),
    "receipt with the other's proof by a stranger": (
        changed(receipt(), "proof", 1, "proofValue", value=receipt()["proof"][0]["proofValue"]),
        "proof_invalid",
    ),
    "receipt signed too long ago by both": (
        countersign_receipt(half_receipt(now_ms=NOW_MS - HOUR_MS), signer=PEER, now_ms=NOW_MS - HOUR_MS, domain=ORIGIN),
        "created_too_old",
    ),
    "receipt with one proof for another log": (
        countersign_receipt(half_receipt(domain=OTHER_ORIGIN), signer=PEER, now_ms=NOW_MS, domain=ORIGIN),
        "domain_mismatch",
    ),
    "attestation dated back": (attestation(now_ms=NOW_MS - HOUR_MS), "created_too_old"),
    "affiliation expired": (
        affiliation(now_ms=NOW_MS - 2 * HOUR_MS, valid_until_ms=NOW_MS),
        "credential_expired",
    ),
    "delegation expired": (delegation(now_ms=NOW_MS - 2 * HOUR_MS, valid_until_ms=NOW_MS), "credential_expired"),
    "standing raised": (changed(standing(), "credentialSubject", "scoreMicros", value=99_000_000), "proof_invalid"),
    "owner's proof changed": (
        changed(owned_passport(), "proof", 1, "created", value="2026-11-20T08:59:59Z"),
        "proof_invalid",
    ),
}
UNVERIFIED_PRESENTATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "for another verifier": (presentation(domain=OTHER_ORIGIN), "domain_mismatch"),
    "for another challenge": (presentation(challenge="b3RoZXI"), "challenge_mismatch"),
    "without challenge": (presentation(challenge=None), "challenge_missing"),
    "expired": (presentation(expires_ms=NOW_MS), "presentation_expired"),
    "signed by a stranger": (presentation(signer=MALLORY), "holder_key_mismatch"),
    "from the future": (presentation(now_ms=NOW_MS + HOUR_MS), "created_in_future"),
}


def _case(document: dict[str, Any], **expected: Any) -> str:
    registry = {REGISTRY_DID: REGISTRY_DOCUMENT.raw} if REGISTRY_DID in json.dumps(document) else {}
    case = {
        "now": format_timestamp(NOW_MS),
        "origin": ORIGIN,
        **expected,
        **({"didDocuments": registry} if registry else {}),
        "document": document,
    }
    return json.dumps(case, indent=1, ensure_ascii=False) + "\n"


def _name(reason: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in reason.lower().replace("'", "")) + ".json"


def pages() -> dict[Path, str]:
    """Return the text of every vector by its path."""
    valid, invalid = FOLDER / "valid", FOLDER / "invalid"
    files: dict[Path, str] = {}
    for name, (_signer, build) in VALID.items():
        credential = parse_credential(build())
        expected = {"kind": credential.kind.name, "eventId": base64url_encode(credential.event_id)}
        files[valid / f"{name}.json"] = _case(credential.document, **expected)
    shown = parse_presentation(presentation(credentials=[capability(), passport()]))
    files[valid / "presentation.json"] = _case(
        shown.document, challenge=CHALLENGE, eventId=base64url_encode(shown.event_id)
    )
    for reason, (document, code, *_) in {**MALFORMED, **MALFORMED_EVIDENCE, **UNVERIFIED}.items():
        files[invalid / _name(reason)] = _case(document, code=code)
    for reason, (document, code) in {**MALFORMED_PRESENTATIONS, **UNVERIFIED_PRESENTATIONS}.items():
        files[invalid / f"presentation-{_name(reason)}"] = _case(document, code=code, challenge=CHALLENGE)
    return files


def main() -> None:
    """Write what is missing or different, and remove what no case makes any more."""
    wanted = pages()
    for path in {*FOLDER.glob("*/*.json")} - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

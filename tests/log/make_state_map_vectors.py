"""Writes specs/vectors/state-map: run by hand when a case is added.

.venv/bin/python -m tests.log.make_state_map_vectors
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from did_methods.codec import base64url_encode
from registry.log.state_map import MapProof, StateEntry, StateMap, map_proof_to_wire, subject_key
from tests.support.vectors import REPOSITORY

FOLDER = REPOSITORY / "specs" / "vectors" / "state-map"
DEPTH = 4
SUBJECTS = [f"did:example:{number}" for number in range(40)]
ROWS = {subject_key(one): sha256(one.encode()).digest() for one in SUBJECTS}
MAP = StateMap(DEPTH, ROWS.items())
ENTRY = StateEntry(70_000, bytes(range(32)), DEPTH, 1, MAP.root)
SUBJECT = next(one for one in SUBJECTS if len(MAP.prove(subject_key(one)).bucket) >= 3 * 64)
ABSENT = "did:example:nobody"
HONEST = MAP.prove(subject_key(SUBJECT))


def _proof_case(
    description: str,
    subject: str = SUBJECT,
    proof: MapProof = HONEST,
    entry: StateEntry = ENTRY,
    **more: Any,
) -> dict[str, Any]:
    return {
        "description": description,
        "entry": base64url_encode(entry.to_bytes()),
        "subject": subject,
        **map_proof_to_wire(proof),
        **more,
    }


def _valid() -> dict[str, dict[str, Any]]:
    def case(description: str, state_map: StateMap, subject: str) -> dict[str, Any]:
        digest = state_map.get(subject_key(subject))
        entry = StateEntry(70_000, bytes(range(32)), state_map.depth, 1, state_map.root)
        proof = state_map.prove(subject_key(subject))
        return _proof_case(description, subject, proof, entry, digest=digest and base64url_encode(digest))

    deep = StateMap(16, ROWS.items())
    return {
        "present": case("A subject in a bucket with others.", MAP, SUBJECT),
        "absent": case("A subject that is not in its bucket.", MAP, ABSENT),
        "present-depth-16": case("A bucket of one row, beside empty ones.", deep, SUBJECT),
        "absent-empty-bucket": case("An empty bucket of a map that is not empty.", deep, ABSENT),
        "absent-empty-map": case("A map without rows.", StateMap(16), ABSENT),
        "depth-1": case("The shallowest map.", StateMap(1, ROWS.items()), SUBJECT),
        "depth-32": case("The deepest map.", StateMap(32, ROWS.items()), SUBJECT),
        "statement": case(
            "A live statement is a subject too.",
            StateMap(DEPTH, [*ROWS.items(), (subject_key("event:" + "A" * 43), bytes(32))]),
            "event:" + "A" * 43,
        ),
    }


def _invalid() -> dict[str, dict[str, Any]]:
    rows = [HONEST.bucket[at : at + 64] for at in range(0, len(HONEST.bucket), 64)]
    own = next(row for row in rows if row.startswith(subject_key(SUBJECT)))
    other = next(MAP.prove(subject_key(one)) for one in SUBJECTS if MAP.prove(subject_key(one)).bucket != HONEST.bucket)
    hashes = HONEST.hashes
    nearly = rows[-1][:31] + bytes([rows[-1][31] ^ 1]) + bytes(32)

    def bucket(description: str, rows: list[bytes], error: str) -> dict[str, Any]:
        return _proof_case(description, proof=MapProof(b"".join(rows), hashes), error=error)

    def path(description: str, *path: bytes) -> dict[str, Any]:
        return _proof_case(description, proof=MapProof(HONEST.bucket, path), error="state_proof_invalid")

    def entry(description: str, data: bytes) -> dict[str, Any]:
        return {**_proof_case(description, error="state_entry_malformed"), "entry": base64url_encode(data)}

    malformed, invalid = "state_bucket_malformed", "state_proof_invalid"
    packed = ENTRY.to_bytes()
    without = [row for row in rows if row != own]
    good = _proof_case("", error="state_proof_malformed")
    return {
        "row-hidden": bucket("The subject's own row is left out.", without, invalid),
        "row-added": bucket("A row too many.", sorted([*rows, nearly]), invalid),
        "row-altered": bucket("Another state.", sorted([*without, own[:32] + bytes(32)]), invalid),
        "rows-unsorted": bucket("The rows descend.", rows[::-1], malformed),
        "row-doubled": bucket("One row twice.", [*rows, rows[-1]], malformed),
        "key-doubled": bucket("Two states of one subject.", [rows[0][:32] + bytes(32), *rows], malformed),
        "row-cut": bucket("The last row lacks a byte.", [HONEST.bucket[:-1]], malformed),
        "row-of-another-bucket": bucket("A row that belongs elsewhere.", [*rows, other.bucket[:64]], malformed),
        "bucket-of-another-subject": _proof_case("An honest proof about somebody else.", proof=other, error=malformed),
        "bucket-emptied": bucket("An empty bucket instead.", [], invalid),
        "path-short": path("A level is missing.", *hashes[:-1]),
        "path-long": path("A level too many.", *hashes, hashes[-1]),
        "path-swapped": path("Two siblings exchanged.", hashes[1], hashes[0], *hashes[2:]),
        "path-altered": path("A sibling altered.", bytes(32), *hashes[1:]),
        "root-of-another-map": _proof_case(
            "The map of another size.",
            entry=StateEntry(70_001, bytes(32), DEPTH, 1, StateMap(DEPTH).root),
            error=invalid,
        ),
        "depth-of-another-map": _proof_case(
            "The same root with another depth.",
            entry=StateEntry(70_000, bytes(range(32)), DEPTH + 1, 1, MAP.root),
            error=invalid,
        ),
        "hash-short": {**good, "description": "A sibling of 31 bytes.", "proof": ["A" * 42]},
        "hash-padded": {**good, "description": "Padding.", "proof": ["A" * 43 + "="]},
        "hash-with-trailing-bits": {**good, "description": "Unused bits set.", "proof": ["A" * 42 + "B"]},
        "bucket-not-text": {**good, "description": "A bucket that is a list.", "bucket": []},
        "entry-short": entry("76 bytes.", packed[:-1]),
        "entry-long": entry("78 bytes.", packed + b"\0"),
        "entry-depth-0": entry("No levels.", packed[:40] + b"\0" + packed[41:]),
        "entry-depth-33": entry("Too many levels.", packed[:40] + b"\x21" + packed[41:]),
        "entry-rules-0": entry("No rules version.", packed[:41] + bytes(4) + packed[45:]),
        "entry-size-0": entry("The map of no entries.", bytes(8) + packed[8:]),
        "entry-size-above-63-bits": entry("A size that readers cannot hold.", b"\x80" + packed[1:]),
    }


def main() -> None:
    """Write every case."""
    for kind, written in (("valid", _valid()), ("invalid", _invalid())):
        folder = FOLDER / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, case in written.items():
            (folder / f"{name}.json").write_text(json.dumps(case, indent=2, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()

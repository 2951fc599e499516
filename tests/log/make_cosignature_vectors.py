"""Writes specs/vectors/cosignature: run by hand when a case is added; ML-DSA signatures differ each time.

.venv/bin/python -m tests.log.make_cosignature_vectors
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from did_methods.keys import SigningKey
from did_methods.ml_dsa import MlDsaSigningKey
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.cosignature import Cosigner, append_lines, cosign, subtree_message
from registry.log.note import NoteKey, NoteSignature
from registry.log.verifier_key import VerifierKey
from tests.support.vectors import REPOSITORY

FOLDER = REPOSITORY / "specs" / "vectors" / "cosignature"
LOG = SigningKey(bytes(range(32)))
HEAD = Checkpoint("registry.example/0a1b2c3d", 20_852_163, bytes(range(32)))
NOTE = sign_checkpoint(HEAD, LOG)
W1 = Cosigner("witness.example/w1", SigningKey(bytes(range(1, 33))))
W2 = Cosigner("witness.example/w2", MlDsaSigningKey(bytes(range(2, 34))))
TIME_S = 1_795_165_200


def _case(description: str, lines: list[NoteSignature], keys: list[str], **more: Any) -> dict[str, Any]:
    note = append_lines(NOTE, lines).decode()
    return {"description": description, "note": note, "keys": keys, **more}


def _valid() -> dict[str, dict[str, Any]]:
    one, two = cosign(HEAD, W1, time_s=TIME_S), cosign(HEAD, W2, time_s=TIME_S + 1)
    later = cosign(HEAD, W1, time_s=TIME_S + 60)
    own = Cosigner(HEAD.origin, MlDsaSigningKey(bytes(range(3, 35))))
    k1, k2, k3 = W1.key.to_text(), W2.key.to_text(), own.key.to_text()
    said = {k1: TIME_S}
    return {
        "ed25519": _case("Type 04.", [one], [k1], cosigned=said),
        "ml-dsa-44": _case("Type 06.", [two], [k2], cosigned={k2: TIME_S + 1}),
        "both-types": _case("Two witnesses of two types.", [one, two], [k1, k2], cosigned={**said, k2: TIME_S + 1}),
        "newest-of-two": _case(
            "One witness twice: its newest time counts.", [later, one], [k1], cosigned={k1: TIME_S + 60}
        ),
        "unknown-witness-ignored": _case("A line of a key that nobody asked about.", [two, one], [k1], cosigned=said),
        "log-signs-post-quantum": _case(
            "The log's own second signature, type 06 under its origin.",
            [cosign(HEAD, own, time_s=TIME_S)],
            [k3],
            cosigned={k3: TIME_S},
        ),
        "not-cosigned": _case("No line of a known key: nothing is said.", [], [k1], cosigned={}),
    }


def _altered(line: NoteSignature, place: int) -> NoteSignature:
    data = bytearray(line.signature)
    data[place] ^= 1
    return replace(line, signature=bytes(data))


def _invalid() -> dict[str, dict[str, Any]]:
    one, two = cosign(HEAD, W1, time_s=TIME_S), cosign(HEAD, W2, time_s=TIME_S)
    k1, k2 = W1.key.to_text(), W2.key.to_text()
    false, malformed, kind = "cosignature_invalid", "note_key_malformed", "note_key_type_unsupported"
    other = Cosigner("witness.example/w3", W2.signing_key)
    moved = NoteSignature(other.name, other.key.key_id, two.signature)
    message = subtree_message(W2.name, 0, HEAD.origin, start=0, end=HEAD.size, root_hash=HEAD.root_hash)
    at_zero = NoteSignature(W2.name, W2.key.key_id, bytes(8) + MlDsaSigningKey(bytes(range(2, 34))).sign(message))
    plain = NoteSignature(W1.name, W1.key.key_id, LOG.sign(HEAD.to_text().encode()))
    size, root = replace(HEAD, size=HEAD.size + 1), replace(HEAD, root_hash=bytes(32))
    elsewhere = replace(HEAD, origin="registry.example/ffffffff")
    note_key = NoteKey(W1.name, W1.signing_key.public_key).to_text()  # type: ignore[arg-type]
    small = VerifierKey("witness.example/w1", 4, (1).to_bytes(32, "little")).to_text()
    return {
        "ed25519-signature-altered": _case("Last byte.", [_altered(one, -1)], [k1], error=false),
        "ed25519-time-altered": _case("The time is signed.", [_altered(one, 7)], [k1], error=false),
        "ed25519-other-size": _case("Moved here.", [cosign(size, W1, time_s=TIME_S)], [k1], error=false),
        "ed25519-other-root": _case("Moved here.", [cosign(root, W1, time_s=TIME_S)], [k1], error=false),
        "ed25519-other-origin": _case("From another log.", [cosign(elsewhere, W1, time_s=TIME_S)], [k1], error=false),
        "ed25519-one-byte-short": _case("", [replace(one, signature=one.signature[:-1])], [k1], error=false),
        "ed25519-one-byte-more": _case("", [replace(one, signature=one.signature + b"\0")], [k1], error=false),
        "ed25519-without-time": _case("A plain note signature under a cosigning key.", [plain], [k1], error=false),
        "ml-dsa-44-signature-altered": _case("Last byte.", [_altered(two, -1)], [k2], error=false),
        "ml-dsa-44-time-altered": _case("The time is signed.", [_altered(two, 7)], [k2], error=false),
        "ml-dsa-44-time-zero": _case("Time 0 is no witness's word.", [at_zero], [k2], error=false),
        "ml-dsa-44-other-size": _case("Moved here.", [cosign(size, W2, time_s=TIME_S)], [k2], error=false),
        "ml-dsa-44-other-root": _case("Moved here.", [cosign(root, W2, time_s=TIME_S)], [k2], error=false),
        "ml-dsa-44-other-name": _case("The name is signed.", [moved], [other.key.to_text()], error=false),
        "false-line-beside-a-true-one": _case("One false line condemns.", [one, _altered(one, 9)], [k1], error=false),
        "key-of-note-type": _case("Type 01 does not cosign.", [one], [note_key], error=kind),
        "key-of-small-order": _case("Anybody signs for it.", [one], [small], error=malformed),
        "key-id-not-of-the-key": _case("", [one], [k1.replace(W1.key.key_id.hex(), "00000000")], error=malformed),
        "ml-dsa-44-key-as-type-04": _case(
            "A key of one type under the byte of another.",
            [one],
            [VerifierKey(W1.name, 255, b"\4" + W2.key.public_key.raw).to_text()],
            error=kind,
        ),
    }


def main() -> None:
    """Write every case."""
    for kind, cases in (("valid", _valid()), ("invalid", _invalid())):
        folder = FOLDER / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, case in cases.items():
            case["description"] = case["description"] or name.replace("-", " ").capitalize() + "."
            (folder / f"{name}.json").write_text(json.dumps(case, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()

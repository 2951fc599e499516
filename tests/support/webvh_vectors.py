"""The published vectors of did:webvh, made from the cases; ``python -m tests.support.webvh_vectors`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from did_methods.webvh import verify_log
from tests.support.webvh import NOW_MS, LogWriter
from tests.support.webvh_cases import INVALID, VALID
from tests.support.webvh_resolution_cases import RESOLUTIONS
from tests.support.webvh_witness_cases import MISSING, WITNESSED

FOLDER = Path(__file__).resolve().parents[2] / "specs" / "vectors" / "webvh"


def log_bytes(made: LogWriter | bytes) -> bytes:
    """Return the log that a case made."""
    return made if isinstance(made, bytes) else made.log


def vectors() -> dict[str, dict[str, Any]]:
    """Return every vector by its path below the folder, without the suffix."""
    made = {f"valid/{reason}": _valid(reason) for reason in VALID}
    made |= {f"invalid/{reason}": _invalid(reason) for reason in INVALID}
    made |= {f"witnessed/{reason}": _witnessed(reason) for reason in WITNESSED}
    made |= {f"unwitnessed/{reason}": _unwitnessed(reason) for reason in MISSING}
    return made | {f"resolution/{reason}": _resolution(reason) for reason in RESOLUTIONS}


def _valid(reason: str) -> dict[str, Any]:
    log = log_bytes(VALID[reason]())
    state = verify_log(log, now_ms=NOW_MS)
    return _vector(reason, log, did=state.did, state=state.to_wire())


def _invalid(reason: str) -> dict[str, Any]:
    code, case = INVALID[reason]
    return _vector(reason, log_bytes(case()), code=code)


def _witnessed(reason: str) -> dict[str, Any]:
    writer, file = WITNESSED[reason]()
    return _vector(reason, writer.log, did=writer.did, witness=json.loads(file))


def _unwitnessed(reason: str) -> dict[str, Any]:
    writer, file = MISSING[reason]()
    return _vector(reason, writer.log, code="webvh_witness_missing", did=writer.did, witness=json.loads(file))


def _resolution(reason: str) -> dict[str, Any]:
    asked = RESOLUTIONS[reason]()
    if asked.error is None:
        versions = asked.writer.entries[asked.version - 1]
        answer: dict[str, Any] = {
            "versionId": versions["versionId"],
            "deactivated": asked.deactivated,
            "didDocument": None if asked.withheld else versions["state"]["id"],
        }
    else:
        keyword, code = asked.error
        answer = {"error": keyword, "code": code}
    witness = {} if asked.witness is None else {"witness": json.loads(asked.witness)}
    return _vector(reason, asked.writer.log, didUrl=asked.did_url, **witness, result=answer)


def _vector(reason: str, log: bytes, **expected: Any) -> dict[str, Any]:
    title = reason.replace("-", " ")
    return {"title": title, "nowMs": NOW_MS, **expected, "lines": log.decode().removesuffix("\n").split("\n")}


def main() -> None:
    """Write every vector file, and remove those without a case."""
    expected = {FOLDER / f"{name}.json": vector for name, vector in vectors().items()}
    for path in FOLDER.rglob("*.json"):
        if path not in expected:
            path.unlink()
    for path, vector in expected.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()

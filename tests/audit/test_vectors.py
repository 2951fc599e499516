"""The published logs: sound ones audit clean, each broken one is blamed on the entry and code that it names."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from did_methods.codec import parse_json_object
from did_methods.errors import BonafidesError
from registry.audit.finding import refusal_finding, sort_findings
from registry.audit.log_audit import LogAudit
from registry.log.checkpoint import verify_checkpoint
from registry.log.note import parse_note_key
from tests.audit.make_vectors import FOLDER, vectors

FILES = sorted(FOLDER.glob("*/*.jsonl"))


def test_the_vectors_are_what_the_generator_writes() -> None:
    """Keys, ids and times are fixed, so the files are reproduced to the byte."""
    assert {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FILES} == vectors()


@pytest.mark.parametrize("is_ahead", [False, True], ids=["here", "ahead"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_log_is_judged_as_it_says(path: Path, is_ahead: bool) -> None:
    """No breach in a sound log; in a broken one the first breach has the index and code of the header.

    Also where all entries were parsed in another process before the first was folded.
    """
    first, *entries = path.read_bytes().splitlines()
    header = parse_json_object(first)
    audit = LogAudit(str(header["origin"]), str(header["key"]))
    try:
        key = parse_note_key(str(header["key"]))
        checkpoint = verify_checkpoint(str(header["checkpoint"]).encode(), origin=str(header["origin"]), key=key)
    except BonafidesError as error:
        audit.findings.append(refusal_finding(error))
    else:
        if is_ahead:
            audit.take_all(entries, looked=pickle.loads(pickle.dumps(audit.look(0, entries))))
        for entry in entries[audit.size :]:
            audit.take_all([entry])
        audit.finish()
        audit.check_root(checkpoint.checkpoint)
    breaches = [(one.index, one.code) for one in sort_findings(audit.findings) if one.severity == "breach"]
    expected = [(header["index"], header["code"])] if "code" in header else []
    assert breaches[:1] == expected

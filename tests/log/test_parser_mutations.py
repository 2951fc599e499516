"""Every parser of the log's formats against altered copies of what it reads: one spelling, or a refusal by code.

The corpus (`parser_corpus.json`) holds one altered input for each way in which a parser refused while the laws here were
tried for long; `python -m tests.log.make_parser_corpus` makes it anew.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.errors import BonafidesError
from tests.log.parsers import MUTATIONS, PARSERS, outcome

CORPUS = json.loads((Path(__file__).parent / "parser_corpus.json").read_text("utf-8"))


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_valid_is_read_and_written_back(name: str) -> None:
    """Each seed is accepted and has one spelling: else the laws below would prove nothing."""
    parser = PARSERS[name]
    for seed in parser.seeds:
        assert outcome(parser, seed) == "read"


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_altered_bytes_are_read_as_they_are_or_refused_by_code(name: str, data: st.DataObject) -> None:
    """One to three alterations of valid bytes: an error of ours, or a value that is written back to the same bytes."""
    parser = PARSERS[name]
    altered = data.draw(st.sampled_from(parser.seeds))
    for _ in range(data.draw(st.integers(1, 3))):
        change = data.draw(st.sampled_from(MUTATIONS))
        altered = change(altered, data.draw(st.integers(0, 1 << 16)), data.draw(st.integers(0, 1 << 16)))
    outcome(parser, altered)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: f"{case['parser']} {case['outcome']}")
def test_kept_cases_end_as_they_did(case: dict[str, str]) -> None:
    """Each kept input has the outcome that is written beside it."""
    assert outcome(PARSERS[case["parser"]], base64.b64decode(case["input"])) == case["outcome"]


def test_the_corpus_knows_every_parser() -> None:
    """Each parser has kept refusals, so a parser that is added gets some too."""
    refused = {case["parser"] for case in CORPUS if case["outcome"] != "read"}
    assert refused == set(PARSERS)
    assert issubclass(BonafidesError, Exception)

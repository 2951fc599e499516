"""The whole Bitcoin OTC market through the real server: goes in, audits clean, tells honest from fraudulent members.

Data: S. Kumar et al., ICDM 2016 and WSDM 2018; read in place, not part of this repository.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import parse_json_object
from tests.support.vectors import shared_folder

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "registry"]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_")}


def _run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], cwd=ROOT, env=_environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return parse_json_object(done.stdout, max_bytes=1 << 20)


@pytest.mark.full
def test_the_whole_bitcoin_otc_market(tmp_path: Path) -> None:
    """35,592 ratings by 5,881 members: imported, audited clean, and fraud's median record below honest quartile."""
    folder = shared_folder("data")
    data = tmp_path / "data"
    serve = [*COMMAND, "serve", "--profile", "replay", "--dev", "--port", "0", "--data", str(data), "--json"]
    with subprocess.Popen(serve, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            url = parse_json_object(server.stdout.readline())["url"]
            report = _run(
                *("import", "ratings", str(folder / "bitcoin-otc-ratings.csv"), "--roots", "earliest:10"),
                *("--url", url, "--keys", str(tmp_path / "members.jsonl"), "--data", str(data)),
                *("--labels", str(folder / "bitcoin-otc-labels.csv")),
            )
            audit = _run("audit", url, "--no-state")
            ranking = _run("standing", "--at", "last", "--top", "20", "--bottom", "20", "--url", url)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    print(report, {name: audit[name] for name in ("clean", "entries", "seconds")})
    assert (report["ratings"], report["members"], report["accepted"]) == (35_592, 5_881, 41_473)
    assert report["epochs"] == 272
    labels = report["labels"]
    assert (labels["fraudulent"]["members"], labels["honest"]["members"]) == (180, 136)
    assert labels["fraudulent"]["median"] < labels["honest"]["lowerQuartile"]
    assert labels["fraudMedianBelowHonestLowerQuartile"]
    assert labels["recordAuc"] > 0.98
    assert audit["clean"]
    assert audit["folded"] == audit["entries"] == audit["treeSize"] == 7 + 1 + 41_473 + 272
    assert ranking["agents"] == 5_882
    assert len(ranking["top"]) == len(ranking["bottom"]) == 20

"""Makes parser_corpus.json: for each parser and outcome the shortest of many altered inputs, and any that fails otherwise."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

from tests.log.parsers import MUTATIONS, PARSERS, outcome

TRIES = 20_000


def main() -> None:
    """Try, keep, write."""
    chance, kept = random.Random(5), []
    for name, parser in PARSERS.items():
        shortest: dict[str, bytes] = {}
        for _ in range(TRIES):
            altered = chance.choice(parser.seeds)
            for _ in range(chance.randint(1, 3)):
                altered = chance.choice(MUTATIONS)(altered, chance.randrange(1 << 16), chance.randrange(1 << 16))
            found = outcome(parser, altered)
            if found not in shortest or len(altered) < len(shortest[found]):
                shortest[found] = altered
        kept += [
            {"parser": name, "outcome": found, "input": base64.b64encode(data).decode()}
            for found, data in sorted(shortest.items())
        ]
    text = json.dumps(kept, indent=1) + "\n"
    (Path(__file__).parent / "parser_corpus.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()

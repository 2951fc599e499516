"""Builds specs/openapi.json from the application's routes, as `/openapi.json` serves it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "specs" / "openapi.json"


def page() -> str:
    """Return the whole document."""
    sys.path.insert(0, str(ROOT))
    from registry.api.app import create_app
    from registry.bootstrap import open_registry
    from registry.config import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), database_url="sqlite://", public_url="https://registry.localhost:8000"
        )
        registry = open_registry(settings)
        document = create_app(registry).openapi()
        registry.database.close()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

"""An honest registry audits clean, and the report says what was looked at."""

from __future__ import annotations

from tests.audit.conftest import Scene


def test_an_honest_registry_is_clean(scene: Scene) -> None:
    """Every entry folds, every standing is recomputed, every acceptance is kept."""
    report = scene.audit(acceptances=scene.acceptances)
    assert report.findings == ()
    assert report.is_clean
    assert report.entries == report.folded == scene.world.size
    assert report.acceptances == len(scene.acceptances)
    contexts = sum(len(row.contexts) for row in scene.world.registry.state.reputation.agents.values())
    assert contexts
    assert report.standings == len(scene.world.registry.state.tables.agents) + contexts
    assert report.state == scene.world.registry.state

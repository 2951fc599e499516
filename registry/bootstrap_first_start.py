"""The first start: keys are made and the log begins; every later start is compared with what entry 0 pins."""

from __future__ import annotations

import secrets
from dataclasses import replace
from urllib.parse import urlsplit

from registry.adapters.key_file import KeyRing
from registry.adapters.registry_keys import KeysMissingError, make_registry_keys
from registry.adapters.system_clock import Clock
from registry.bootstrap_signer import refuse_lost_log
from registry.config import Settings, check_settings
from registry.errors import ConflictError
from registry.history.state import LogState
from registry.log.note import NoteSigner
from registry.services.authority import Authority, FirstKeys, opening_statements, operator_registration
from registry.services.challenge import Challenges
from registry.services.sequencer import Sequencer
from registry.services.submission import Submission


class GenesisMismatchError(ConflictError):
    """The settings name another origin, public URL or profile than entry 0 pins."""

    code = "genesis_mismatch"
    title = "The settings disagree with the log's entry 0"


def make_first_keys(settings: Settings, clock: Clock) -> tuple[dict[str, KeyRing], FirstKeys]:
    """Make every key of a new registry; return the rings by name, and those that sign the first entries.

    Raises:
        LogRolledBackError: ``log_rolled_back``, a log of this origin was signed before.
    """
    refuse_lost_log(settings)
    parts = urlsplit(settings.public_url)
    now_ms = 0 if settings.profile == "replay" else clock.now_ms()
    rings, entries = make_registry_keys(settings.keys_dir, host=parts.hostname or "", port=parts.port, now_ms=now_ms)
    return rings, FirstKeys(
        rings["registry-did"],
        rings["operator-root"],
        rings["operator-agent"],
        entries["registry-did"],
        entries["operator-agent"],
    )


def new_origin(settings: Settings) -> str:
    """Return the origin that the settings give, or a new one."""
    return settings.origin or f"{urlsplit(settings.public_url).netloc}/{secrets.token_hex(4)}"


def begin_log(
    sequencer: Sequencer,
    authority: Authority,
    challenges: Challenges,
    first: FirstKeys,
    settings: Settings,
    note_signer: NoteSigner,
    clock: Clock,
) -> None:
    """Log entries 0 to 3, then the operator's own agent as 4 and 5, then the epoch that gives it its voice."""
    now_ms = 0 if settings.profile == "replay" else clock.now_ms()
    opening = Submission(
        opening_statements(
            first,
            origin=note_signer.name,
            public_url=settings.public_url,
            profile=settings.profile,
            log_key=note_signer.key.to_text(),
            now_ms=now_ms,
        )
    )
    challenge, _ = challenges.issue(now_ms=now_ms)
    challenges.take(challenge, now_ms=now_ms)
    registration = Submission(operator_registration(first, origin=note_signer.name, challenge=challenge, now_ms=now_ms))
    group = [opening, authority.epoch_submission(), registration, authority.epoch_submission()]
    sequencer.append(group)
    for submission in group:
        submission.future.result()


def check_genesis(settings: Settings, state: LogState) -> str:
    """Compare the settings with entry 0; return its origin.

    Raises:
        GenesisMismatchError: ``genesis_mismatch``.
        KeysMissingError: ``registry_keys_missing``.
        SettingError: ``setting_invalid``.
    """
    genesis = state.head.genesis
    if genesis is None:
        raise KeysMissingError("the log has no genesis")
    for name, ours, pinned in (
        ("public_url", settings.public_url, genesis.public_url),
        ("profile", settings.profile, genesis.profile),
        ("origin", settings.origin or genesis.origin, genesis.origin),
    ):
        if ours != pinned and name not in settings.defaulted:
            raise GenesisMismatchError(f"{name} is {ours} here and {pinned} in entry 0")
    check_settings(replace(settings, public_url=genesis.public_url, profile=genesis.profile))
    return genesis.origin

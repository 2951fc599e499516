"""Wiring of statuses, and of what issues and verifies credentials of other people's making: issuers, processors, keys.

The issuers' keys are made when they are first needed, in registries from before this version too: nothing rests on them yet.
Two readers of statuses lie over the one store of our own: that of decisions believes lists of others in our own suite, by keys
of the log, alone; that of the VC-API reads what the VC-API verifies, and no decision asks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.adapters.didkit_process import DidkitSignatures
from registry.adapters.https_fetcher import HttpsFetcher
from registry.adapters.issuer_keys import IssuerKeyKind, load_issuer_keys
from registry.adapters.json_ld_process import JsonLdProcess
from registry.adapters.system_clock import Clock
from registry.config import Settings
from registry.credentials.bundled_contexts import known_bytes
from registry.credentials.issuing import JWT_SUITE, STATUS_SUITE, SuiteIssuer
from registry.credentials.tools import Bundle
from registry.history.state import LogState
from registry.services.credential import CredentialParts, CredentialService
from registry.services.presentation import PresentationService
from registry.services.resolution import ResolutionService
from registry.services.status import StatusService
from registry.services.status_elsewhere import KeyListVerifier, ListsElsewhere
from registry.services.status_signing import JcsListSigner
from registry.services.verification_budget import AnyListVerifier
from registry.storage.challenge import open_challenges
from registry.storage.engine import Database
from registry.storage.status import StatusStore

_SUITES: Final[dict[str, tuple[str | None, IssuerKeyKind]]] = {
    "eddsa-jcs-2022": ("eddsa-jcs-2022", "ed25519"),
    "eddsa-rdfc-2022": ("eddsa-rdfc-2022", "ed25519"),
    "ecdsa-jcs-2019-p256": ("ecdsa-jcs-2019", "p256"),
    "ecdsa-jcs-2019-p384": ("ecdsa-jcs-2019", "p384"),
    "ecdsa-rdfc-2019-p256": ("ecdsa-rdfc-2019", "p256"),
    "ecdsa-rdfc-2019-p384": ("ecdsa-rdfc-2019", "p384"),
    STATUS_SUITE: ("eddsa-jcs-2022", "ed25519"),
    JWT_SUITE: (None, "ed25519"),
}
_STATUS_PURPOSES: Final = ("revocation", "suspension")


@dataclass(frozen=True, slots=True)
class CredentialRoom:
    """What was wired here, and is ended together.

    Attributes:
        credentials: issues and verifies.
        presentations: verifies, with challenges.
        statuses: our own lists, and the reader of decisions.
        reader: of the VC-API.
        status_store: our own lists as they are kept.
        json_ld: the processor, in child processes.
        signatures: of the older suites, in a child process.
    """

    credentials: CredentialService
    presentations: PresentationService
    statuses: StatusService
    reader: StatusService
    status_store: StatusStore
    json_ld: JsonLdProcess
    signatures: DidkitSignatures

    def close(self) -> None:
        """Drop what waits to be fetched; end the child processes."""
        self.statuses.close()
        self.reader.close()
        self.json_ld.close()
        self.signatures.close()


def open_credentials(
    settings: Settings,
    state: LogState,
    *,
    fetcher: HttpsFetcher,
    resolution: ResolutionService,
    database: Database,
    clock: Clock,
) -> CredentialRoom:
    """Wire the room; makes the issuers' keys where there are none.

    Args:
        settings: where the keys lie.
        state: of the log: the public URL, and the keys that decisions believe lists of others by.
        fetcher: gets lists of others.
        resolution: resolves DIDs.
        database: holds our statuses.
        clock: the wall clock.

    Raises:
        BonafidesError: a damaged key file, or one that others can read.
    """
    genesis = state.head.genesis
    assert genesis is not None, "the log was begun before anything is wired on it"
    issuers = _issuers(settings)
    store, json_ld, signatures = StatusStore(database), JsonLdProcess(), DidkitSignatures()
    status_issuer = issuers[STATUS_SUITE]
    signers = {status_issuer.did: JcsListSigner(status_issuer.signer)}

    def service(elsewhere: ListsElsewhere) -> StatusService:
        return StatusService(
            store=store, signers=signers, public_url=genesis.public_url, elsewhere=elsewhere, clock=clock
        )

    statuses = service(ListsElsewhere(fetcher=fetcher, verifier=KeyListVerifier(state), clock=clock))
    any_list = AnyListVerifier(resolution=resolution, json_ld=json_ld, clock=clock)
    reader = service(ListsElsewhere(fetcher=fetcher, verifier=any_list, clock=clock))
    bundle = Bundle(resources=known_bytes())
    parts = CredentialParts(
        resolution=resolution,
        json_ld=json_ld,
        signatures=signatures,
        statuses=reader,
        bundle=bundle,
        clock=clock,
    )
    return CredentialRoom(
        credentials=CredentialService(parts=parts, issuers=issuers),
        presentations=PresentationService(parts=parts, challenges=open_challenges(database, book="presentations")),
        status_store=store,
        statuses=statuses,
        reader=reader,
        json_ld=json_ld,
        signatures=signatures,
    )


def _issuers(settings: Settings) -> dict[str, SuiteIssuer]:
    rings = load_issuer_keys(settings.keys_dir, {name: kind for name, (_, kind) in _SUITES.items()})
    return {
        name: SuiteIssuer(
            name=name,
            did=ring.did,
            cryptosuite=_SUITES[name][0],
            signer=ring.signer,
            purposes=_STATUS_PURPOSES if name == STATUS_SUITE else (),
        )
        for name, ring in rings.items()
    }

"""Identifiers of foreign DID methods: what a did:pkh or did:ethr says by its text alone.

Decides whether such a DID is well formed, which blockchain account it names and which public key it is, where the text
holds one. That is all these methods can say without a ledger, so a document that says anything else is wrong, whoever
made it. Whether an account exists, and EIP-55 capitals, are not looked at: DIDs are compared as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from did_methods.codec import base58_decode
from did_methods.did import Did
from did_methods.errors import DidError
from did_methods.keys import PublicKey

FOREIGN_METHODS: Final = ("ethr", "pkh")
# The library behind these asks a host, a ledger's indexer or a local proxy for them; nothing here lets it.
NETWORK_METHODS: Final = ("ion", "onion", "tz", "webkey")


class ForeignMalformedError(DidError):
    """The identifier is not one of the DID's method."""

    code = "did_foreign_malformed"
    title = "Identifier is not of the form of its DID method"


class ForeignNamespaceError(DidError):
    """The did:pkh names a kind of ledger, or the did:ethr a network, that is not known here."""

    code = "did_foreign_namespace"
    title = "Ledger of the DID is not supported"


class ForeignNetworkError(DidError):
    """The method can only be resolved by asking a host that is not the DID's subject; that is not done here."""

    code = "did_foreign_needs_network"
    title = "DID method is not supported: it needs a network service"


@dataclass(frozen=True, slots=True)
class ForeignId:
    """What the text of a foreign DID says.

    Args:
        did: the DID.
        account: the CAIP-10 account it names; None where that cannot be told from the text.
        public_key: the checked key that it is; None where it names only a hash of one.
        ledger_may_differ: a ledger may say otherwise by now, and was not asked.
    """

    did: str
    account: str | None
    public_key: PublicKey | None
    ledger_may_differ: bool


_HEX_ADDRESS: Final = r"0x[0-9a-fA-F]{40}"
_BASE58: Final = "[1-9A-HJ-NP-Za-km-z]"
_TEZOS_ADDRESS: Final = rf"tz[1-3]{_BASE58}{{33}}"
_BITCOIN_ADDRESS: Final = rf"{_BASE58}{{25,35}}"
_SOLANA_ADDRESS: Final = rf"{_BASE58}{{32,44}}"
_NAMESPACES: Final = {
    "aleo": r"1:aleo1[02-9ac-hj-np-z]{58}",
    "bip122": rf"[0-9a-f]{{32}}:(?:{_BITCOIN_ADDRESS}|[a-z]{{2,4}}1[02-9ac-hj-np-z]{{38,58}})",
    "eip155": rf"(?:0|[1-9][0-9]{{0,31}}):{_HEX_ADDRESS}",
    "solana": rf"{_BASE58}{{32}}:{_SOLANA_ADDRESS}",
    "tezos": rf"Net{_BASE58}{{12}}:{_TEZOS_ADDRESS}",
}
# Names from before CAIP-10, each with the chain that it always meant.
_OLD_NAMESPACES: Final = {
    "btc": ("bip122:000000000019d6689c085ae165831e93", _BITCOIN_ADDRESS),
    "celo": ("eip155:42220", _HEX_ADDRESS),
    "doge": ("bip122:1a91e3dace36e2be3bf030a65679fe82", _BITCOIN_ADDRESS),
    "eth": ("eip155:1", _HEX_ADDRESS),
    "poly": ("eip155:137", _HEX_ADDRESS),
    "sol": ("solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ", _SOLANA_ADDRESS),
    "tz": ("tezos:NetXdQprcVkpaWU", _TEZOS_ADDRESS),
}
_SOLANA: Final = frozenset({"sol", "solana"})
_ETHR: Final = re.compile(
    rf"(?:(?P<network>0x[0-9a-f]{{1,16}}|[a-z][a-z0-9]{{0,31}}):)?(?P<id>{_HEX_ADDRESS}|0x0[23][0-9a-fA-F]{{64}})"
)
_ETHR_NETWORKS: Final = {"mainnet": 1, "morden": 2, "ropsten": 3, "rinkeby": 4, "goerli": 5, "kovan": 42}
_ADDRESS_CHARS: Final = 42


def parse_foreign_id(did: Did) -> ForeignId:
    """Return what the text of a did:pkh or did:ethr says.

    Args:
        did: a DID whose method is one of ``FOREIGN_METHODS``.

    Raises:
        ForeignMalformedError: did_foreign_malformed.
        ForeignNamespaceError: did_foreign_namespace.
        InvalidKeyError: key_not_canonical, key_small_order or key_invalid_point, where the text is a key.

    Spec: did:pkh 1.0, CAIP-10, did:ethr Identifier
    """
    if did.method == "pkh":
        return _parse_pkh(did)
    if did.method == "ethr":
        return _parse_ethr(did)
    raise ForeignMalformedError


def _parse_pkh(did: Did) -> ForeignId:
    namespace, _colon, rest = did.method_specific_id.partition(":")
    if namespace in _OLD_NAMESPACES:
        chain, pattern = _OLD_NAMESPACES[namespace]
        account = f"{chain}:{rest}"
    elif namespace in _NAMESPACES:
        pattern, account = _NAMESPACES[namespace], did.method_specific_id
    else:
        raise ForeignNamespaceError
    if re.fullmatch(pattern, rest) is None:
        raise ForeignMalformedError
    key = _solana_key(rest.rpartition(":")[2]) if namespace in _SOLANA else None
    return ForeignId(did.text, account, key, ledger_may_differ=False)


def _solana_key(address: str) -> PublicKey:
    raw = base58_decode(address)
    if len(raw) != 32:  # noqa: PLR2004 - an Ed25519 key
        raise ForeignMalformedError
    return PublicKey("ed25519", raw)


def _parse_ethr(did: Did) -> ForeignId:
    match = _ETHR.fullmatch(did.method_specific_id)
    if match is None:
        raise ForeignMalformedError
    network = match["network"] or "mainnet"
    chain = int(network, 16) if network.startswith("0x") else _ETHR_NETWORKS.get(network)
    if chain is None:
        raise ForeignNamespaceError
    if len(match["id"]) == _ADDRESS_CHARS:
        return ForeignId(did.text, f"eip155:{chain}:{match['id']}", None, ledger_may_differ=True)
    # The account of a key is a Keccak hash of it, which is not computed here.
    key = PublicKey("secp256k1", bytes.fromhex(match["id"][2:]))
    return ForeignId(did.text, None, key, ledger_may_differ=True)

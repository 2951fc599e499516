"""Proof suites: prints one JSON object.

A 1 KB credential, parsed, whose one proof is verified as anybody's is (`verify_proof_set`: key looked up by its did:key, times
judged), beside the bare library's verify of what is signed: PyNaCl for Ed25519 (goal: 0.55 of it), cryptography for ECDSA.
*strict* is our own kinds' way to the same signature (`verify_proof`), which finds no key. `eddsa-rdfc-2022`, canonicalised in
a child process, stands beside `@digitalbazaar/vc` on Node.js (goal: ahead of it), where scripts/test --full has installed it.

    scripts/bench_suites.py [--seconds 1]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from bench import in_turns, per_second  # noqa: E402

from did_methods.canonical import canonicalize  # noqa: E402
from did_methods.data_integrity import verify_proof  # noqa: E402
from did_methods.ec_keys import EcSigningKey  # noqa: E402
from did_methods.key import key_signer  # noqa: E402
from did_methods.keys import KeySigner, SigningKey  # noqa: E402
from registry.adapters.json_ld_process import JsonLdProcess  # noqa: E402
from registry.adapters.system_clock import SystemClock  # noqa: E402
from registry.credentials.key_lookup import MethodKeyLookup, SelfCertifyingLookup  # noqa: E402
from registry.credentials.proof_set import add_proof, parse_proof_set, verify_proof_set  # noqa: E402
from tests.partners.partner import INSTALLED, Partner  # noqa: E402

GOAL = 0.55
RDFC_GOAL = 1.0
SEED = b"s" * 48
MESSAGE = b"m" * 64


def credential() -> dict[str, Any]:
    """Return something to sign, 1 KB with its proof."""
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential"],
        "name": "Alumni credential",
        "description": "A minimum viable example of an alumni credential.",
        "issuer": "did:example:issuer",
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "name": "A subject", "description": "d" * 150},
    }


def measure(suite: str, signer: KeySigner, bare: Any, seconds: float) -> dict[str, Any]:
    """Return our rate beside that of the bare verification."""
    now_ms = SystemClock().now_ms()
    document = add_proof(credential(), cryptosuite=suite, signer=signer, created_ms=now_ms)
    proofs = parse_proof_set(document)
    keys = MethodKeyLookup({"key": SelfCertifyingLookup()})

    def ours() -> None:
        verify_proof_set(document, proofs, keys=keys, purpose="assertionMethod", now_ms=now_ms, json_ld=None)

    rate, ceiling = in_turns(lambda: per_second(ours, seconds), lambda: per_second(bare, seconds))
    return {
        "ours": round(rate), "ceiling": round(ceiling), "ratio": round(rate / ceiling, 2),
        "bytes": len(canonicalize(document)),
    }  # fmt: skip


def bench_eddsa(seconds: float) -> dict[str, Any]:
    """Ed25519 beside PyNaCl, and the same signature by the way of our own kinds."""
    from nacl.signing import SigningKey as BareKey

    key, bare = SigningKey(SEED[:32]), BareKey(SEED[:32])
    signature, verifier = bare.sign(MESSAGE).signature, bare.verify_key
    found = measure("eddsa-jcs-2022", key_signer(key), lambda: verifier.verify(MESSAGE, signature), seconds)
    document = add_proof(credential(), cryptosuite="eddsa-jcs-2022", signer=key_signer(key), created_ms=0)
    (proof,) = parse_proof_set(document)
    strict = per_second(lambda: verify_proof(document, proof, key.public_key), seconds)
    return {**found, "goal": GOAL, "strict": round(strict)}


def bench_ecdsa(kind: str, seconds: float) -> dict[str, Any]:
    """P-256 or P-384 beside cryptography."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    size, curve, hashed = {
        "p256": (32, ec.SECP256R1(), hashes.SHA256()),
        "p384": (48, ec.SECP384R1(), hashes.SHA384()),
    }[kind]
    key = EcSigningKey("p256" if kind == "p256" else "p384", SEED[:size])
    private = ec.derive_private_key(int.from_bytes(SEED[:size], "big"), curve)
    algorithm, public = ec.ECDSA(hashed), private.public_key()
    signature = private.sign(MESSAGE, algorithm)
    return measure("ecdsa-jcs-2019", key_signer(key), lambda: public.verify(signature, MESSAGE, algorithm), seconds)


def bench_rdfc(seconds: float) -> dict[str, Any]:
    """Verify one document with both implementations, each with its contexts at hand."""
    key, now_ms = SigningKey(SEED[:32]), SystemClock().now_ms()
    signer = key_signer(key)
    unsigned = {**credential(), "issuer": signer.verification_method.partition("#")[0]}
    keys = MethodKeyLookup({"key": SelfCertifyingLookup()})
    with JsonLdProcess() as json_ld:
        document = add_proof(unsigned, cryptosuite="eddsa-rdfc-2022", signer=signer, created_ms=now_ms, json_ld=json_ld)
        proofs = parse_proof_set(document)

        def ours() -> None:
            verify_proof_set(document, proofs, keys=keys, purpose="assertionMethod", now_ms=now_ms, json_ld=json_ld)

        if not (INSTALLED / "node_modules").is_dir():
            return {"ours": round(per_second(ours, seconds)), "partner": "not installed: scripts/test --full does it"}
        with Partner() as partner:

            def theirs() -> float:
                told = partner.ask("time", suite="eddsa-rdfc-2022", credential=document, seconds=seconds)
                return float(told["verifications"] / told["seconds"])

            rate, other = in_turns(lambda: per_second(ours, seconds), theirs)
    return {"ours": round(rate), "partner": round(other), "ratio": round(rate / other, 2), "goal": RDFC_GOAL}


def bench(seconds: float) -> dict[str, Any]:
    """Return every figure."""
    return {
        "eddsa-jcs-2022": bench_eddsa(seconds),
        "ecdsa-jcs-2019-p256": bench_ecdsa("p256", seconds),
        "ecdsa-jcs-2019-p384": bench_ecdsa("p384", seconds),
        "eddsa-rdfc-2022": bench_rdfc(seconds),
    }


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each turn lasts")
    print(json.dumps({"suites": bench(parser.parse_args().seconds)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

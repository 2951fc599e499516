"""The mutations that scripts/mutations.py applies, in the order of the promises; specs/promises.md tells what each one means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to break a promise.

    Attributes:
        promise: its number, 1 to 7.
        name: kebab-case.
        edits: (file, text that stands there once, text instead).
        tests: pytest node ids that must fail on it.
    """

    promise: int
    name: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        1,
        "a-strangers-key-signs",
        (
            (
                "registry/credentials/verify.py",
                'if proof.verification_method.partition("#")[0] != signer:',
                "if False:",
            ),
            (
                "registry/credentials/verify.py",
                "if key.controller != signer or key.method_id != proof.verification_method:",
                "if False:",
            ),
        ),
        (
            "tests/attacks/test_evidence_attacks.py::test_the_key_of_another_did",
            "tests/attacks/test_evidence_attacks.py::test_the_registry_key_does_not_sign_for_agents",
        ),
    ),
    Mutation(
        1,
        "anybody-speaks-for-the-registry",
        (("registry/history/ground.py", "if credential.issuer != expected:", "if False:"),),
        ("tests/attacks/test_evidence_attacks.py::test_nobody_speaks_for_the_registry",),
    ),
    Mutation(
        1,
        "an-old-key-signs-on",
        (
            (
                "registry/history/sequence.py",
                "if draft.find_key(key.method_id, purpose).public_key != key.public_key:",
                "if False:",
            ),
        ),
        ("tests/attacks/test_evidence_attacks.py::test_a_key_that_is_rotated_out_in_the_same_batch",),
    ),
    Mutation(
        2,
        "the-event-id-covers-the-proof",
        (
            (
                "did_methods/data_integrity.py",
                "return sha256_jcs(unsecured_document(document))",
                "return sha256_jcs(document)",
            ),
        ),
        ("tests/attacks/test_evidence_attacks.py::test_a_second_signature_is_the_same_event",),
    ),
    Mutation(
        2,
        "whatever-verifies-is-logged",
        (("registry/history/statement.py", "if not credential.kind.logged:", "if False:"),),
        ("tests/attacks/test_bad_input.py::test_a_statement_that_does_not_hold",),
    ),
    Mutation(
        3,
        "a-leaf-is-not-compared-with-what-the-log-gives",
        (("registry/history/replay.py", "if sequenced.data != data:", "if False:"),),
        ("tests/audit/test_tampering.py::test_an_edited_frame",),
    ),
    Mutation(
        3,
        "a-restart-trusts-any-snapshot",
        (("registry/services/snapshot.py", "store.right_edge(kept.size).root() == kept.root", "True"),),
        ("tests/services/test_restart.py::test_a_restart_changes_nothing",),
    ),
    Mutation(
        4,
        "idleness-costs-nothing",
        (
            (
                "registry/reputation/score.py",
                "(min(balance, ceiling) * idle) >> POWER_BITS",
                "min(balance, ceiling)",
            ),
            (
                "registry/reputation/score.py",
                "return (standing.cap * idle_factor(standing.cap_ms, now_ms)) >> POWER_BITS",
                "return standing.cap",
            ),
        ),
        ("tests/properties/test_score_laws.py::test_every_day_costs_something_above_the_start",),
    ),
    Mutation(
        4,
        "the-ratchet-lets-go",
        (("registry/reputation/score.py", "        excess = min(excess, cap)\n", "        excess += 0\n"),),
        ("tests/properties/test_score_laws.py",),
    ),
    Mutation(
        4,
        "a-repeated-vouch-adds",
        (("registry/history/live.py", "    if old is not None:\n        _drop(draft, old, statement.kind)\n", ""),),
        ("tests/attacks/test_evidence_attacks.py::test_repeating_a_vouch_replaces_it",),
    ),
    Mutation(
        5,
        "what-was-remembered-outlives-its-proof",
        (("registry/services/decision.py", "now_ms >= known.expires_ms", "now_ms > known.expires_ms"),),
        ("tests/attacks/test_decision_attacks.py::test_a_proof_of_the_same_request_repeats_until_it_expires",),
    ),
    Mutation(
        5,
        "the-record-leaves-a-fact-out",
        (
            (
                "registry/decisions/facts.py",
                '"facts": dict(self.values()),',
                '"facts": {**self.values(), "proof_fault": ""},',
            ),
        ),
        ("tests/api/test_authzen.py::test_each_decision_is_recorded_and_replays",),
    ),
    Mutation(
        6,
        "readers-see-what-is-not-on-the-disk",
        (
            (
                "registry/services/sequencer.py",
                "        turn.edge = edge\n",
                "        turn.edge = edge\n        turn.batch.draft.commit()\n",
            ),
        ),
        (
            "tests/services/test_commit.py::test_a_commit_that_fails_changes_nothing",
            "tests/services/test_commit.py::test_a_quarantine_that_was_not_committed_does_not_bite",
        ),
    ),
    Mutation(
        6,
        "a-broken-proof-counts-as-none",
        (
            (
                "registry/services/decision.py",
                'return _Proof("none", _FAULTS.get(error.code, "proof_invalid"), base64url_encode(digest))',
                "return _Proof()",
            ),
        ),
        ("tests/attacks/test_decision_attacks.py::test_a_broken_proof_is_worse_than_none",),
    ),
    Mutation(
        6,
        "a-batch-passes-the-budget",
        (
            (
                "registry/services/placing.py",
                "        self._admission.count(leaf.parties, leaf.kind, time_ms=time_ms)\n",
                "",
            ),
        ),
        ("tests/attacks/test_floods.py::test_one_batch_holds_no_more_than_the_budget",),
    ),
    Mutation(
        6,
        "an-unread-status-is-a-good-one",
        (
            (
                "registry/services/status.py",
                "        except BonafidesError:\n            return True",
                "        except BonafidesError:\n            return False",
            ),
        ),
        (
            "tests/attacks/test_status_attacks.py::test_a_place_that_is_not_here_is_unread",
            "tests/attacks/test_status_attacks.py::test_a_list_of_somebody_else_frees_nobody",
        ),
    ),
    Mutation(
        6,
        "a-revocation-can-be-taken-back",
        (
            (
                "registry/services/status.py",
                "if shard.kind.purpose == REVOCATION and not value",
                "if False and not value",
            ),
        ),
        (
            "tests/services/test_status.py::test_a_revocation_is_seen_at_once_and_for_ever",
            "tests/services/test_status.py::test_revoking_and_taking_back_at_once",
        ),
    ),
    Mutation(
        6,
        "a-stale-list-is-used",
        (("registry/services/status_elsewhere.py", "return self.from_ms <= now_ms < self.until_ms", "return True"),),
        (
            "tests/services/test_status_elsewhere.py::test_a_copy_is_used_for_its_ttl",
            "tests/services/test_status_elsewhere.py::test_a_stale_copy_is_no_copy",
        ),
    ),
    Mutation(
        3,
        "a-hidden-entry-is-not-missed",
        (
            (
                "registry/client/state_proof.py",
                'if expected is not None:\n        raise ChainIncompleteError("the chain goes on"',
                'if False:\n        raise ChainIncompleteError("the chain goes on"',
            ),
        ),
        ("tests/attacks/test_state_attacks.py::test_an_event_of_the_chain_is_hidden",),
    ),
    Mutation(
        3,
        "an-old-map-is-shown-as-the-newest",
        (("registry/client/state_proof.py", "if found.index != state_checkpoint.checkpoint.size - 1:", "if False:"),),
        ("tests/attacks/test_state_attacks.py::test_an_older_entry_under_the_newest_checkpoint",),
    ),
    Mutation(
        6,
        "a-log-that-was-set-back-is-written-on",
        (("registry/bootstrap_signer.py", "    sequencer.may_write = log.guard.check_may_write\n", ""),),
        ("tests/services/test_rollback_guard.py::test_the_signers_record_knows_more_than_the_database",),
    ),
    Mutation(
        6,
        "a-clock-that-jumped-is-believed",
        (
            (
                "registry/services/log_clock.py",
                "if abs(apart) > CLOCK_JUMP_MS + passed * _SLEW_PER_MS:",
                "if False:",
            ),
        ),
        (
            "tests/services/test_log_clock.py::test_while_the_clock_is_wrong_nothing_new_enters",
            "tests/services/test_log_clock.py::test_a_clock_that_stands_still_is_refused",
        ),
    ),
    Mutation(
        6,
        "a-replica-decides-by-what-it-remembers",
        (
            (
                "registry/decisions/verdict.py",
                "doubt = not consistent or bool(answer.faults) or not facts.log_confirmed",
                "doubt = not consistent or bool(answer.faults)",
            ),
        ),
        (
            "tests/decisions/test_verdict.py::test_a_log_that_nobody_confirmed_is_doubt",
            "tests/services/test_replicas.py::test_a_tail_that_nobody_confirms_allows_nothing",
        ),
    ),
    Mutation(
        6,
        "a-turn-begins-on-an-old-tail",
        (
            (
                "registry/services/sequencer.py",
                "                self._tail.follow(connection)\n",
                "                pass\n",
            ),
        ),
        ("tests/services/test_replicas.py::test_both_write_at_once",),
    ),
    Mutation(
        6,
        "erased-openings-are-taken-again",
        (
            (
                "registry/services/openings.py",
                "if credential.event_id in tables.erased_events or any(did in tables.erased_agents for did in parties):",
                "if False:",
            ),
        ),
        ("tests/services/test_erasure.py::test_what_was_erased_is_not_taken_again",),
    ),
    Mutation(
        7,
        "the-two-hashes-are-swapped",
        (
            (
                "did_methods/data_integrity.py",
                "return sha256_jcs(options) + digest",
                "return digest + sha256_jcs(options)",
            ),
        ),
        ("tests/did_methods/test_data_integrity.py::test_valid_documents_verify",),
    ),
    Mutation(
        7,
        "a-tile-hashes-without-its-prefix",
        (("registry/log/merkle.py", 'sha256(b"\\x00" + entry)', "sha256(entry)"),),
        ("tests/log/test_merkle.py", "tests/log/test_vectors.py"),
    ),
    Mutation(
        7,
        "the-decision-door-takes-any-content-type",
        (
            (
                "registry/api/decision.py",
                '.partition(";")[0].strip().lower() != "application/json":',
                '.partition(";")[0].strip().lower() == "nothing":',
            ),
        ),
        ("tests/api/test_authzen.py::test_a_wrong_content_type_is_400",),
    ),
)

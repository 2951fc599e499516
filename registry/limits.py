"""Every size, count, time and rate limit of a registry, each with its unit and its reason.

The constants are plain integers: whoever wires the parts passes them on, pure rooms receive them as arguments. The
page ``specs/limits.md`` is generated from the annotations below, so a number and its reason cannot drift apart. This
module holds no rules of the score (those are versioned and logged) and nothing that a format fixes for ever, except
where the format's number is also the size a door checks first.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple


class Limit(NamedTuple):
    """What a constant counts, and why it has the value it has."""

    unit: str
    reason: str


# --- Bodies and JSON: checked before anything is parsed -----------------------------------------------------------
EVENT_BODY_BYTES: Annotated[
    int,
    Limit("bytes", "one signed document with its openings; twice the leaf, so that a large one is told by its leaf"),
] = 16_384
REGISTRATION_BODY_BYTES: Annotated[
    int, Limit("bytes", "a presentation, the first did:webvh entry and a passport, each at most a leaf")
] = 32_768
DECISION_BODY_BYTES: Annotated[
    int, Limit("bytes", "an AuthZEN request whose presentation carries a passport and a few capability credentials")
] = 65_536
DECISION_BATCH_BODY_BYTES: Annotated[
    int, Limit("bytes", "a boxcarred AuthZEN request; bounds what one call can make the policy engine do")
] = 262_144
DECISION_BATCH_ITEMS: Annotated[
    int, Limit("evaluations", "one boxcarred call stays well below a gateway's time-out")
] = 100
SMALL_BODY_BYTES: Annotated[int, Limit("bytes", "challenges and other requests of a few members")] = 4_096
BATCH_LINES: Annotated[int, Limit("lines", "one transaction of a batch stays below a second of writer time")] = 1_000
BATCH_BODY_BYTES: Annotated[
    int, Limit("bytes", "a full batch of leaf-sized events; one request cannot hold more memory than this")
] = 8_388_608
BODY_SECONDS: Annotated[
    int, Limit("seconds", "a full batch over a slow line fits; whoever drips bytes holds a connection no longer")
] = 30
JSON_BYTES: Annotated[int, Limit("bytes", "default cap of one JSON text where a door names no smaller one")] = 65_536
JSON_DEPTH: Annotated[
    int, Limit("levels", "far above every format here, far below the parser's own recursion limit")
] = 32
JSON_NODES: Annotated[int, Limit("values", "bounds the work of canonicalisation for one document")] = 20_000
PROOFS_PER_DOCUMENT: Annotated[int, Limit("proofs", "each proof costs a hash and a signature check")] = 8

# --- Anybody's credentials: what one document may make a verifier look at ------------------------------------------
URL_CHARS: Annotated[int, Limit("characters", "one URL, type or time in a foreign document")] = 2_048
CONTEXTS_PER_DOCUMENT: Annotated[int, Limit("contexts", "each is processed; documents in use name two to five")] = 16
SUBJECTS_PER_CREDENTIAL: Annotated[int, Limit("objects", "each is looked at; documents in use have one or two")] = 64
TYPED_ENTRIES: Annotated[int, Limit("objects", "`evidence`, `termsOfUse` and the like: each is looked at")] = 32
SCHEMAS_PER_CREDENTIAL: Annotated[int, Limit("objects", "each bundled one validates the whole credential")] = 4
RELATED_RESOURCES: Annotated[int, Limit("objects", "each known one costs hashes")] = 32
JOSE_HEADER_CHARS: Annotated[int, Limit("characters", "a `kid` that holds a whole key (did:jwk) fits")] = 4_096
JOSE_SIGNATURE_CHARS: Annotated[int, Limit("characters", "the longest signature accepted has 128")] = 256
ENVELOPE_CHARS: Annotated[int, Limit("characters", "a `data:` URL around a JWT of one JSON text")] = 131_072

# --- Log ----------------------------------------------------------------------------------------------------------
LEAF_BYTES: Annotated[int, Limit("bytes", "fixed by the leaf format; a full entry bundle stays below 2 MiB")] = 8_192
PARTIES_PER_LEAF: Annotated[int, Limit("DIDs", "no kind of entry has more signers and subjects than this")] = 8
COMMITMENTS_PER_DOCUMENT: Annotated[
    int, Limit("digests", "64 digests of 43 characters leave half a leaf for the rest")
] = 64
PROOF_RANGE: Annotated[int, Limit("proofs", "one answer of the proof endpoints; more are computed from the tiles")] = (
    256
)
SEQUENCER_BATCH: Annotated[
    int, Limit("statements", "one group commit: beyond it the wait for the disk is shared well enough")
] = 512
SEQUENCER_WAITING: Annotated[
    int, Limit("statements", "waiting for their place; a second or two of work. Beyond it: 503 with Retry-After")
] = 20_000
VERIFY_LEAST_LINES: Annotated[
    int, Limit("lines", "a shorter batch is verified here in less time than handing it to another process is worth")
] = 100
VERIFY_CHUNK_LINES: Annotated[
    int, Limit("lines", "handed over at a time: every core gets some of a batch, and few hand-overs are needed")
] = 125
VERIFY_LEAST_CALLERS: Annotated[
    int, Limit("callers", "with a single statement each; of fewer, statements are verified here, where that is quicker")
] = 3
VERIFY_WAITING: Annotated[
    int,
    Limit(
        "statements", "single ones that wait for another process; further ones are verified here, so none waits long"
    ),
] = 64
VERIFY_PROCESSES: Annotated[
    int, Limit("processes", "most by default: one verifies about as much as the writer places, a second leaves it idle")
] = 2
VERIFY_ANSWER_MS: Annotated[
    int, Limit("ms", "a process that says nothing for so long while it is asked is ended; its work takes a hundredth")
] = 10_000
VERIFY_RESTART_MS: Annotated[
    int, Limit("ms", "between two starts: what ends these processes costs no more than one start in a minute")
] = 60_000
TAIL_PORTION: Annotated[
    int, Limit("entries", "folded at once while following another process; readers wait for it")
] = 512
WAITING_ANSWERS: Annotated[
    int, Limit("requests", "that wait for a checkpoint at one time; beyond it: 503 with Retry-After")
] = 1_000
WAIT_MOST_MS: Annotated[
    int, Limit("ms", "a request waits this long for the level it asked for, then answers with what was reached")
] = 20_000
EVENTS_PAGE: Annotated[int, Limit("entries", "one page of a listing; a client follows the cursor for more")] = 100

HEARTBEAT_INTERVAL_MS: Annotated[
    int, Limit("ms", "between two fresh lines under the checkpoint of a log that does not grow")
] = 600_000
SCRUB_PER_SECOND: Annotated[
    int, Limit("entries per second", "read again in the background: a million in a quarter of an hour, unnoticed")
] = 1_000
SIGN_INTERVAL_MS: Annotated[
    int, Limit("ms", "between two checkpoints of a busy log; one that was quiet signs at once")
] = 1_000
STATE_MAP_INTERVAL_MS: Annotated[
    int, Limit("ms", "a busy log publishes many checkpoints a second; readers of states ask for the newest of them")
] = 1_000
STATE_COMMITS_HELD: Annotated[
    int, Limit("commits", "held apart while publication is held up; beyond it they are merged and share an entry")
] = 4_096
STATE_BUCKETS_KEPT: Annotated[
    int, Limit("buckets", "replaced ones stay readable by their hash for whoever holds an older proof; 1 KiB each")
] = 8_192

# --- Time ---------------------------------------------------------------------------------------------------------
CLOCK_WINDOW_MS: Annotated[
    int, Limit("ms", "newest proof's `created` against log time, both ways: an agent's clock may be this wrong")
] = 600_000
CLOCK_JUMP_MS: Annotated[
    int, Limit("ms", "how far the wall clock may leave the steady one before the log takes no entries, besides slewing")
] = 10_000
WITNESS_TIME_KEPT_MS: Annotated[
    int, Limit("ms", "a witness's word about the time counts this long: heartbeats bring six in it")
] = 3_600_000
TAIL_UNCONFIRMED_MS: Annotated[
    int,
    Limit("ms", "replicas: a decision needs a log tail confirmed no longer ago; a quarantine elsewhere bites by then"),
] = 3_000
WEBVH_FUTURE_MS: Annotated[int, Limit("ms", "did:webvh 1.0 lets `versionTime` lie this far ahead of the resolver")] = (
    300_000
)
CHALLENGE_LIFETIME_MS: Annotated[
    int, Limit("ms", "long enough for an agent that signs in a key service; a challenge is used once")
] = 300_000
PRESENTATION_LIFETIME_MS: Annotated[
    int, Limit("ms", "request-bound presentations may repeat until they expire; this bounds a replay of the same call")
] = 60_000
EPOCH_INTERVAL_MS: Annotated[int, Limit("ms", "votes, roots and rules change at logged epochs, one a day at least")] = (
    86_400_000
)
EPOCH_MINIMUM_GAP_MS: Annotated[
    int, Limit("ms", "an epoch that is due early (roots or votes changed) comes at most this often")
] = 60_000
EPOCH_LATE_MS: Annotated[int, Limit("ms", "the audit flags an automatic epoch that is later than this")] = 3_600_000
EPOCH_CHANGED_VOUCHES_PERMILLE: Annotated[
    int, Limit("per mille", "an epoch is due early when more than this share of the live vouches changed")
] = 10

# --- Floods -------------------------------------------------------------------------------------------------------
DAILY_LEAVES_WITHOUT_VOICE: Annotated[
    int,
    Limit(
        "leaves per DID and day",
        "whoever nobody has vouched for writes at nobody's cost but the log's; entries of its DID log count apart",
    ),
] = 20
DAILY_LEAVES_WITH_VOICE: Annotated[
    int,
    Limit("leaves per DID and day", "above any honest agent seen, low enough that a stolen key cannot fill the log"),
] = 2_000
REGISTRATIONS_PER_SOURCE_HOUR: Annotated[
    int,
    Limit(
        "registrations per address and hour",
        "a fleet behind one address starts within an hour; loopback is free in --dev",
    ),
] = 60
REGISTRATIONS_PER_MINUTE: Annotated[
    int,
    Limit(
        "registrations per minute", "the global share: many sources together cannot crowd out the log's other writers"
    ),
] = 600
OUTSTANDING_CHALLENGES: Annotated[
    int, Limit("challenges", "all unanswered challenges together, about 2 MiB; beyond, new ones are refused")
] = 10_000
OUTSTANDING_CHALLENGES_PER_SOURCE: Annotated[
    int, Limit("challenges per address", "one source cannot push out everybody else's challenges")
] = 200
TRACKED_SOURCES: Annotated[
    int, Limit("addresses", "the counters per source are themselves bounded; the oldest go first")
] = 50_000

# --- Identity -----------------------------------------------------------------------------------------------------
DID_CHARACTERS: Annotated[int, Limit("characters", "checked before a DID is split, decoded or looked up")] = 512
SLUG_CHARACTERS: Annotated[
    int, Limit("characters", "one DNS label's worth for the last part of a hosted did:webvh")
] = 63
WEBVH_LOG_ENTRIES: Annotated[
    int, Limit("entries", "of a hosted log: with each as large as a leaf may be, resolvers still take the whole file")
] = 640
WEBVH_LOG_BYTES: Annotated[
    int, Limit("bytes", "what a resolver takes from one `did.jsonl`, as did:webvh 1.0 suggests")
] = 5_242_880

# --- Foreign DID methods: the child process that resolves them -------------------------------------------------------
FOREIGN_CALL_MS: Annotated[
    int, Limit("ms", "a foreign DID takes the child below one; whatever takes this long is a hang, and ends the child")
] = 2_000
FOREIGN_START_MS: Annotated[
    int, Limit("ms", "an interpreter and the library load in a tenth of it; a busy small machine needs the rest")
] = 15_000
FOREIGN_IDLE_MS: Annotated[
    int, Limit("ms", "a child nobody asked for this long is stopped; the next call pays for a start")
] = 300_000
FOREIGN_BACK_OFF_MS: Annotated[
    int, Limit("ms", "pause after the second failure in a row, doubled by each further one: no loop of crashes")
] = 500
FOREIGN_BACK_OFF_MOST_MS: Annotated[int, Limit("ms", "longest pause: a child that works again is found within it")] = (
    30_000
)
FOREIGN_WAITING: Annotated[
    int, Limit("calls", "callers of the one child at a time, each holding a thread; beyond, they are told to come back")
] = 8
FOREIGN_ANSWER_BYTES: Annotated[
    int, Limit("bytes", "one answer of the child; a foreign document is below 4 KiB, as JSON in JSON below 8")
] = 65_536
FOREIGN_REQUEST_BYTES: Annotated[
    int, Limit("bytes", "one call of the child: a document of the largest size of an older suite, as JSON in JSON")
] = 524_288
FOREIGN_MEMORY_BYTES: Annotated[
    int, Limit("bytes", "data of the child, several times what the library needs; beyond, it dies alone")
] = 536_870_912
FOREIGN_CALLS_PER_CHILD: Annotated[
    int, Limit("calls", "a child is replaced after as many, so that no leak of the library grows for ever")
] = 20_000
FOREIGN_CPU_SECONDS: Annotated[
    int, Limit("seconds", "processor time of one child, ten times what its calls need together")
] = 60

# --- JSON-LD documents: the child processes that expand and canonicalise them ----------------------------------------
JSON_LD_CONTEXT_TERMS: Annotated[
    int,
    Limit(
        "terms", "looked at or copied while contexts are applied: ten times what a credential with five contexts needs"
    ),
] = 60_000
JSON_LD_QUADS: Annotated[
    int, Limit("statements", "of one document: twice what a body of the largest size says in honest credentials")
] = 4_000
JSON_LD_TWINS: Annotated[
    int,
    Limit("blank nodes", "that look alike at first sight in one document: telling them apart may take for ever"),
] = 500
JSON_LD_CALL_MS: Annotated[
    int,
    Limit("ms", "a credential takes the child a few; whatever takes this long is a poisoned graph, and ends the child"),
] = 1_500
JSON_LD_START_MS: Annotated[
    int, Limit("ms", "an interpreter, the libraries and the contexts load in a tenth of it on a quiet machine")
] = 15_000
JSON_LD_CHILDREN: Annotated[
    int, Limit("processes", "one is enough for most; the second works while the first is held up by a poisoned graph")
] = 2
JSON_LD_WAITING: Annotated[
    int, Limit("calls", "callers at a time, each holding a thread; beyond, they are told to come back")
] = 16
JSON_LD_REQUEST_BYTES: Annotated[
    int, Limit("bytes", "one call of the child: a document of the largest size and its proof options")
] = 262_144
JSON_LD_ANSWER_BYTES: Annotated[
    int, Limit("bytes", "canonical statements of one call; a statement of honest credentials has below 300 bytes")
] = 4_194_304
JSON_LD_MEMORY_BYTES: Annotated[
    int, Limit("bytes", "data of a child, several times what the largest document needs; beyond, it dies alone")
] = 536_870_912
JSON_LD_CALLS_PER_CHILD: Annotated[
    int, Limit("calls", "a child is replaced after as many, so that no leak of the libraries grows for ever")
] = 50_000
JSON_LD_CPU_SECONDS: Annotated[
    int, Limit("seconds", "processor time of one child, several times what its calls need together")
] = 900

# --- DIDs hosted elsewhere, and logs witnessed for others ------------------------------------------------------------
OBSERVATION_GAP_MS: Annotated[
    int, Limit("ms", "between two looks at one agent's DID elsewhere, whoever asks: its host is not ours to load")
] = 60_000
OBSERVATIONS_PER_DID_DAY: Annotated[
    int, Limit("leaves per DID and day", "changes that are logged; as many as any DID without a voice may sign")
] = 20
OBSERVATIONS_AT_A_TIME: Annotated[
    int, Limit("looks", "each holds a thread while another host answers; beyond, callers are told to come back")
] = 8
OBSERVATIONS_PER_SOURCE_HOUR: Annotated[
    int, Limit("requests per address and hour", "an agent that rotates asks once; a hand on the button asks no more")
] = 30
OBSERVATIONS_PER_MINUTE: Annotated[int, Limit("requests per minute", "all sources together")] = 60
DID_WITNESS_BODY_BYTES: Annotated[
    int, Limit("bytes", "a did:webvh log of some hundred entries as a JSON text, with its earlier witness proofs")
] = 1_048_576
DID_WITNESS_PER_SOURCE_HOUR: Annotated[
    int, Limit("requests per address and hour", "an agent asks once a rotation; verifying a long log costs a second")
] = 60
DID_WITNESS_PER_MINUTE: Annotated[
    int, Limit("requests per minute", "all sources together: a tenth of one processor at the usual length")
] = 120
DID_LOGS_WITNESSED: Annotated[
    int, Limit("logs", "newest version witnessed of each, with its proof, about 600 MiB; beyond, new ones are refused")
] = 1_000_000

# --- Fetching from other hosts, and what is kept of it --------------------------------------------------------------
FETCH_TOTAL_MS: Annotated[
    int, Limit("ms", "look-up, connection and answer of one file; a did:webvh with witnesses needs two, below 30 s")
] = 10_000
FETCH_URL_CHARACTERS: Annotated[int, Limit("characters", "several times what a DID of the allowed length makes")] = (
    2_048
)
FETCH_HEAD_BYTES: Annotated[int, Limit("bytes", "status line and header fields; servers refuse half of it from us")] = (
    16_384
)
FETCH_AT_A_TIME: Annotated[
    int, Limit("fetches", "connections of the process to other hosts, each holding a thread; beyond, callers wait")
] = 16
FETCH_AT_A_TIME_PER_HOST: Annotated[
    int, Limit("fetches per host", "a host that answers slowly holds a quarter of the connections, not all")
] = 4
FETCH_PER_HOST_MINUTE: Annotated[
    int, Limit("fetches per host and minute", "nobody's host is flooded on a stranger's behalf; results are cached")
] = 30
FETCH_PER_ADDRESS_MINUTE: Annotated[
    int, Limit("fetches per address and minute", "many names of one address share it; hosts of pages serve many")
] = 120
FETCH_PER_MINUTE: Annotated[
    int, Limit("fetches per minute", "all hosts together: the registry is no one's amplifier")
] = 600
FETCH_ADDRESSES_TRIED: Annotated[
    int, Limit("addresses", "of one host; the second and third are for hosts with two families")
] = 3
FETCH_NAMES_REMEMBERED: Annotated[
    int, Limit("names", "hosts, and addresses, whose rates are counted; the one idle longest goes first")
] = 4_096
RESOLUTION_TTL_MS: Annotated[
    int, Limit("ms", "results of methods that state no `ttl`: a changed did:web is seen within it")
] = 300_000
RESOLUTION_TTL_MOST_MS: Annotated[
    int, Limit("ms", "longest a stated `ttl` is believed: a lost key's rotation is seen within a day")
] = 86_400_000
RESOLUTION_FAILURE_TTL_MS: Annotated[
    int, Limit("ms", "a failure is repeated from memory for so long; a host that comes back is seen soon")
] = 15_000
RESOLUTION_RESULTS: Annotated[
    int, Limit("results", "of DIDs elsewhere, and again of DIDs here; the one unused longest goes first")
] = 4_096
RESOLUTION_FILE_BYTES: Annotated[
    int, Limit("bytes", "logs of DIDs elsewhere that are kept to answer for earlier versions; a dozen of the largest")
] = 67_108_864
RESOLUTION_VERSIONS: Annotated[
    int, Limit("versions", "of hosted logs, unfolded to answer for earlier ones; four logs of full length")
] = 4_096
RESOLUTION_REQUESTS_AT_A_TIME: Annotated[
    int, Limit("requests", "of DIDs elsewhere, each holding a thread; more than fetches, for methods that need none")
] = 24
RESOLUTION_REQUESTS_WAITING: Annotated[
    int, Limit("requests", "more, for a thread of those; beyond, callers are told to come back")
] = 64
RESOLUTION_REQUESTS_PER_SOURCE: Annotated[
    int, Limit("requests per address", "of those at a time: whoever asks for hosts that hang leaves most to others")
] = 8
RESOLUTION_HISTORIES_AT_A_TIME: Annotated[
    int, Limit("requests", "of earlier versions of hosted DIDs, verified anew: work for a processor, not waiting")
] = 2
RESOLUTION_HISTORIES_WAITING: Annotated[
    int, Limit("requests", "more, for one of those; a long log takes a second, so half a minute at the worst")
] = 32
DID_VERSIONS_REMEMBERED: Annotated[
    int, Limit("logs", "newest version seen of each did:webvh elsewhere, about 200 MiB; beyond, new ones are not kept")
] = 1_000_000

# --- Status lists: our own, and those of others -------------------------------------------------------------------
STATUS_LIST_ENTRIES: Annotated[
    int, Limit("entries", "of each list made here: the least that hides one among them; 16 KiB at one bit")
] = 131_072
STATUS_LIST_FILLED: Annotated[
    int,
    Limit("entries", "given out in one list, half of it: a free place is found at the second try, whatever the fill"),
] = 65_536
STATUS_LIST_TTL_MS: Annotated[
    int, Limit("ms", "`ttl` of our lists: whoever keeps a copy sees a revocation within it; here it is seen at once")
] = 60_000
STATUS_LIST_PERIOD_MS: Annotated[
    int, Limit("ms", "our lists are valid to the end of the period after the one they were signed in: a replay dies")
] = 3_600_000
STATUS_MESSAGE_CHARACTERS: Annotated[
    int, Limit("characters", "all meanings of one list of messages together, which stand in each of its entries")
] = 4_096
STATUS_ENTRIES_PER_CREDENTIAL: Annotated[
    int, Limit("entries", "statuses of one credential: each purpose once, and each costs a look into a list")
] = 8
STATUS_LIST_BYTES: Annotated[
    int,
    Limit("bytes", "of others' lists, unpacked: sixteen million entries of one bit; a bomb is dropped at this size"),
] = 2_097_152
STATUS_LIST_DOCUMENT_BYTES: Annotated[
    int, Limit("bytes", "of others' lists as fetched: statuses like coin tosses do not pack, and base64 adds a third")
] = 3_145_728
STATUS_TTL_MS: Annotated[int, Limit("ms", "others' lists that state no `ttl` are fetched again after it")] = 300_000
STATUS_TTL_LEAST_MS: Annotated[
    int, Limit("ms", "shortest a stated `ttl` is kept to: the host of a list is asked no more often")
] = 10_000
STATUS_TTL_MOST_MS: Annotated[
    int, Limit("ms", "longest a stated `ttl` is believed: a revocation elsewhere is seen within a quarter of an hour")
] = 900_000
STATUS_FAILURE_TTL_MS: Annotated[
    int, Limit("ms", "a list that was not had is not asked for again so soon; until then its entries are unreadable")
] = 10_000
STATUS_LISTS_KEPT: Annotated[int, Limit("lists", "of others; the one unused longest goes first")] = 1_024
STATUS_LISTS_KEPT_BYTES: Annotated[int, Limit("bytes", "of others' lists, unpacked, all together")] = 67_108_864
STATUS_REFRESHES_WAITING: Annotated[
    int,
    Limit("lists", "to be fetched for decisions that did not wait; more are dropped, because whoever asks asks again"),
] = 32
STATUS_REFRESHES_PER_ISSUER: Annotated[
    int, Limit("lists", "of those, named by credentials of one issuer: hosts that hang delay nobody else's lists")
] = 4
STATUS_REFRESHES_AT_A_TIME: Annotated[
    int, Limit("fetches", "of those, each holding a thread for 10 s at the worst")
] = 8

# --- Witnesses ----------------------------------------------------------------------------------------------------
WITNESS_TIMEOUT_MS: Annotated[
    int, Limit("ms", "all that one witness gets for one checkpoint, retries included; they are asked side by side")
] = 1_000
WITNESS_ANSWER_BYTES: Annotated[
    int, Limit("bytes", "sixteen post-quantum cosignatures; a witness sends one or two")
] = 65_536
WITNESS_RETRIES: Annotated[
    int, Limit("retries", "after a 409: the size may have moved once while we asked, not again and again")
] = 2
WITNESS_CLOCK_MS: Annotated[
    int, Limit("ms", "how far a cosignature's time may lie from ours: it is what freshness is read from")
] = 300_000
WITNESS_INTERVAL_MS: Annotated[
    int, Limit("ms", "between two checkpoints that witnesses are asked about: a busy log asks each once a second")
] = 1_000
WITNESS_PAUSE_MOST_MS: Annotated[
    int, Limit("ms", "longest pause after failures: a witness that is back is asked again within it")
] = 10_000
WITNESS_REQUESTS_PER_DAY: Annotated[
    int, Limit("requests per witness and day", "one a second with room for retries; the setting may name fewer")
] = 100_000
LOGS_WITNESSED: Annotated[
    int, Limit("logs", "named one by one by the operator; a note of each is kept for every size")
] = 1_000
WITNESS_NOTES_KEPT: Annotated[
    int, Limit("notes per log", "whole notes, so that an old view can be held against them; about 4 MiB a log")
] = 10_000
EVIDENCE_KEPT: Annotated[int, Limit("files", "each costs a log its name; beyond, evidence is logged and not kept")] = (
    1_000
)
GOSSIP_PER_SOURCE_HOUR: Annotated[
    int, Limit("requests per address and hour", "a client that walks about with a note a minute")
] = 3_600
GOSSIP_PER_MINUTE: Annotated[
    int, Limit("requests per minute", "gossip and cosigning, all sources together: a signature check and a write each")
] = 6_000
TILES_KEPT: Annotated[int, Limit("tiles", "full tiles of 8 KiB in memory, for auditors who read the same ones")] = 512
BUNDLES_COMPRESSED: Annotated[
    int, Limit("bundles", "full entry bundles kept compressed, a few MiB: a reader of the whole log comes once")
] = 32

# --- Credentials of others: issued and verified for whoever asks --------------------------------------------------
CREDENTIAL_BODY_BYTES: Annotated[
    int, Limit("bytes", "a credential to be issued or verified; the largest of the test suites is below a tenth")
] = 262_144
PRESENTATION_BODY_BYTES: Annotated[
    int, Limit("bytes", "a presentation of eight such credentials of usual size; bounds what is parsed for one call")
] = 524_288
VERIFICATION_DIDS: Annotated[
    int, Limit("DIDs", "that are resolved elsewhere for one request: each presented credential has an issuer")
] = 8
VERIFICATION_WAIT_MS: Annotated[
    int, Limit("ms", "for other hosts, of one request: no further host is asked once it is over")
] = 15_000
VERIFICATIONS_AT_A_TIME: Annotated[
    int,
    Limit("requests", "each holds a thread; two at work leave the interpreter to decisions, the rest wait for hosts"),
] = 4
VERIFICATIONS_WAITING: Annotated[
    int, Limit("requests", "more, for one of those; beyond, callers are told to come back")
] = 32
VERIFICATIONS_PER_SOURCE: Annotated[
    int, Limit("requests per address", "of those at a time: one source fills a quarter of the queue at most")
] = 8

# --- Score --------------------------------------------------------------------------------------------------------
CONTEXTS_PER_PAIR: Annotated[
    int, Limit("contexts", "fixed by the format: a pair's edge weighs 1/k with k at most this")
] = 8
ROOTS: Annotated[int, Limit("DIDs", "a root list fits in one leaf, and every root can be looked at by a person")] = 64

DISCLOSURE_FILE_BYTES: Annotated[int, Limit("bytes", "64 openings of the longest form, and their frame")] = 589_824
STANDING_VALID_MS: Annotated[
    int, Limit("ms", "of a signed standing: a quarantine, and new reports, are seen within the hour")
] = 3_600_000

# --- Decisions ----------------------------------------------------------------------------------------------------
DECISION_RECORD_BUFFER: Annotated[
    int, Limit("records", "buffered decision records not yet on disk; when full, the next decision waits for the disk")
] = 4_096
DECISION_RECORD_FLUSH_MS: Annotated[int, Limit("ms", "the loss window of `buffered` decision records")] = 200
PRESENTED_CREDENTIALS: Annotated[int, Limit("credentials", "each one in a presentation costs a signature check")] = 8
REMEMBERED_REQUESTS: Annotated[
    int, Limit("requests", "decision requests that were read, by their bytes; an agent at work repeats itself")
] = 1_024
REMEMBERED_REQUEST_BYTES: Annotated[
    int, Limit("bytes", "larger requests are read anew each time, so that those remembered stay below 64 MiB in all")
] = 8_192
REMEMBERED_PROOFS: Annotated[
    int, Limit("results", "proof results kept by digest of bytes and key, so nothing is verified twice")
] = 65_536
REMEMBERED_PRESENTATIONS: Annotated[
    int, Limit("presentations", "challenge-bound ones used within their lifetime; beyond this, new ones are refused")
] = 100_000

# --- Audit --------------------------------------------------------------------------------------------------------
AUDIT_SAVE_EVERY_S: Annotated[
    int, Limit("s", "how far an audit has come is kept this often; an interruption at a bundle's end loses nothing")
] = 30
AUDIT_SPOT_BUNDLES: Annotated[
    int,
    Limit("bundles", "of what earlier audits verified, drawn at random and hashed again in each audit that goes on"),
] = 16
AUDIT_WITNESSED_NOTES: Annotated[
    int, Limit("notes", "with cosignatures, kept between audits to place entries in time; the oldest go first")
] = 256

# --- Database -----------------------------------------------------------------------------------------------------
DATABASE_CONNECTIONS: Annotated[
    int,
    Limit("connections", "kept open for writing, and as many for reading, by one process; twice as many under load"),
] = 6
DATABASE_CONNECT_S: Annotated[int, Limit("s", "for a connection to PostgreSQL, or for a free one of this process")] = 5
DATABASE_IDLE_MS: Annotated[
    int, Limit("ms", "a process that stands still inside a transaction loses it, and another one goes on")
] = 5_000
DATABASE_EPOCH_MS: Annotated[
    int, Limit("ms", "the same for a turn in which an epoch is computed; other replicas refuse to write meanwhile")
] = 60_000
DATABASE_HELD_MS: Annotated[
    int, Limit("ms", "the same for a lock that is held while witnesses are asked or files are written")
] = 15_000
DATABASE_LOCK_WAIT_MS: Annotated[
    int, Limit("ms", "for a lock that another process has: longer than one that stands still keeps it")
] = 8_000
DATABASE_STATEMENT_MS: Annotated[int, Limit("ms", "one statement; the longest here reads a batch of entries")] = 30_000
DATABASE_SILENCE_MS: Annotated[
    int, Limit("ms", "a connection on which nothing is acknowledged for so long is given up")
] = 10_000
STATUSES_UNCONFIRMED_MS: Annotated[
    int, Limit("ms", "replicas: after this without a look at the database our own status lists count for nobody")
] = 3_000
SHARED_CHANGES_POLL_MS: Annotated[
    int, Limit("ms", "how old what another process changed may be here at most, if no word of it comes through")
] = 500
DATABASE_MIGRATION_MS: Annotated[
    int, Limit("ms", "a migration, or waiting for the one of another process that started at the same time")
] = 600_000
BACKUP_MEMBER_BYTES: Annotated[
    int, Limit("bytes", "one file inside a backup, unpacked; they are written in portions of 4 MiB")
] = 67_108_864

# --- Streams of the log -------------------------------------------------------------------------------------------
STREAMS: Annotated[
    int, Limit("streams", "open at a time in one process; each costs a look at the log's end five times a second")
] = 256
STREAMS_PER_SOURCE: Annotated[int, Limit("streams per address", "of those: one source takes a sixteenth at most")] = 16
STREAM_BACKLOG: Annotated[
    int,
    Limit("entries", "that a stream catches up on; whoever is further behind reads entry bundles, which caches serve"),
] = 100_000
STREAM_PORTION: Annotated[int, Limit("entries", "read and sent at once: half a megabyte of the longest")] = 64
STREAM_SEND_S: Annotated[int, Limit("s", "for a reader to take a portion; one that takes nothing is left")] = 30
STREAM_HEARTBEAT_S: Annotated[
    int, Limit("s", "without an entry, after which a comment says that the stream is alive")
] = 15
STREAM_LIFE_S: Annotated[int, Limit("s", "of one stream; readers come again with the id of the last entry")] = 3_600

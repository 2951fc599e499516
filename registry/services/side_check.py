"""What stands beside the log and follows from none of its entries, as far as it can be held against itself: fsck's last part.

Statuses are what their history says. The notes that this registry keeps as a witness are what their rows say, signed by the log's key,
and each piece of evidence convinces. Whether a row is missing nobody can tell.

Spec: specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import select

from did_methods.errors import BonafidesError
from registry.credentials.status_list import write_bits
from registry.log.checkpoint import verify_checkpoint
from registry.log.note import parse_note_key
from registry.log.split_view import parse_split_view, verify_split_view
from registry.services.check_report import CheckReport
from registry.storage.log_rows import TableRows
from registry.storage.tables import SPLIT_VIEW, STATUS_CHANGE, STATUS_ENTRY, STATUS_LIST, WITNESS_NOTE, WITNESSED_LOG


def check_statuses(rows: TableRows, report: CheckReport) -> None:
    """Make the bits of each status list again from its history, and compare.

    Args:
        rows: of the database.
        report: told what differs.
    """
    given: dict[int, set[int]] = {}
    for number, position in rows.rows(select(STATUS_ENTRY.c.list_number, STATUS_ENTRY.c.position)):
        given.setdefault(number, set()).add(position)
    newest: dict[int, dict[int, int]] = {}
    columns = (STATUS_CHANGE.c.list_number, STATUS_CHANGE.c.position, STATUS_CHANGE.c.value)
    for number, position, value in rows.rows(select(*columns).order_by(STATUS_CHANGE.c.number)):
        newest.setdefault(number, {})[position] = value
        if position not in given.get(number, ()):
            report.differs("status_change", f"list {number}, position {position}", "nobody was given that place")
    lists = select(STATUS_LIST.c.number, STATUS_LIST.c.size, STATUS_LIST.c.bits, STATUS_LIST.c.used)
    for number, size, bits, used in rows.rows(lists):
        if _bits(newest.pop(number, {}), size, length=len(bits)) != bits:
            report.differs("status_list", f"list {number}", "a status is not what was set last")
        if used != len(given.pop(number, ())):
            report.differs("status_entry", f"list {number}", "not as many places as were given out")
    for table, left in (("status_entry", given), ("status_change", newest)):
        for number in left:
            report.differs(table, f"list {number}", "there is no such list")


def _bits(values: dict[int, int], size: int, *, length: int) -> bytes:
    bits = bytearray(length)
    for position, value in values.items():
        if (position + 1) * size <= 8 * length:
            write_bits(bits, position, size, value)
    return bytes(bits)


def check_witness_memory(rows: TableRows, report: CheckReport) -> None:
    """Verify every note and every piece of evidence that is kept of other logs.

    Args:
        rows: of the database.
        report: told what differs.
    """
    keys = {}
    for origin, text in rows.rows(select(WITNESSED_LOG.c.origin, WITNESSED_LOG.c.key)):
        try:
            keys[origin] = parse_note_key(text)
        except BonafidesError as error:
            report.differs("witnessed_log", origin, f"no key: {error.code}")
    columns = (WITNESS_NOTE.c.origin, WITNESS_NOTE.c.size, WITNESS_NOTE.c.root, WITNESS_NOTE.c.note)
    for origin, size, root_hash, note in rows.rows(select(*columns)):
        if origin not in keys:
            continue  # it is witnessed no more, and the key that its notes were signed with is not kept
        try:
            head = verify_checkpoint(note, origin=origin, key=keys[origin]).checkpoint
        except BonafidesError as error:
            report.differs("witness_note", f"{origin}, size {size}", f"it does not verify: {error.code}")
            continue
        if (head.size, head.root_hash) != (size, root_hash):
            report.differs("witness_note", f"{origin}, size {size}", "the note says another size or root")
    for digest, origin, data in rows.rows(select(SPLIT_VIEW.c.digest, SPLIT_VIEW.c.origin, SPLIT_VIEW.c.data)):
        try:
            found = verify_split_view(parse_split_view(data)).origin
        except BonafidesError as error:
            report.differs("split_view", f"evidence {digest.hex()}", f"it shows nothing: {error.code}")
            continue
        if (found, sha256(data).digest()) != (origin, digest):
            report.differs("split_view", f"evidence {digest.hex()}", "it is of another log, or under another name")

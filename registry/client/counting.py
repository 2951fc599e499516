"""Counted statements: each says which one of its issuer's it is, so that one which the log lacks leaves a gap.

The number is taken, durably, before the statement is sent, and given back only where the registry says that it refuses the
statement. What was not answered is sent again, as the same event, before the next one gets a number; what was answered
without a valid acceptance keeps its number and is left behind: that is the gap which shows.

Spec: specs/kinds/README.md "Counted statements".
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode, parse_json_object
from did_methods.data_integrity import event_id, sign_document
from did_methods.errors import DidError
from registry.client.errors import (
    AcceptanceError,
    CounterFileError,
    CounterPlaceError,
    RegistryAnswerError,
    RegistryRefusedError,
)
from registry.client.speaker import Receipt, Speaker
from registry.credentials.commitments import Disclosure
from registry.credentials.kinds import KINDS_BY_TYPE
from registry.durable_file import write_durably

FORMAT = "bonafides/counter/1"
MAX_BYTES = 65_536
_RETRY = 429


@dataclass(frozen=True, slots=True)
class Count:
    """Where a counter stands.

    Attributes:
        number: of the newest counted statement; 0 before the first.
        event: its event id, base64url; empty before the first.
        unanswered: that statement, without a proof, where it is not known to be in the log; else None.
    """

    number: int = 0
    event: str = ""
    unanswered: dict[str, Any] | None = None


class Counter:
    """An issuer's counter in a file beside its keys; one process at a time.

    Args:
        file: made at the first statement.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the counter against other processes of the same agent."""
        descriptor = os.open(self._file.with_name(self._file.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def load(self) -> Count:
        """Return where the counter stands.

        Raises:
            CounterFileError: ``counter_file_malformed``; to begin again at 1 would count twice.
        """
        if not self._file.exists():
            return Count()
        try:
            wire = parse_json_object(self._file.read_bytes(), max_bytes=MAX_BYTES)
        except DidError as error:
            raise CounterFileError from error
        number, event, unanswered = wire.get("number"), wire.get("event"), wire.get("unanswered")
        if wire.get("format") != FORMAT or type(number) is not int or number < 0 or not isinstance(event, str):
            raise CounterFileError
        if unanswered is not None and not isinstance(unanswered, dict):
            raise CounterFileError
        return Count(number, event, unanswered)

    def save(self, count: Count) -> None:
        """Replace the file, durably and in one step."""
        wire = {"format": FORMAT, "number": count.number, "event": count.event, "unanswered": count.unanswered}
        write_durably(self._file, canonicalize(wire) + b"\n")


class CountingSpeaker(Speaker):
    """A speaker that counts its log statements while `counted` is set.

    Attributes:
        counted: whether statements made from now on are counted. Receipts, which two sign, are not.
    """

    counted = False

    def submit(
        self, document: Mapping[str, Any], *, disclosures: Sequence[Disclosure] = (), share: bool = True
    ) -> Receipt:
        """Send a signed statement, counted where that is asked for and it can be; see `Speaker.submit`.

        Raises:
            CounterPlaceError: ``counter_needs_key_file``.
            CounterFileError: ``counter_file_malformed``.
            BonafidesError: as `Speaker.submit`.
        """
        if not self.counted or not self._is_countable(document):
            return super().submit(document, disclosures=disclosures, share=share)
        if self._files is None:
            raise CounterPlaceError
        counter = Counter(self._files.counter)
        with counter.held():
            count = self._settle(counter, counter.load())
            number = {"number": count.number + 1} | ({"previous": count.event} if count.number else {})
            unsigned = {name: value for name, value in document.items() if name != "proof"} | {"sequence": number}
            taken = Count(count.number + 1, base64url_encode(event_id(unsigned)), unsigned)
            counter.save(taken)
            receipt = self._send_counted(counter, taken, back=count, disclosures=disclosures, share=share)
            counter.save(Count(taken.number, taken.event))
            return receipt

    def _is_countable(self, document: Mapping[str, Any]) -> bool:
        types = document.get("type")
        kind = KINDS_BY_TYPE.get(types[1]) if isinstance(types, list) and len(types) > 1 else None
        own = document.get("issuer") == self.did and "sequence" not in document
        return own and kind is not None and kind.logged and kind.log_statement and kind.proofs == (1,)

    def _settle(self, counter: Counter, count: Count) -> Count:
        """Send again what was not answered; return the counter without it."""
        if count.unanswered is None:
            return count
        sequence = count.unanswered.get("sequence", {})
        back = Count(count.number - 1, str(sequence.get("previous", "")))
        try:
            self._send_counted(counter, count, back=back)
        except (AcceptanceError, RegistryAnswerError):
            left = Count(count.number, count.event)  # the number stays taken: this is the gap that shows
        except RegistryRefusedError as error:
            if _is_passing(error):
                raise
            left = back
        else:
            left = Count(count.number, count.event)
        counter.save(left)
        return left

    def _send_counted(
        self,
        counter: Counter,
        taken: Count,
        *,
        back: Count,
        disclosures: Sequence[Disclosure] = (),
        share: bool = True,
    ) -> Receipt:
        """Sign a counted statement for now and send it; its event id does not depend on when."""
        assert taken.unanswered is not None, "it was just taken, or is still to be sent"
        now_ms = self._clock.now_ms()
        signed = sign_document(taken.unanswered, signer=self.signer, created=now_ms, domain=self._origin())
        try:
            return super().submit(signed, disclosures=disclosures, share=share)
        except RegistryRefusedError as error:
            if not _is_passing(error):
                counter.save(back)
            raise


def _is_passing(error: RegistryRefusedError) -> bool:
    """Say whether the registry may take the same statement later."""
    return error.status == _RETRY or error.status >= 500  # noqa: PLR2004 - HTTP's own class

"""Writes what the viewer receives to a file, beside its work: for where no recorder is at hand."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from nodes.record import Record
from pipeline import EventPacket
from pipeline.errors import RetinaError

_MOST_WAITING = 2048


class Tap:
    """A ``record`` node in a thread of its own, fed with the packets that came to the viewer.

    The viewer's edges drop packets where it is slow, and so does the tap where the disk is: the
    recorder sees by the packets' numbers that they are missing, and says INCOMPLETE. Raises
    RetinaError where the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._record = Record(path=str(path), overwrite=True)
        self._record.start()
        self._packets: queue.Queue[EventPacket | None] = queue.Queue(_MOST_WAITING)
        self._journal: dict[str, object] = {}
        self._record.journal = self._journal.update
        self.problem = ""
        self.path = path
        self._thread = threading.Thread(target=self._work, name="viewer's recorder", daemon=True)
        self._thread.start()

    def put(self, packet: EventPacket) -> None:
        """Take a packet; never waits."""
        try:
            self._packets.put_nowait(packet)
        except queue.Full:
            return

    def _work(self) -> None:
        record = self._record
        try:
            while (packet := self._packets.get()) is not None:
                list(record.feed(packet))
            list(record.finish())
        except RetinaError as error:
            self.problem = str(error)
        finally:
            record.stop()

    def facts(self) -> dict[str, str | int | float]:
        """Return what the file holds so far, as a ``record`` node tells it."""
        return self._record.facts()

    def words(self) -> list[str]:
        """Return what the file lacks."""
        return [self.problem] if self.problem else self._record.words()

    def stop(self) -> str:
        """Close the file; return in words what is in it and what it lacks."""
        if self._thread.is_alive():
            self._packets.put(None)
            self._thread.join()
        if self.problem:
            return self.problem
        entry = self._journal
        seconds, events = entry.get("duration_s", 0.0), entry.get("events", 0)
        missing = entry.get("missing") or []
        assert isinstance(missing, list)
        lack = f"; INCOMPLETE: {'; '.join(missing)}" if missing else ""
        if not entry.get("recording"):
            return f"{self.path}: no file, for no events came"
        return f"{self.path}: {events:,} events, {seconds:.3f} s{lack}"

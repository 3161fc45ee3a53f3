"""What a consumer has taken: booked in its account, and told to its producer as credit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.board import EdgeBoard, EdgeSlot
from pipeline.channel.protocol import Grant, Policy
from pipeline.clock import Clock
from pipeline.latency import bucket
from pipeline.packets import Packet

_BEAT_NS = 100_000_000
_MANY_EVENTS = 1 << 18
"""So many events are worth a word to the producer, however few packets they came in."""

_SOON_NS = 2_000_000
"""So long after its last word a ``latest`` consumer asks for more, however few it has taken."""

# Plain numbers: looking up an enumeration's member costs more than the counting.
_MAX_US = int(EdgeSlot.LATENCY_MAX_US)
_EVENTS = int(EdgeSlot.DELIVERED_EVENTS)
_PACKETS = int(EdgeSlot.DELIVERED_PACKETS)
_T = int(EdgeSlot.DELIVERED_T)
_LATENCY = int(EdgeSlot.LATENCY)


class Counts(NamedTuple):
    """Packets taken, events delivered and packets rejected, of one producer."""

    packets: int
    events: int
    rejected: int


class Receipts:
    """A consumer's side of an edge's account.

    account    cells of the board, which outlive this process
    tell       says a Grant to the producer
    told_ns    when the counts were last told; 0 where nobody has ever listened
    """

    def __init__(
        self,
        account: EdgeBoard,
        policy: Policy,
        window: int,
        clock: Clock,
        tell: Callable[[Grant], None],
    ) -> None:
        self.account = account
        self.told_ns = 0
        self._policy = policy
        self._window = window
        self._clock = clock
        self._tell = tell
        self._batch = max(1, window // 4)
        self._events_since = 0
        self._together = [0, 0]
        """Packets and events since this was last asked of ``unhurried``."""
        if account[EdgeSlot.LEDGER] == 0:
            self._forget()
        self._load()

    @property
    def counts(self) -> Counts:
        """What was taken of the producer whose account is open."""
        account = self.account
        rejected = account[EdgeSlot.REJECTED_PACKETS] - account[EdgeSlot.OFFSET_REJECTED]
        delivered = account[EdgeSlot.DELIVERED_PACKETS] - account[EdgeSlot.OFFSET_PACKETS]
        events = account[EdgeSlot.DELIVERED_EVENTS] - account[EdgeSlot.OFFSET_EVENTS]
        return Counts(delivered + rejected, events, rejected)

    def open(self, ledger: int) -> None:
        """Count for the producer with this ledger: from where it stands, or from now on."""
        if ledger != self.account[EdgeSlot.LEDGER]:
            self.account[EdgeSlot.LEDGER] = ledger
            self._forget()
            self._load()

    def _forget(self) -> None:
        """Open a new account: whatever was counted before belongs to another producer."""
        account = self.account
        account[EdgeSlot.OFFSET_REJECTED] = account[EdgeSlot.REJECTED_PACKETS]
        account[EdgeSlot.OFFSET_PACKETS] = account[EdgeSlot.DELIVERED_PACKETS]
        account[EdgeSlot.OFFSET_EVENTS] = account[EdgeSlot.DELIVERED_EVENTS]

    def _load(self) -> None:
        self._taken = self._granted = self.counts.packets

    def book(self, taken: Sequence[tuple[Packet, int]]) -> None:
        """Count packets as delivered, each with the time in ns at which the node took it up."""
        account = self.account
        cells, base = account.cells, account.base
        histogram = base + _LATENCY
        longest = longest_before = cells[base + _MAX_US]
        events = 0
        for packet, arrived_ns in taken:
            born_ns = packet.header.born_ns
            events += packet.size
            if born_ns:
                us = (arrived_ns - born_ns) // 1000
                cells[histogram + bucket(us)] += 1
                longest = max(longest, us)
        if longest > longest_before:
            cells[base + _MAX_US] = longest
        cells[base + _EVENTS] += events
        cells[base + _T] = taken[-1][0].header.t_end
        cells[base + _PACKETS] += len(taken)
        self._taken += len(taken)
        self._events_since += events
        self._together[0] += len(taken)
        self._together[1] += events
        if self._taken - self._granted >= self._batch or self._events_since >= _MANY_EVENTS:
            self.grant()
        else:
            self.grant_overdue()

    def reject(self) -> None:
        """Count a packet that was no valid one: it was taken, and not delivered."""
        self.account.add(EdgeSlot.REJECTED_PACKETS, 1)
        self._taken += 1
        if self._taken - self._granted >= self._batch:
            self.grant()

    def grant(self, *, idle: bool = False) -> None:
        """Tell the producer what was taken, which lets it send as much again."""
        now = self._clock.now_ns()
        if self._taken == self._granted and now - self.told_ns < _BEAT_NS:
            return
        self._told(now)
        self._tell(Grant(*self.counts, idle))

    def grant_overdue(self) -> None:
        """Tell the producer of a ``latest`` edge what was taken, if the last word is long ago.

        What is not told of it takes for lagging, and holds back what comes next: it must not wait
        for more packets, nor for a moment without any from anyone.
        """
        if self._taken == self._granted or self._policy != "latest":
            return
        if self._clock.now_ns() - self.told_ns >= _SOON_NS:
            self.grant()

    def told(self) -> None:
        """Note that the producer was told the counts in other words."""
        self._told(self._clock.now_ns())

    def _told(self, now_ns: int) -> None:
        self.told_ns = now_ns
        self._granted = self._taken
        self._events_since = 0

    def close(self) -> None:
        """Tell nothing more."""
        self._tell = lambda grant: None

    def unhurried(self) -> bool:
        """Whether little was taken since this was last asked, or nobody waits for who takes it.

        Where it was much the producer of a ``lossless`` edge may be waiting for its credit.
        """
        packets, events = self._together
        self._together = [0, 0]
        if self._policy == "latest":
            return True
        return 2 * packets < self._window and events < _MANY_EVENTS

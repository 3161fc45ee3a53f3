"""AEDAT4's large packets of events put where they are to lie, without a copy on the way.

A packet's events are the last of it, behind a front of some bytes that is of the same length in all
packets of a writer. So the packet is read, or decompressed, to just so far ahead of the events'
place that they come to lie there; the front falls upon the events ahead, which are put back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recordings.aedat_kernels import evts
from recordings.decoder import BLOCK_EVENTS

FRONT = 64
"""The longest front that is looked for, in bytes."""

_EVENT = 16

Put = Callable[[NDArray[np.uint8]], int | None]
"""Puts a packet at the beginning of memory; returns its length, None: it does not fit."""


class Block:
    """Room for ``BLOCK_EVENTS`` events: as words ``[n, 2]``, and as ``octets``.

    front  how long the front of the packet was that was placed last
    """

    def __init__(self, front: int = 48) -> None:
        self.front = front
        self._memory = np.empty(FRONT + _EVENT * BLOCK_EVENTS + FRONT, np.uint8)
        self.octets = self._memory[FRONT:-FRONT]
        self.words = self.octets.view(np.int64).reshape(-1, 2)

    def place(self, put: Put, n: int) -> tuple[int | None, NDArray[np.uint8] | None]:
        """Have a packet put so that its events lie behind the ``n`` that are there.

        Returns how many events there are then; None where the packet does not fit, or where its
        events are elsewhere in it: then the packet comes as well.
        """
        begin = FRONT + _EVENT * n - self.front
        ahead = self._memory[begin : begin + self.front]
        saved = ahead.copy()
        length = put(self._memory[begin:])
        packet = None if length is None else self._memory[begin : begin + length]
        if packet is not None:
            at, count = evts(packet)
            if at == self.front and n + count <= BLOCK_EVENTS:
                ahead[:] = saved
                return n + count, None
            packet = packet.copy()
            self.front = at if 0 < at <= FRONT else self.front
        ahead[:] = saved
        return None, packet

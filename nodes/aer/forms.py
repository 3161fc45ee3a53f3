"""How address events stand in datagrams; all numbers are little-endian.

========================  ============================================================
form                      an event
========================  ============================================================
``spif``                  u4 ``x << 16 | p << 15 | y``, then u4 t in µs
``spif-untimed``          u4 ``1 << 31 | x << 16 | p << 15 | y``
``t64_x16_y16_on8``       u8 t in µs, u2 x, u2 y, u1 p: 13 bytes
``t32_x16_y15_on1``       u4 t in µs, u2 x, u2 ``y << 1 | p``
========================  ============================================================

The first two tell each other by bit 31, so they are read as one. Times of 32 bits wrap every 71
minutes. (aestream, after SpiNNaker's SPIF; faery's ``UdpFormat``.)
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.events import EVENT, Events
from recordings.policy import undo_wrap

Form: TypeAlias = Literal["spif", "spif-untimed", "t64_x16_y16_on8", "t32_x16_y15_on1"]
FORMS: tuple[str, ...] = get_args(Form)

EVENT_BYTES = {"spif": 8, "spif-untimed": 4, "t64_x16_y16_on8": 13, "t32_x16_y15_on1": 8}
_CODES = {form: code for code, form in enumerate(FORMS)}


class Decoder:
    """Decodes datagrams of one form, undoing the wraps of 32-bit clocks.

    A time of 64 bits beyond 2**61 is none.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        self.least = 4 if form.startswith("spif") else EVENT_BYTES[form]
        """Bytes of the shortest event."""
        self._code = _CODES[form]
        # Bytes skipped, untimed events, wraps; whether a time was had, the last one, wraps in µs.
        self._state: NDArray[np.int64] = np.zeros(6, np.int64)

    @property
    def bad_bytes(self) -> int:
        """How many bytes were no whole event, or one that cannot be."""
        return int(self._state[0])

    @property
    def untimed(self) -> int:
        """How many events took the time of their datagram's arrival."""
        return int(self._state[1])

    @property
    def wraps(self) -> int:
        """How often a clock of 32 bits has begun again."""
        return int(self._state[2])

    def decode(
        self, raw: NDArray[np.uint8], ends: NDArray[np.int64], arrived_us: NDArray[np.int64]
    ) -> Events:
        """Return the events ``[n] EVENT`` of datagrams that lie back to back in ``raw``.

        ends        where each datagram ends in ``raw``
        arrived_us  when each arrived, in µs: the time of events that have none
        """
        words = np.empty((int(ends[-1]) // self.least if len(ends) else 0, 2), np.int64)
        n = _decode(raw, ends, arrived_us, self._code, words, self._state)
        return words[:n].reshape(-1).view(EVENT)


def encode(events: Events, form: Form) -> NDArray[np.uint8]:
    """Return events ``[n] EVENT`` back to back in a form, ``[n × EVENT_BYTES] u1``.

    Of a time only the bits that the form has are sent. x and y are below 2**15.
    """
    words = np.ascontiguousarray(events).view(np.int64).reshape(-1, 2)
    out = np.empty(len(words) * EVENT_BYTES[form], np.uint8)
    _encode(words, _CODES[form], out)
    return out


@numba.njit(cache=True, nogil=True, inline="always")
def _u4(raw, i):  # type: ignore[no-untyped-def]  # pragma: no cover
    return (
        np.int64(raw[i])
        | np.int64(raw[i + 1]) << 8
        | np.int64(raw[i + 2]) << 16
        | np.int64(raw[i + 3]) << 24
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _unwrapped(t, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a 32-bit time with the wraps so far; a small step back is no wrap."""
    if state[3] == 1:
        wrapped = undo_wrap(t, state[4], np.int64(1) << 32)
        if wrapped == 0 and t - state[4] > np.int64(1) << 31 and state[5] > 0:
            # From before the wrap: it comes late, and the clock stays where it is.
            return t + state[5] - (np.int64(1) << 32)
        state[2] += wrapped
        state[5] += wrapped << 32
    state[3] = 1
    state[4] = t
    return t + state[5]


@numba.njit(cache=True, nogil=True)
def _decode(raw, ends, arrived, form, words, state):  # type: ignore[no-untyped-def]  # pragma: no cover
    n = 0
    i = np.int64(0)
    for k in range(len(ends)):
        end = ends[k]
        while i < end:
            left = end - i
            if form <= 1:
                if left < 4:
                    break
                w = _u4(raw, i)
                c = (w >> 16 & 0x7FFF) | (w & 0x7FFF) << 16 | (w >> 15 & 1) << 32
                if w >> 31 & 1:
                    state[1] += 1
                    words[n, 0] = arrived[k]
                    i += 4
                else:
                    if left < 8:
                        break
                    words[n, 0] = _unwrapped(_u4(raw, i + 4), state)
                    i += 8
                words[n, 1] = c
            elif form == 2:
                if left < 13:
                    break
                t = _u4(raw, i) | _u4(raw, i + 4) << 32
                i += 13
                if t < 0 or t > 1 << 61 or raw[i - 1] > 1:
                    state[0] += 13
                    continue
                words[n, 0] = t
                words[n, 1] = _u4(raw, i - 5) | np.int64(raw[i - 1]) << 32
            else:
                if left < 8:
                    break
                w = _u4(raw, i + 4)
                words[n, 0] = _unwrapped(_u4(raw, i), state)
                words[n, 1] = (w & 0xFFFF) | (w >> 17 & 0x7FFF) << 16 | (w >> 16 & 1) << 32
                i += 8
            n += 1
        state[0] += end - i
        i = end
    return n


@numba.njit(cache=True, nogil=True, inline="always")
def _put4(out, i, w):  # type: ignore[no-untyped-def]  # pragma: no cover
    out[i] = w & 0xFF
    out[i + 1] = w >> 8 & 0xFF
    out[i + 2] = w >> 16 & 0xFF
    out[i + 3] = w >> 24 & 0xFF


@numba.njit(cache=True, nogil=True)
def _encode(words, form, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    i = 0
    for k in range(words.shape[0]):
        t, c = words[k, 0], words[k, 1]
        x, y, p = c & 0x7FFF, c >> 16 & 0x7FFF, c >> 32 & 1
        if form == 0:
            _put4(out, i, x << 16 | p << 15 | y)
            _put4(out, i + 4, t)
            i += 8
        elif form == 1:
            _put4(out, i, np.int64(1) << 31 | x << 16 | p << 15 | y)
            i += 4
        elif form == 2:
            _put4(out, i, t)
            _put4(out, i + 4, t >> 32)
            _put4(out, i + 8, x | y << 16)
            out[i + 12] = p
            i += 13
        else:
            _put4(out, i, t)
            _put4(out, i + 4, x | (y << 1 | p) << 16)
            i += 8

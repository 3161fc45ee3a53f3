"""The one policy for times and places that no sensor can mean, whatever the format.

- **Wrap.** A format's clock of n bits begins again at zero: a step back by more than half its
  range is a wrap, and is undone (``undo_wrap``; the decoders call it, for only they see the clock).
- **Late.** A time that steps back by up to ``LATE_US`` is lifted to the latest time so far: sensors
  are read out in rows, and drivers merge streams. Order is kept, no event is lost.
- **Jump.** A larger step back, or a step forward by more than ``GAP_US``, means that the clock was
  set anew or that bytes are broken: time goes on from the latest one, and so do all later times.
- **Outside.** An event outside the sensor (where the file tells its size), or of a time beyond
  ±2**61 µs, is dropped.
- **Duplicate.** An event that repeats the one ahead of it is kept: some sensors mean it.

Each is counted (``counts.py``).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.events import Events
from recordings.counts import Counts

LATE_US = 10_000
"""The largest step back in time that is taken for an event that comes late, in µs."""

GAP_US = 86_400_000_000
"""The longest silence within a recording (one day), in µs; more is a clock that was set."""

_LIMIT = 2**61
_ANY_SIDE = 2**16


class PolicyState(NamedTuple):
    """Where the policy stands between two blocks of events."""

    latest: int = 0
    code: int = -1
    offset: int = 0
    begun: int = 0


class Policy:
    """Applies the policy to blocks of events one after another.

    ``width`` and ``height`` are the sensor's where they are known.
    """

    def __init__(
        self, width: int | None, height: int | None, state: PolicyState | None = None
    ) -> None:
        self._size = width or _ANY_SIDE, height or _ANY_SIDE
        self._state: NDArray[np.int64] = np.array(state or PolicyState(), np.int64)

    @property
    def state(self) -> PolicyState:
        """Where it stands: what a new Policy needs to go on from here."""
        return PolicyState(*self._state.tolist())

    def apply(self, events: Events, counts: Counts) -> Events:
        """Return those of ``events`` ``[n] EVENT`` that are kept, in order of time.

        Works in place. Bytes 13 to 15 of every event, which are no field's, are set to zero, and p
        to 1 where it is not 0.
        """
        tally = np.zeros(4, np.int64)
        words = events.view(np.int64).reshape(-1, 2)
        kept = _apply(words, self._state, *self._size, tally)
        late, jumps, duplicates, outside = tally.tolist()
        counts.events += kept
        counts.late += late
        counts.jumps += jumps
        counts.duplicates += duplicates
        counts.outside += outside
        return events[:kept]


@numba.njit(cache=True, nogil=True, inline="always")
def undo_wrap(now, before, span):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return 1 where a clock of ``span`` ticks began again between two readings, else 0."""
    return np.int64(1) if before - now > span >> 1 else np.int64(0)


@numba.njit(cache=True, nogil=True)
def _apply(words, state, width, height, tally):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Compact ``words`` [n, 2] = (t, x | y << 16 | p << 32); return how many are kept."""
    n = words.shape[0]
    flat = words.reshape(-1)
    kept = 0
    for begin in range(0, n, 2048):
        end = min(begin + 2048, n)
        part = words[begin:end]
        out = words[kept : kept + end - begin]
        repeats = _clean(flat[2 * begin : 2 * end], state, width, height)
        if repeats < 0:
            kept += _mend(part, out, state, width, height, tally)
            continue
        tally[2] += repeats
        if kept < begin or state[2] != 0:
            for i in range(end - begin):
                out[i, 0] = part[i, 0] + state[2]
                out[i, 1] = part[i, 1]
        state[0] = out[end - begin - 1, 0]
        state[1] = out[end - begin - 1, 1]
        state[3] = 1
        kept += end - begin
    return kept


@numba.njit(cache=True, nogil=True)
def _clean(flat, state, width, height):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return how many events repeat the one ahead, or -1 where one of them is not to be kept as is.

    ``flat`` holds t and the rest in turn: so laid out, several are looked at in one instruction.
    """
    before = state[0] - state[2]
    if state[3] == 0:
        before = flat[0]
        if before > 1 << 61 or before < -(1 << 61):
            return -1
    right, bottom = width - 1, (height - 1) << 16
    repeats = np.int64((flat[0] == before) & (flat[1] == state[1]))
    step = flat[0] - before
    # Whatever is below zero here makes all of it so.
    flaws = step | (np.int64(86_400_000_000) - step)
    c = flat[1]
    flaws |= (right - (c & 0xFFFF)) | (bottom - (c & 0xFFFF0000)) | c | (0x1_FFFF_FFFF - c)
    following = flat[2:]
    for i in range(len(following) // 2):
        step = following[2 * i] - flat[2 * i]
        c = following[2 * i + 1]
        flaws |= step | (np.int64(86_400_000_000) - step)
        flaws |= (right - (c & 0xFFFF)) | (bottom - (c & 0xFFFF0000)) | c | (0x1_FFFF_FFFF - c)
        repeats += np.int64((step | (c ^ flat[2 * i + 1])) == 0)
    return repeats if flaws >= 0 else -1


@numba.njit(cache=True, nogil=True)
def _mend(part, out, state, width, height, tally):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Copy ``part`` to ``out``, event by event, as the policy says; return how many are kept."""
    latest, code, offset, begun = state[0], state[1], state[2], state[3]
    kept = 0
    for i in range(part.shape[0]):
        t, c = part[i, 0], part[i, 1]
        c = (c & 0xFFFFFFFF) | np.int64((c & 0xFF_0000_0000) != 0) << 32
        if (c & 0xFFFF) >= width or (c >> 16 & 0xFFFF) >= height or t > 1 << 61 or t < -(1 << 61):
            tally[3] += 1
            continue
        step = t + offset - latest
        if begun == 0:
            latest = t + offset
        elif step < -10_000 or step > 86_400_000_000:
            tally[1] += 1
            offset -= step
        elif step < 0:
            tally[0] += 1
        else:
            latest += step
        if begun == 1 and kept_same(out, kept, latest, c, code, state[0]):
            tally[2] += 1
        begun = 1
        code = c
        out[kept, 0] = latest
        out[kept, 1] = c
        kept += 1
    state[0], state[1], state[2], state[3] = latest, code, offset, begun
    return kept


@numba.njit(cache=True, nogil=True, inline="always")
def kept_same(out, kept, t, c, code, first):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Tell whether the event ahead of this one has the same time and the same rest."""
    before = out[kept - 1, 0] if kept > 0 else first
    return t == before and c == code

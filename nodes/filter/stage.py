"""What a stage of the filter is: a kernel over packed events, its state, and what it dropped.

Stages work in place on ``words`` [n] int64, WIRE_EVENTs as integers (``dt`` in the low 32 bits,
then x, then ``y << 1 | p``), and keep the first m. Times of pixels are uint32 µs on a clock of
the chain's own that begins at ``DAWN``, so that 0, what fresh memory holds, is long ago, and memory
of pixels that never fire is never touched.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nodes.filter.settings import MOST_US, FilterSettings

DAWN = 1 << 30
"""Where the chain's clock begins: further from 0 than any stage looks back."""

assert DAWN > MOST_US

Words = NDArray[np.int64]
Size = tuple[int, int]


class Span(NamedTuple):
    """The interval that a chain works on.

    t_begin, t_end   event time in µs
    base             the chain's clock at ``t_begin``
    """

    t_begin: int
    t_end: int
    base: int


class Stage:
    """One stage. ``active``: it has something to do; ``dropped``: events it has kept back."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.active = False
        self.dropped = 0
        self._plan: Any = None

    def lay(self, settings: FilterSettings, size: Size) -> Size:
        """Take over settings and the size (width, height) that comes in; return what goes out.

        State is kept where it fits, else forgotten.
        """
        raise NotImplementedError

    def planned(self, plan: Any) -> bool:
        """Note what state is laid out for; True where that is as it was."""
        same, self._plan = plan == self._plan, plan
        return bool(same)

    def reset(self) -> None:
        """Forget what was learnt from earlier events."""

    def age(self, by_us: int) -> None:
        """Set the times of pixels back by ``by_us``: the chain's clock is."""

    def apply(self, words: Words, n: int, span: Span) -> int:
        """Work on the first ``n`` of ``words`` in place; return how many are left."""
        raise NotImplementedError

    def facts(self) -> dict[str, str | int | float]:
        """Return what is worth knowing besides ``dropped``."""
        return {}


@numba.njit(cache=True, nogil=True)
def set_back(last, by):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Set times ``last`` [n] uint32 back by ``by``; 0 is as long ago as can be."""
    for i in range(last.shape[0]):
        # Read first: memory that was never touched stays so.
        if last[i]:
            last[i] = max(np.int64(last[i]) - by, 0)

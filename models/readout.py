"""From output spikes to an answer; one meaning for the stream and for the offline evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def answer(counts: NDArray[np.int64], classes: Sequence[int]) -> int:
    """Return the class with most spikes; of several, the one that comes first.

    ``counts`` [n_classes] int64 in the order of ``classes``.
    """
    return int(classes[int(np.argmax(counts))])


def scores(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return each class's share of the output spikes, ``[n_classes]`` float32 that sum to 1.

    Where nothing fired yet every class has the same share.
    """
    total = counts.sum()
    if total == 0:
        return np.full(len(counts), 1 / len(counts), np.float32)
    share: NDArray[np.float32] = (counts / total).astype(np.float32)
    return share

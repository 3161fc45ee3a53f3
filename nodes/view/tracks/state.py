"""What the viewer is at, in a word and a sentence: from silence, and from what the nodes say."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pipeline.status import NodeStatus

SILENT_NS = 2_000_000_000

STATES = {
    "NO CAMERA": "there is no camera to read from",
    "WAITING": "nothing has come in yet",
    "LIVE": "packets come in",
    "PAUSED": "the source is paused, or the picture is held",
    "STALLED": "packets came in, and have ceased to",
    "RECONNECTING": "a node before this one is gone or starts again",
    "ENDED": "the stream has ended",
}
"""Every state with its meaning."""


class State(NamedTuple):
    """One of ``STATES``, and what there is to say about it here; the latter may be empty."""

    name: str
    words: str


def state_of(
    now_ns: int,
    heard_ns: int | None,
    statuses: Collection[NodeStatus],
    *,
    ended: bool = False,
    held: bool = False,
) -> State:
    """Return the state at ``now_ns`` of the monotonic clock; data came last at ``heard_ns``.

    ``statuses`` are those of the nodes before this one; ``held``: the user looks at a moment.
    """
    if ended:
        return State("ENDED", "the stream has ended")
    if held:
        return State("PAUSED", "the picture is held; the stream goes on")
    for name, state in (("paused", "PAUSED"), ("no camera", "NO CAMERA")):
        if found := next((s for s in statuses if s.state == name), None):
            return State(state, "; ".join(found.words) or f"{found.name} is {name}")
    if heard_ns is not None and now_ns - heard_ns < SILENT_NS:
        return State("LIVE", "")
    away = next((s for s in statuses if s.state == "reconnecting"), None)
    if away is not None:
        return State("RECONNECTING", "; ".join(away.words) or f"{away.name} reconnects")
    new = next((s for s in statuses if s.state == "starting"), None)
    if heard_ns is None:
        return State("WAITING", f"{new.name} is starting" if new else "waiting for data")
    silence = f"nothing has come for {(now_ns - heard_ns) / 1e9:.0f} s"
    if new is not None:
        return State("RECONNECTING", f"{new.name} starts again; {silence}")
    if not statuses:
        return State("RECONNECTING", f"nobody answers; {silence}")
    return State("STALLED", silence)

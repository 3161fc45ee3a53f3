"""What the viewer is at, in a word and a sentence: from silence, and from what the nodes say."""

from __future__ import annotations

from collections.abc import Iterable
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


def sources(statuses: Iterable[NodeStatus]) -> list[NodeStatus]:
    """Return those that take nothing from others: where streams begin."""
    return [s for s in statuses if all(edge.direction == "out" for edge in s.edges) and s.edges]


def state_of(
    now_ns: int,
    heard_ns: int | None,
    statuses: Iterable[NodeStatus],
    *,
    ended: bool = False,
    held: bool = False,
) -> State:
    """Return the state at ``now_ns`` of the monotonic clock; data came last at ``heard_ns``.

    ``statuses`` are those of all other nodes; ``held``: the user looks at a moment.
    """
    if ended:
        return State("ENDED", "the stream has ended")
    if held:
        return State("PAUSED", "the picture is held; the stream goes on")
    others = list(statuses)
    for source in sources(others):
        told = _told(source)
        if told is not None:
            return told
    if heard_ns is not None and now_ns - heard_ns < SILENT_NS:
        return State("LIVE", "")
    new = next((s.name for s in others if s.state == "starting"), None)
    if heard_ns is None:
        return State("WAITING", f"{new} is starting" if new else "waiting for data")
    silence = f"nothing has come for {(now_ns - heard_ns) / 1e9:.0f} s"
    if new is not None:
        return State("RECONNECTING", f"{new} starts again; {silence}")
    if not others:
        return State("RECONNECTING", f"nobody answers; {silence}")
    return State("STALLED", silence)


def _told(source: NodeStatus) -> State | None:
    """Return what a source itself says it is at; None where it simply runs."""
    name, words = source.name, "; ".join(source.words)
    if source.state == "paused":
        return State("PAUSED", f"{name} is paused")
    if source.state == "at the end":
        return State("ENDED", f"{name} is at its end")
    if source.state == "reconnecting":
        return State("RECONNECTING", words or f"{name} reconnects")
    if source.state == "connecting":
        return State("WAITING", words or f"{name} is connecting")
    if source.state == "waiting":
        return State("NO CAMERA" if source.kind == "camera" else "WAITING", words)
    return None

"""What a node says of itself while it runs: counters, settings, facts, and what is wrong.

A NodeStatus travels beside the packets, four times a second, to everyone who is connected however
far away (``pipeline.plane``). Counters are cumulative: rates are the reader's business.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

NodeName: TypeAlias = Annotated[str, Meta(max_length=128)]
Word: TypeAlias = Annotated[str, Meta(max_length=200)]
Text: TypeAlias = Annotated[str, Meta(max_length=600)]
Tally: TypeAlias = Annotated[int, Meta(ge=0, le=2**62)]
Fact: TypeAlias = Text | Annotated[int, Meta(ge=-(2**62), le=2**62)] | float

SLICES = 200
"""Into so many equal parts a recording is cut for its time line."""


class EdgeStatus(msgspec.Struct):
    """One end of one edge; an end states only what it counts itself.

    peer        the node at the other end
    direction   ``out``: this node sends to it; ``in``: this node receives from it
    policy      of an out-edge: ``lossless`` or ``latest``
    sent, delivered, dropped   packets and events since the run began
    backlog_ms  event time that was sent and not yet taken
    p50_ms, p99_ms   of an in-edge: birth at the source to the taking up here, over about the last
                     two seconds; None where nothing came
    """

    peer: Word
    direction: Literal["in", "out"]
    policy: Literal["lossless", "latest", ""] = ""
    sent_packets: Tally = 0
    sent_events: Tally = 0
    delivered_packets: Tally = 0
    delivered_events: Tally = 0
    dropped_packets: Tally = 0
    dropped_events: Tally = 0
    rejected_packets: Tally = 0
    backlog_ms: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None


class SettingStatus(msgspec.Struct):
    """One setting.

    requested  what was asked for, as text that may be asked for again
    actual     what is in force: a device may have rounded, or not have taken it
    help       its meaning, one line
    may_be     in words, what values it takes
    live       it may be changed while the node runs
    refused    why the latest wish was refused; empty where it was granted
    """

    name: Word
    requested: Text
    actual: Text
    help: Text = ""
    may_be: Text = ""
    live: bool = False
    refused: Text = ""


class ActionStatus(msgspec.Struct):
    """Something that the node does once when it is asked to (``ask(node, name, value)``)."""

    name: Word
    help: Text = ""


class Answer(msgspec.Struct):
    """What became of an Ask, by its number; ``refused`` is empty where it was granted."""

    number: Tally
    key: Word
    value: Word
    refused: Text = ""


class NodeStatus(msgspec.Struct, kw_only=True):
    """Everything that a node says of itself.

    name, kind   its name in the graph, and its kind (the class's name in lower case)
    state        ``starting``, ``running``, ``draining``, ``ended``; or what the node says it is at:
                 ``paused``, ``reconnecting``, ...
    host, pid    where it runs
    incarnation  when its process took it up (wall clock, ns): a successor's is larger
    time_ns      the monotonic time of this status at its host, in ns
    cpu_ns, rss_bytes, packets_out, events_out   cumulative, but for the memory
    control      whether it can be asked for anything
    facts        what the node knows: ``position_s``, a camera's serial number, drop counters, ...
    words        what is wrong, in words; empty where all is well
    timeline     events in equal parts of a recording, from ``begin_s`` to ``end_s`` of its facts
    answers      what became of the latest Asks
    """

    name: NodeName
    kind: NodeName = ""
    state: Word = "running"
    host: Word = ""
    pid: Tally = 0
    incarnation: Tally = 0
    time_ns: Tally = 0
    cpu_ns: Tally = 0
    rss_bytes: Tally = 0
    packets_out: Tally = 0
    events_out: Tally = 0
    control: bool = True
    edges: Annotated[list[EdgeStatus], Meta(max_length=64)] = []
    settings: Annotated[list[SettingStatus], Meta(max_length=100)] = []
    actions: Annotated[list[ActionStatus], Meta(max_length=50)] = []
    facts: Annotated[dict[Word, Fact], Meta(max_length=100)] = {}
    words: Annotated[list[Text], Meta(max_length=50)] = []
    timeline: Annotated[list[Tally], Meta(max_length=2 * SLICES)] = []
    answers: Annotated[list[Answer], Meta(max_length=50)] = []

    @property
    def mark(self) -> tuple[int, int]:
        """What is newer has the larger mark."""
        return self.incarnation, self.time_ns

    def setting(self, name: str) -> SettingStatus | None:
        """Return a setting by its name."""
        return next((setting for setting in self.settings if setting.name == name), None)

"""The streaming machinery: events, packets, channels, nodes, graphs and their launcher.

What stands here is imported when it is first asked for: the command ``retina`` begins before NumPy
is there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from msgspec import Meta

    from pipeline.events import EVENT, WIRE_EVENT, empty_events
    from pipeline.node import Node, SourceNode, header_of
    from pipeline.packets import (
        ActivityPacket,
        EventPacket,
        GazePacket,
        ImagePacket,
        Packet,
        PredictionPacket,
        ReconstructionPacket,
        SpikePacket,
    )
    from pipeline.settings import Settings

__all__ = [
    "EVENT",
    "WIRE_EVENT",
    "ActivityPacket",
    "Annotated",
    "EventPacket",
    "GazePacket",
    "ImagePacket",
    "Meta",
    "Node",
    "Packet",
    "PredictionPacket",
    "ReconstructionPacket",
    "Settings",
    "SourceNode",
    "SpikePacket",
    "empty_events",
    "header_of",
]

_MODULES = {
    "msgspec": ("Meta",),
    "pipeline.events": ("EVENT", "WIRE_EVENT", "empty_events"),
    "pipeline.node": ("Node", "SourceNode", "header_of"),
    "pipeline.packets": tuple(name for name in __all__ if name.endswith("Packet")),
    "pipeline.settings": ("Settings",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

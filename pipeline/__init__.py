"""The streaming machinery: events, packets, channels, nodes, graphs and their launcher."""

from typing import Annotated

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

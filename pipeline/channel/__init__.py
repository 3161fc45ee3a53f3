"""Channels: packets from one producer to any number of consumers, with credits over ZeroMQ."""

from pipeline.channel.endpoints import Security, run_directory
from pipeline.channel.inlet import Inlet
from pipeline.channel.outlet import Outlet
from pipeline.channel.protocol import Policy

__all__ = ["Inlet", "Outlet", "Policy", "Security", "run_directory"]

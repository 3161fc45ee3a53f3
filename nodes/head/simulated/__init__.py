"""Heads that are not there: servos on a pseudo-terminal, for trying and for testing."""

from __future__ import annotations

from nodes.head.simulated.board import Board
from nodes.head.simulated.servos import Servo, Servos

__all__ = ["Board", "Servo", "Servos"]

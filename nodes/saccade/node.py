"""saccade: moves a modelled retina over still images, drives a real one, or holds the scene still.

One kind of node with three modes, each a class of its own that is loaded when it is asked for.
"""

from __future__ import annotations

from nodes.saccade.settings import Mode, SaccadeSettings
from pipeline import Node, Settings


class Saccade(Mode):
    """The kind ``saccade``; what runs is the class of its mode (``Saccade.variant``)."""

    @classmethod
    def variant(cls, settings: Settings) -> type[Node]:
        """Return the class of the mode that ``settings`` ask for."""
        assert isinstance(settings, SaccadeSettings)
        if settings.mode == "simulate":
            from nodes.saccade.simulate import Simulate

            return Simulate
        if settings.mode == "drive":
            from nodes.saccade.drive import Drive

            return Drive
        from nodes.saccade.stabilise import Stabilise

        return Stabilise

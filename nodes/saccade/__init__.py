"""The saccade node: moves a modelled retina, drives a real one, or undoes a known movement."""

from nodes.saccade.node import Saccade
from nodes.saccade.settings import SaccadeSettings

__all__ = ["Saccade", "SaccadeSettings"]

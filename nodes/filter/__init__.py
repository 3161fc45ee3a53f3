"""The filter node: events cleaned, cut, turned, thinned, or made noisier on purpose."""

from nodes.filter.node import Filter
from nodes.filter.settings import FilterSettings

__all__ = ["Filter", "FilterSettings"]

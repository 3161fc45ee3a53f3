"""Sources that are no recordings: which class reads what a SOURCE names, loaded on demand.

A class of them has ``settings_at(source, packet_us)``, which returns its settings for a SOURCE.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import msgspec

from nodes.source_settings import OF_RECORDINGS, SourceSettings
from pipeline import SourceNode
from pipeline.errors import DeviceError, SettingError

_CLASSES = {
    "camera:": "nodes.camera.node:Camera",
    "dv://": "nodes.dv.reader:DvReader",
    "aer-udp://": "nodes.aer.receiver:AerReceiver",
    "tcp://": "nodes.remote:Remote",
    "ipc://": "nodes.remote:Remote",
}

_EXTRAS = {"neuromorphic_drivers": "prophesee"}
"""The extra of ours that brings a package."""


def live_class(settings: SourceSettings) -> type[SourceNode] | None:
    """Return the class that reads a live source with settings of ``source``; None: a recording.

    Raises SettingError where something is set that such a source has no use for, DeviceError where
    a package that it needs is missing.
    """
    path = settings.path
    place = next((place for prefix, place in _CLASSES.items() if path.startswith(prefix)), None)
    if place is None:
        scheme, mark, _ = path.partition("://")
        if mark and scheme.isascii() and scheme.replace("-", "").isalnum():
            known = ", ".join(_CLASSES)
            raise SettingError(f'path = "{path}": no source begins so (known: {known}, or a path)')
        return None
    for field in msgspec.structs.fields(SourceSettings):
        value = getattr(settings, field.name)
        if field.name in OF_RECORDINGS and value != field.default:
            raise SettingError(
                f"{field.name} = {value} does not apply to a live source ({path}):"
                " only to recordings"
            )
    try:
        return _class(place)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(package)
        how = f"pip install 'silicon-retina[{extra}]'" if extra else "install it"
        raise DeviceError(f"{path}: needs the package {package or error} ({how})") from None


@functools.cache
def _class(place: str) -> type[SourceNode]:
    """Return a class like that at ``place`` which is made from settings of ``source``, too."""
    module_name, _, class_name = place.partition(":")
    cls: Any = getattr(importlib.import_module(module_name), class_name)

    def make(self: Any, settings: Any = None, **values: Any) -> None:
        if isinstance(settings, SourceSettings):
            settings = cls.settings_at(settings.path, settings.packet_us)
        cls.__init__(self, settings, **values)

    made: type[SourceNode] = type(
        class_name, (cls,), {"__init__": make, "__module__": cls.__module__}
    )
    return made

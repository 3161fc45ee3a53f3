"""Settings written behind an address, so that a SOURCE says all: ``aer-udp://:3333?width=346``."""

from __future__ import annotations

from typing import TypeVar

from pipeline import Settings
from pipeline.errors import SettingError
from pipeline.settings import settings_from

S = TypeVar("S", bound=Settings)


def settings_at(kind: type[S], source: str, **values: object) -> S:
    """Return settings of ``kind`` whose ``address`` is ``source``, and what follows ``?`` in it.

    ``values`` are further settings. Raises SettingError, which names the source.
    """
    address, mark, query = source.partition("?")
    found: dict[str, object] = {}
    for part in query.split("&") if mark else ():
        key, equals, value = part.partition("=")
        if not equals or key == "address":
            raise SettingError(f"{source}: '{part}' is no setting, expected ?KEY=VALUE&KEY=VALUE")
        found[key] = value
    return settings_from(kind, {**values, "address": address, **found}, source, text=True)

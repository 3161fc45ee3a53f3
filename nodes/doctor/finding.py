"""What the doctor finds."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "note", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    state  ``ok``; ``note``: something is not there that not everybody needs; ``wrong``
    what   what was found, in one line
    mend   the command that mends it, empty where there is none
    """

    name: str
    state: State
    what: str
    mend: str = ""

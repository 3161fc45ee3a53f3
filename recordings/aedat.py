"""AEDAT, iniVation's family of formats: the first line tells which."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import RecordingError
from recordings.decoder import Decoder, head_of

MAGIC = b"#!AER-DAT"
"""What a file of any AEDAT version begins with."""


def open_aedat(path: Path) -> Decoder:
    """Return the decoder of a file that begins with ``#!AER-DAT``; raises RecordingError."""
    version = head_of(path, 32)[len(MAGIC) :].partition(b"\n")[0].strip()
    if version == b"4.0":
        from recordings.aedat4 import Aedat4

        return Aedat4(path)
    if version == b"3.1":
        from recordings.aedat31 import Aedat31

        return Aedat31(path)
    if version == b"2.0":
        from recordings.aedat2 import Aedat2

        return Aedat2(path)
    raise RecordingError(
        f"{path}: is of AEDAT {version[:20].decode('latin-1')!r}, at byte {len(MAGIC)}; "
        "expected 2.0, 3.1 or 4.0"
    )

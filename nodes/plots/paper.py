"""Where a figure goes: matplotlib loaded on demand, files of the formats that it writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import DeviceError, RetinaError, UsageError

FORMATS = (".png", ".svg", ".pdf")
"""What a still figure may end in."""

ON, OFF = "#d62728", "#1f77b4"
"""ON red and OFF blue, as the field prints events."""


def check(path: Path, endings: tuple[str, ...] = FORMATS) -> None:
    """Raise UsageError unless a figure can go to ``path``."""
    if path.suffix.lower() not in endings:
        raise UsageError(f"{path}: expected a name that ends in {', '.join(endings)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no such folder {path.parent}")


@contextmanager
def figure(path: Path, **options: Any) -> Iterator[Any]:
    """Give a matplotlib Figure and save it to ``path`` where nothing was raised meanwhile.

    Raises DeviceError where matplotlib is missing, RetinaError where the file cannot be written.
    """
    check(path)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise DeviceError(
            "retina plot: needs matplotlib (pip install 'silicon-retina[plots]')"
        ) from None
    # Text stays text in an SVG, and the same figure has the same bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "silicon-retina", "font.size": 9}):
        made = Figure(layout="constrained", **options)
        yield made
        partial = path.with_name(f".{path.name}.partial")
        kind = path.suffix.lower()[1:]
        plain: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        try:
            made.savefig(partial, format=kind, dpi=150, metadata=plain)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RetinaError(f"{path}: cannot be written: {error.strerror or error}") from None

"""What ships: the models in ``models/weights``, each with what its card says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from models.card import check_card, identity
from models.store import SHIPPED, WEIGHTS_DIR
from pipeline.errors import ModelError, UsageError

_FIGURES = re.compile(r"^## Figures$(.*?)^## ", re.M | re.S)
_ROW = re.compile(r"^\| (?P<measure>[^|]+) \| (?P<figure>[^|]+) \|$", re.M)


@dataclass(frozen=True, slots=True)
class Entry:
    """A shipped model.

    measure, figure   the figure of its card that says most: of test recordings before validation,
                      a reconstructor's SSIM; empty where the card has none
    size              of the weights' file, in bytes
    """

    name: str
    task: str
    network: str
    measure: str
    figure: str
    size: int


def entries(folder: Path = WEIGHTS_DIR, names: tuple[str, ...] = SHIPPED) -> list[Entry]:
    """Return the models of a folder; raises ModelError where a card is not of its weights."""
    return [_entry(folder / f"{name}.safetensors") for name in names]


def card(name: str) -> str:
    """Return the text of a shipped model's card; raises UsageError where none is called so."""
    if name not in SHIPPED:
        raise UsageError(f"no model that ships is called {name!r}, expected {', '.join(SHIPPED)}")
    path = WEIGHTS_DIR / f"{name}.safetensors"
    check_card(path, needed=True)
    return path.with_suffix(".md").read_text("utf-8")


def figures(text: str) -> list[tuple[str, str]]:
    """Return a card's figures as (measure, figure), in its order."""
    found = _FIGURES.search(text)
    rows = _ROW.findall(found[1]) if found else []
    return [(a.strip(), b.strip()) for a, b in rows if a.strip() not in ("measure", "---")]


def headline(text: str, task: str) -> tuple[str, str]:
    """Return the figure of a card that says most of a model of this task."""
    unit = "SSIM" if task == "reconstructor" else "%"
    rows = [row for row in figures(text) if unit in row[0] or row[1].endswith(unit)]
    tested = [row for row in rows if "test" in row[0]]
    return (tested or rows or [("", "")])[0]


def _entry(path: Path) -> Entry:
    if not path.is_file():
        raise ModelError(f"{path}: no such model")
    check_card(path, needed=True)
    found = identity(path)
    measure, figure = headline(path.with_suffix(".md").read_text("utf-8"), found["task"])
    return Entry(path.stem, found["task"], found["network"], measure, figure, path.stat().st_size)

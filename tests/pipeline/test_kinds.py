"""Kinds of node: ours, those of other packages, and those in a file of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.source import Source
from pipeline.errors import GraphError
from pipeline.kinds import find, known
from pipeline.node import Node

OWN = """
from pipeline import EventPacket, Node

class Own(Node):
    accepts = (EventPacket,)
    def process(self, packet):
        yield from ()

number = 5
"""


def test_our_own_kinds() -> None:
    assert {"source", "bins", "infer", "log", "view"} <= set(known())
    assert find("source", "here") is Source
    assert find("nodes.source:Source", "here") is Source


def test_a_kind_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own nodes.py"
    file.write_text(OWN)
    cls = find(f"{file}:Own", "here")
    assert issubclass(cls, Node)
    assert cls.__name__ == "Own"


def test_files_of_one_name_do_not_mix(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "own.py").write_text(OWN + f"Own.folder = {folder!r}\n")
    assert [find(f"{tmp_path}/{f}/own.py:Own", "here").folder for f in "ab"] == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("sorce", "unknown kind 'sorce'; did you mean 'source'? (known: aer-udp, "),
        ("xyzzy", "unknown kind 'xyzzy' (known: "),
        ("", "unknown kind ''"),
        ("no.such.module:Node", "cannot be loaded: No module named 'no'"),
        (":Node", "kind ':Node' cannot be loaded"),
        ("nodes.source:Missing", "has no attribute 'Missing'"),
        ("nodes.source:", "cannot be loaded"),
        ("{tmp}/none.py:Own", "none.py"),
        ("{tmp}/own.py:number", "is no node (a class derived from pipeline.Node)"),
        ("{tmp}/own.py:EventPacket", "is no node"),
        ("{tmp}/syntax.py:Own", "cannot be loaded: "),
        ("{tmp}/raises.py:Own", "cannot be loaded: first second"),
        ("{tmp}/exits.py:Own", "cannot be loaded"),
        ("json:dumps", "is no node"),
    ],
)
def test_every_mistake_is_one_line(tmp_path: Path, kind: str, message: str) -> None:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "syntax.py").write_text("def (\n")
    (tmp_path / "raises.py").write_text("raise ValueError('first\\nsecond')")
    (tmp_path / "exits.py").write_text("import sys; sys.exit(3)")
    with pytest.raises(GraphError) as caught:
        find(kind.format(tmp=tmp_path), "g.toml: node 'x'")
    line = str(caught.value)
    assert line.startswith("g.toml: node 'x': ")
    assert message in line
    assert "\n" not in line

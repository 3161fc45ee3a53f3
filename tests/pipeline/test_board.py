"""The board: counters that outlive their node and are seen by others at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.board import IN, MAX_EDGES, OUT, Board, EdgeSlot, NodeSlot


def test_two_views_of_one_file_see_each_other(tmp_path: Path) -> None:
    ours, theirs = Board(tmp_path / "b"), Board(tmp_path / "b", create=False)
    edge = ours.edge("view", OUT)
    edge[EdgeSlot.SENT_PACKETS] = 5
    edge.add(EdgeSlot.SENT_PACKETS, 2)
    ours[NodeSlot.CPU_NS] = -(2**63)
    (seen,) = theirs.edges()
    assert (seen.peer, seen.direction, seen[EdgeSlot.SENT_PACKETS]) == ("view", OUT, 7)
    assert theirs[NodeSlot.CPU_NS] == -(2**63)
    theirs.edge("view", OUT).add(EdgeSlot.SENT_PACKETS, 1)
    assert edge[EdgeSlot.SENT_PACKETS] == 8
    ours.close()
    theirs.close()


def test_counts_outlive_a_process_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from pipeline.board import *
edge = Board(Path({str(tmp_path / "b")!r})).edge("p", IN)
for _ in range(1000):
    edge.add(EdgeSlot.DELIVERED_PACKETS, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    successor = Board(tmp_path / "b")
    assert successor.edge("p", IN)[EdgeSlot.DELIVERED_PACKETS] == 1000
    assert len(successor.edges()) == 1


def test_an_edge_is_known_by_its_peer_and_direction() -> None:
    board = Board()
    assert board.edges() == []
    made = [board.edge("a", OUT), board.edge("a", IN), board.edge("b", OUT)]
    for i, edge in enumerate(made):
        edge[EdgeSlot.SENT_EVENTS] = i
    again = [board.edge("a", OUT), board.edge("a", IN), board.edge("b", OUT)]
    assert [edge[EdgeSlot.SENT_EVENTS] for edge in again] == [0, 1, 2]
    assert [(e.peer, e.direction) for e in board.edges()] == [("a", OUT), ("a", IN), ("b", OUT)]


@pytest.mark.parametrize("name", ["", "é" * 40, "x" * 128, "x" * 500, "é" * 100, "a\0b", "a\0"])
def test_any_name_is_found_again(name: str) -> None:
    board = Board()
    board.edge(name, IN)[EdgeSlot.DELIVERED_PACKETS] = 3
    assert board.edge(name, IN)[EdgeSlot.DELIVERED_PACKETS] == 3
    assert len(board.edges()) == 1


def test_edges_do_not_touch_each_other_or_the_node() -> None:
    board = Board()
    for slot in NodeSlot:
        if slot is not NodeSlot.EDGES:
            board[slot] = 1000 + slot
    edges = [board.edge(f"n{i}", OUT) for i in range(MAX_EDGES)]
    slots = [slot for slot in EdgeSlot if slot is not EdgeSlot.DIRECTION]
    for i, edge in enumerate(edges):
        for slot in slots:
            edge[slot] = i * 100 + slot
    for i, edge in enumerate(board.edges()):
        assert edge.peer == f"n{i}"
        assert [edge[slot] for slot in slots] == [i * 100 + slot for slot in slots]
        assert edge.latency()[1:] == [0] * (len(edge.latency()) - 1)
    assert all(board[s] == 1000 + s for s in NodeSlot if s is not NodeSlot.EDGES)


def test_a_full_table_counts_on_in_this_process_alone() -> None:
    board = Board()
    for i in range(MAX_EDGES):
        board.edge(f"n{i}", OUT)
    extra = board.edge("one more", OUT)
    extra.add(EdgeSlot.SENT_PACKETS, 3)
    extra[EdgeSlot.LATENCY + 5] = 1
    assert extra[EdgeSlot.SENT_PACKETS] == 3
    assert extra.latency()[5] == 1
    assert len(board.edges()) == MAX_EDGES
    assert board.edge("n0", OUT)[EdgeSlot.SENT_PACKETS] == 0


def test_a_board_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Board(tmp_path / "b", create=False)

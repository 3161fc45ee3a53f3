"""What was changed outlives the process, unless the process died of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipeline.tuned import Tuned
from tests.pipeline.planes import Dialled


def successor(folder: Path) -> tuple[Dialled, Tuned]:
    """Start a node again in the run's folder."""
    tuned = Tuned(folder, "n")
    node = tuned.restored(Dialled(dial=1))
    assert isinstance(node, Dialled)
    return node, tuned


def test_a_first_start_has_the_graphs_settings(tmp_path: Path) -> None:
    node, tuned = successor(tmp_path)
    assert node.settings.dial == 1
    assert tuned.note == ""
    assert list(tmp_path.iterdir()) == []


def test_a_successor_has_what_was_changed_and_a_second_death_sets_it_back(tmp_path: Path) -> None:
    Tuned(tmp_path, "n").remember({"dial": 5})
    node, tuned = successor(tmp_path)
    assert node.settings.dial == 5
    assert tuned.changed == {"dial": 5}
    assert tuned.note == "started again with what was changed: dial = 5"
    node, tuned = successor(tmp_path)
    assert node.settings.dial == 1
    assert tuned.note.startswith("started again with the graph's settings: it died soon after")
    node, tuned = successor(tmp_path)
    assert (node.settings.dial, tuned.note) == (1, "")


def test_who_ran_soundly_with_it_keeps_it_through_further_deaths(tmp_path: Path) -> None:
    Tuned(tmp_path, "n").remember({"dial": 5})
    for _ in range(3):
        assert successor(tmp_path)[0].settings.dial == 5
        long_ago = time.time() - 60
        os.utime(tmp_path / "n.tried", (long_ago, long_ago))


def test_what_is_changed_again_is_tried_again(tmp_path: Path) -> None:
    Tuned(tmp_path, "n").remember({"dial": 5})
    _, tuned = successor(tmp_path)
    tuned.remember({**tuned.changed, "dial": 6})
    assert successor(tmp_path)[0].settings.dial == 6


@pytest.mark.parametrize("kept", [b'{"dial": 500}', b'{"dials": 5}', b"{", b"[1]", b""])
def test_what_cannot_be_is_left(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "n.tuned").write_bytes(kept)
    node, tuned = successor(tmp_path)
    assert node.settings.dial == 1
    assert "\n" not in tuned.note
    if b"5" in kept:
        assert tuned.note.startswith("started again without what was changed (dial")

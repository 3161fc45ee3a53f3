"""How often the viewer paints while others want the processors."""

from __future__ import annotations

import sys

import pytest

from nodes.view.restraint import LEAST_FPS, Restraint, turns

MS = 1_000_000
LOOK = 250 * MS


class Turns:
    """Says how long the thread ran and waited; each look takes a part of a quarter of a second."""

    def __init__(self) -> None:
        self.ran = self.waited = 0

    def __call__(self) -> tuple[int, int]:
        return self.ran, self.waited

    def go_by(self, ran_ms: int, waited_ms: int) -> None:
        self.ran += ran_ms * MS
        self.waited += waited_ms * MS


def after(restraint: Restraint, turns: Turns, share: int, looks: int = 20) -> float:
    """Return the pace after so many looks with ``share`` % of the wanted time spent waiting."""
    for _ in range(looks):
        turns.go_by(100 - share, share)
        restraint._due_ns = 0
        restraint.heed(0)
    return restraint.fps


def test_where_a_processor_is_free_the_pace_is_what_was_asked() -> None:
    turns = Turns()
    restraint = Restraint(60, turns)
    assert after(restraint, turns, 0) == 60
    assert after(restraint, turns, 45) == 60
    assert (restraint.interval_ms, restraint.leisure_ms(4)) == (16, 4)


def test_where_none_is_it_falls_and_comes_back() -> None:
    turns = Turns()
    restraint = Restraint(60, turns)
    assert after(restraint, turns, 85, looks=1) == 42
    assert after(restraint, turns, 85) == LEAST_FPS
    assert (restraint.interval_ms, restraint.leisure_ms(4)) == (66, 16)
    # Between the two bounds it stays.
    assert after(restraint, turns, 60) == LEAST_FPS
    assert after(restraint, turns, 20, looks=1) == 1.3 * LEAST_FPS
    assert after(restraint, turns, 20) == 60
    assert restraint.leisure_ms(4) == 4


def test_who_asks_for_few_pictures_has_them() -> None:
    turns = Turns()
    restraint = Restraint(5, turns)
    assert after(restraint, turns, 95) == 5
    assert (restraint.interval_ms, restraint.leisure_ms(4)) == (200, 4)


def test_it_looks_four_times_a_second_and_tells_a_change() -> None:
    turns = Turns()
    restraint = Restraint(60, turns)
    turns.go_by(10, 90)
    assert restraint.heed(LOOK)
    turns.go_by(10, 90)
    assert not restraint.heed(2 * LOOK - 1)
    assert restraint.fps == 42
    assert restraint.heed(2 * LOOK)
    turns.go_by(40, 60)
    assert not restraint.heed(3 * LOOK)


def test_where_the_system_does_not_say_the_pace_stays() -> None:
    restraint = Restraint(60, lambda: None)
    assert not any(restraint.heed(k * LOOK) for k in range(1, 5))
    assert restraint.fps == 60


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is Linux that tells")
def test_linux_tells_of_this_process() -> None:
    found = turns()
    assert found is not None
    before_ns = found[0]
    while turns() == found:
        pass
    again = turns()
    assert again is not None
    assert again[0] > before_ns

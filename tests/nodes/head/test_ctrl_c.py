"""Ctrl-C, a real one to a real process, leaves the head at rest."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from nodes.head.simulated import Board, Servos
from tests.waiting import BOUND_S, until

PROGRAM = """
import sys
from contextlib import closing
import numpy as np
from nodes.head.drive import Driver
from nodes.head.dynamixel import Dynamixel, DynamixelSettings
from nodes.head.head import Limits
from nodes.head.hobby import Hobby, HobbySettings

kind, port = sys.argv[1:]
limits = Limits()
# The far end is a thread of a busy process: it may take its time.
head = (Dynamixel(DynamixelSettings(port=port, answer_ms=1000), limits) if kind == "dynamixel"
        else Hobby(HobbySettings(port=port, answer_ms=1000, watchdog_ms=10_000), limits))
circle = lambda t: 8 * np.stack([np.sin(t / 1e5), 1 - np.cos(t / 1e5)], axis=1)
try:
    with closing(Driver(head, limits, circle, 60_000_000).run()) as run:
        for k, _ in enumerate(run):
            if k == 50:
                print("moving", flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


def interrupted(kind: str, port: str, presses: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind, port], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "moving\n"
        for _ in range(presses):
            child.send_signal(signal.SIGINT)
        # Pressed again while Python ends, it ends it as any program.
        assert child.wait(BOUND_S) in ({130} if presses == 1 else {130, -signal.SIGINT})


@pytest.mark.parametrize("presses", [1, 3])
def test_ctrl_c_leaves_the_servos_at_rest(servos: Servos, presses: int) -> None:
    interrupted("dynamixel", servos.path, presses)
    for servo in servos.servos.values():
        until(lambda s=servo: s.speed == 0.0)  # type: ignore[misc]
        assert servo.torque
        assert servo.position == pytest.approx(servo.goal, abs=1)
        # Pressed again before the stop has begun, it leaves that to the watchdog.
        assert servo.table[98] == 0 or (presses > 1 and servo.stopped)
    assert servos.bad_packets == 0


def test_ctrl_c_leaves_the_board_stopped(board: Board) -> None:
    interrupted("hobby", board.path, 1)
    assert board.state == "stopped"


def test_a_process_that_is_killed_leaves_it_to_the_watchdog(servos: Servos) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "dynamixel", servos.path],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "moving\n"
        child.kill()
    for servo in servos.servos.values():
        until(lambda s=servo: s.stopped and s.speed == 0.0)  # type: ignore[misc]
        assert servo.torque

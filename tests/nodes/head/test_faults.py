"""Faults in mid-saccade, end to end: driver, protocol, pseudo-terminal, servos."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nodes.head.drive import Driver
from nodes.head.dynamixel import Dynamixel
from nodes.head.hobby import Hobby
from nodes.head.simulated import Board, Servos
from pipeline.errors import DeviceError

UNIT = 360 / 4096


def saccades(t: NDArray[np.int64]) -> NDArray[np.float64]:
    phase = 2 * np.pi * 2.0 * t / 1e6
    return np.stack([8 * np.sin(phase), 3 * (1 - np.cos(phase))], axis=1)


def drive_until_fault(head: Dynamixel | Hobby, break_it: Callable[[], object], at: int) -> str:
    """Drive, break something after ``at`` commands, and return the message."""
    broken = 0.0

    def drive() -> None:
        nonlocal broken
        with closing(Driver(head, head.limits, saccades, 20_000_000).run()) as run:
            for k, _ in enumerate(run):
                if k == at:
                    break_it()
                    broken = time.monotonic()

    with pytest.raises(DeviceError) as caught:
        drive()
    assert time.monotonic() - broken < 2.0, "stopped soon"
    message = str(caught.value)
    assert "\n" not in message
    return message


def rests(servos: Servos, who: int) -> bool:
    """Wait until a servo stands still with its torque on."""
    end = time.monotonic() + 3
    servo = servos.servos[who]
    while time.monotonic() < end:
        if servo.speed == 0.0 and servo.torque:
            return True
        time.sleep(0)
    return False


def test_overload(dynamixel: Dynamixel, servos: Servos) -> None:
    message = drive_until_fault(dynamixel, lambda: setattr(servos.servos[1], "errors", 32), 60)
    assert "servo 1 (pan) reports overload" in message
    assert rests(servos, 2)
    assert not servos.servos[1].torque


def test_no_answer(dynamixel: Dynamixel, servos: Servos) -> None:
    message = drive_until_fault(dynamixel, lambda: setattr(servos.servos[2], "mute", True), 60)
    assert "servo 2 (tilt) gives no answer, asked 3 times, 20 ms each" in message
    assert message.endswith("the servos' watchdog stops them after 200 ms")
    assert rests(servos, 1)
    assert rests(servos, 2)


def test_wrong_checksums(dynamixel: Dynamixel, servos: Servos) -> None:
    message = drive_until_fault(dynamixel, lambda: setattr(servos.servos[1], "garbled", 10**9), 60)
    assert "servo 1 (pan) gives no valid answer (wrong checksum)" in message
    assert rests(servos, 1)
    assert rests(servos, 2)


def test_the_port_vanishes(dynamixel: Dynamixel, servos: Servos) -> None:
    message = drive_until_fault(dynamixel, servos.vanish, 60)
    assert message == (
        f"{servos.path}: the port vanished (Input/output error); "
        "the servos' watchdog stops them after 200 ms"
    )


def test_the_boards_port_vanishes(hobby: Hobby, board: Board) -> None:
    message = drive_until_fault(hobby, board.vanish, 60)
    assert message == (
        f"{board.path}: the port vanished (Input/output error); "
        "the board's watchdog holds it after 200 ms"
    )


def test_the_board_reports_a_fault(hobby: Hobby, board: Board) -> None:
    message = drive_until_fault(hobby, lambda: setattr(board, "fault", "overload"), 60)
    assert message == f"{board.path}: the board reports overload"
    assert board.state == "stopped"


def test_the_board_falls_silent(hobby: Hobby, board: Board) -> None:
    message = drive_until_fault(hobby, lambda: setattr(board, "mute", True), 60)
    assert "the board gives no answer at 500000 baud" in message
    assert board.state == "stopped", "it hears, though it does not answer"


def test_the_servos_follow_the_path(dynamixel: Dynamixel, servos: Servos) -> None:
    driver = Driver(dynamixel, dynamixel.limits, saccades, 500_000)
    with closing(driver.run()) as run:
        sent = list(run)
    goals = [goal for _, goal in servos.goals]
    assert len(goals) >= len(sent)
    assert goals[-1] == {1: round(2048 + sent[-1][1] / UNIT), 2: round(2048 + sent[-1][2] / UNIT)}
    assert rests(servos, 1)
    assert servos.bad_packets == 0
    steps = np.abs(np.diff([goal[1] for goal in goals]))
    assert steps.max() * UNIT <= 200 * 0.02, "no goal is further than coasting may take it"


def test_the_example_in_the_docs_runs(servos: Servos) -> None:
    text = (Path(__file__).parents[3] / "docs" / "heads.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.S)[0]
    assert "/dev/ttyUSB0" in code
    short = code.replace("/dev/ttyUSB0", servos.path).replace("5_000_000", "100_000")
    result = subprocess.run(
        [sys.executable, "-c", short], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Jitter(commands=")

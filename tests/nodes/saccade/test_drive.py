"""The trajectory as commands to a head, through simulated servos that speak the real protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.calibration import nmnist
from nodes.head.simulated import Board, Servo, Servos
from nodes.saccade.drive import Drive
from pipeline import GazePacket
from pipeline.errors import DeviceError, RetinaError


# A Dynamixel knows 4096 angles, a pixel is a sixth of a degree; a hobby servo's pulse is finer.
@pytest.mark.parametrize(("kind", "resolution"), [("dynamixel", 0.27), ("hobby", 0.05)])
def test_the_head_follows_the_path_and_tells_the_gaze(kind: str, resolution: float) -> None:
    far_end = Servos(Servo(1), Servo(2)) if kind == "dynamixel" else Board()
    with far_end:
        node = Drive(
            mode="drive", head=kind, port=far_end.path, trajectory="nmnist", tick_us=10_000
        )
        packets = list(node)
    assert all(isinstance(p, GazePacket) for p in packets)
    gaze = np.concatenate([p.gaze for p in packets])
    assert len(gaze) >= 20
    begin = nmnist().at(np.zeros(1, np.int64))
    expected = nmnist().at(gaze["t"].astype(np.int64)) - begin
    np.testing.assert_allclose(np.stack([gaze["x"], gaze["y"]], 1), expected, atol=resolution)
    # Every packet covers the time since the command before.
    assert [p.header.t_begin for p in packets[1:]] == [p.header.t_end for p in packets[:-1]]
    assert [p.header.reset for p in packets] == [True] + [False] * (len(packets) - 1)


def test_a_path_outside_the_limits_is_refused_before_anything_moves(tmp_path: Path) -> None:
    path = tmp_path / "far.csv"
    path.write_text("t_ms,x_deg,y_deg\n0,0,0\n500,0,0\n1000,45,0\n")
    with Servos(Servo(1), Servo(2)) as servos:
        node = Drive(mode="drive", port=servos.path, trajectory=str(path))
        with pytest.raises(RetinaError, match=r"45|30") as caught:
            list(node)
        assert not servos.goals
    assert "\n" not in str(caught.value)


def test_a_port_that_is_absent() -> None:
    node = Drive(mode="drive", port="/dev/ttyNOWHERE")
    with pytest.raises(DeviceError, match="/dev/ttyNOWHERE") as caught:
        list(node)
    assert "\n" not in str(caught.value)

"""Both kinds of head, on pseudo-terminals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nodes.head.dynamixel import Dynamixel, DynamixelSettings
from nodes.head.head import Limits
from nodes.head.hobby import Hobby, HobbySettings
from nodes.head.simulated import Board, Servo, Servos


@pytest.fixture
def servos() -> Iterator[Servos]:
    with Servos(Servo(1), Servo(2)) as far_end:
        yield far_end


@pytest.fixture
def dynamixel(servos: Servos) -> Iterator[Dynamixel]:
    head = Dynamixel(DynamixelSettings(port=servos.path, answer_ms=20), Limits())
    yield head
    head.close()


@pytest.fixture
def board() -> Iterator[Board]:
    with Board() as far_end:
        yield far_end


@pytest.fixture
def hobby(board: Board) -> Iterator[Hobby]:
    head = Hobby(HobbySettings(port=board.path, answer_ms=20, boot_ms=200), Limits())
    yield head
    head.close()

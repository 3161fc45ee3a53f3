"""A port that is absent, busy, foreign or vanishes: one clear line each."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import serial

from nodes.head.port import Port
from nodes.head.simulated import Board
from pipeline.errors import DeviceError


def test_an_absent_port_is_named() -> None:
    with pytest.raises(DeviceError, match=r"^/dev/ttyNONE: there is no such serial port \(found: "):
        Port("/dev/ttyNONE", 115_200).open()


def test_a_busy_port_is_named(board: Board) -> None:
    first, second = Port(board.path, 115_200), Port(board.path, 115_200)
    first.open()
    with pytest.raises(DeviceError, match=rf"^{board.path}: is in use by another program$"):
        second.open()
    first.close()
    second.open()
    second.close()
    second.close()


def test_what_is_no_serial_port_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceError, match="file: is no serial port"):
        Port(str(tmp_path / "file"), 115_200).open()


def test_a_forbidden_port_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: object, **settings: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "Serial", forbidden)
    with pytest.raises(DeviceError, match="this user may not open it; 'sudo usermod -aG dialout"):
        Port("/dev/ttyUSB0", 115_200).open()


@pytest.mark.parametrize("how", ["write", "read", "waiting", "drop_input"])
def test_a_port_that_vanishes_is_named(how: str) -> None:
    with Board() as board:
        port = Port(board.path, 115_200)
        port.open()
        board.vanish()
        calls = {
            "write": lambda: port.write(b"x"),
            "read": lambda: port.read(10),
            "waiting": port.waiting,
            "drop_input": port.drop_input,
        }
        with pytest.raises(DeviceError, match=rf"^{board.path}: the port vanished \(Input/output"):
            calls[how]()
        port.close()
        with pytest.raises(DeviceError, match="is not open"):
            calls[how]()


def test_a_port_that_takes_nothing_does_not_block_for_ever(board: Board) -> None:
    port = Port(board.path, 115_200)
    port.open()
    with board.lock, pytest.raises(DeviceError, match="takes no bytes any more"):
        port.write(b"0 Q*00" * 100_000)
    port.close()

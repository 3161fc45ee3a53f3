"""The plain line protocol: whole lines, refusals, lost and damaged answers, the watchdog."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.head import Limits
from nodes.head.hobby import Hobby, HobbySettings, crc8, line, words
from nodes.head.simulated import Board
from pipeline.errors import DeviceError
from tests.waiting import until


def test_the_checksum_is_the_known_one() -> None:
    assert crc8(b"123456789") == 0xF4
    assert line("17 G -1250 300") == b"17 G -1250 300*67\n"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_a_line_comes_back_as_its_words(text: str) -> None:
    assert words(line(text)) == text.split()


@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda b: b + b"*%02X" % crc8(b)))
def test_bytes_from_outside_are_words_or_nothing(data: bytes) -> None:
    found = words(data)
    if found is not None:
        text, _, check = data.rstrip().rpartition(b"*")
        assert int(check, 16) == crc8(text)
        assert found == text.decode("ascii").split()


@given(st.integers(0, 13), st.integers(0, 7))
def test_a_flipped_bit_is_found(place: int, bit: int) -> None:
    data = bytearray(line("17 G -1250 300"))
    data[place] ^= 1 << bit
    assert words(bytes(data)) is None


def test_opening_gives_the_limits_and_homing_keeps_them(board: Board) -> None:
    board.position = (1500, 800)
    limits = Limits(pan_min_deg=-20, pan_max_deg=30.005, tilt_min_deg=-5, speed_deg_s=100)
    head = Hobby(HobbySettings(port=board.path, tilt_reversed=True), limits)
    head.open()
    assert board.limits == (-2000, 3000, -3000, 500)
    assert board.watchdog_ms == 200
    assert head.position() == (15.0, -8.0)
    head.home()
    assert board.position == (0, 0)
    steps = [abs(b[1][0] - a[1][0]) for a, b in zip(board.goals, board.goals[1:], strict=False)]
    assert max(steps) <= 100 + 1, "1° in a tick of 10 ms"
    head.stop()
    assert board.state == "stopped"
    head.close()


def test_goals_are_rounded_within_the_limits(board: Board, hobby: Hobby) -> None:
    hobby.open()
    assert hobby.send(1.2345, -2.0) == (1.23, -2.0)
    assert hobby.send(1e6, -1e6) == (45.0, -30.0)
    until(lambda: len(board.goals) == 2)
    assert [goal for _, goal in board.goals] == [(123, -200), (4500, -3000)]


def test_a_board_that_starts_is_waited_for(board: Board) -> None:
    board.boots = 4
    head = Hobby(HobbySettings(port=board.path, answer_ms=5), Limits())
    head.open()
    head.check()
    head.close()


def test_a_board_that_says_nothing_is_named(board: Board, hobby: Hobby) -> None:
    board.mute = True
    with pytest.raises(DeviceError, match="gives no answer at 500000 baud, asked 3 times, 20 ms"):
        hobby.open()


def test_another_program_on_the_board_is_named(board: Board, hobby: Hobby) -> None:
    board.version = "plotter 7"
    with pytest.raises(DeviceError, match=r"speaks 'plotter 7', not version 1 of .*head\.ino"):
        hobby.open()


def test_a_fault_that_the_board_reports(board: Board, hobby: Hobby) -> None:
    hobby.open()
    hobby.check()
    board.fault = "overload"
    with pytest.raises(DeviceError, match="the board reports overload"):
        hobby.check()
    with pytest.raises(DeviceError, match="the board reports overload"):
        until(lambda: False, hobby.poll)
    hobby.stop()
    assert board.state == "stopped"


def test_a_board_that_falls_silent_is_named(board: Board, hobby: Hobby) -> None:
    hobby.open()
    board.mute = True
    hobby.send(1.0, 0.0)
    with pytest.raises(DeviceError, match="gives no answer"):
        until(lambda: False, hobby.poll)


def test_one_damaged_line_is_no_fault_many_are(board: Board, hobby: Hobby) -> None:
    hobby.open()
    hobby.poll()
    board.noise = 1
    assert hobby.position() == (0.0, 0.0)
    board.garbled = 2
    assert hobby.position() == (0.0, 0.0)
    board.noise = 1000
    with pytest.raises(DeviceError, match="the board hears wrong checksums, 3 in a row"):
        until(lambda: False, lambda: (hobby.send(0.0, 0.0), hobby.poll()))


def test_answers_that_stay_damaged_are_named(board: Board, hobby: Hobby) -> None:
    hobby.open()
    board.garbled = 1000
    with pytest.raises(DeviceError, match="the board's answers come with wrong checksums, 3 in"):
        until(lambda: False, lambda: (hobby.send(0.0, 0.0), hobby.poll()))


def test_the_board_holds_still_when_nothing_comes(board: Board) -> None:
    head = Hobby(HobbySettings(port=board.path, watchdog_ms=20), Limits())
    head.open()
    until(lambda: board.state == "held")
    head.send(1.0, 0.0)
    with pytest.raises(DeviceError, match="nothing had reached it for 20 ms, so it holds still"):
        until(lambda: False, head.poll)
    assert board.position == (0, 0)
    head.close()


def test_a_power_cut_is_found(board: Board, hobby: Hobby) -> None:
    hobby.open()
    board.state = "off"
    with pytest.raises(DeviceError, match="it has lost its state; was its power cut"):
        until(lambda: False, hobby.poll)


def test_the_board_refuses_what_is_past_its_limits(board: Board, hobby: Hobby) -> None:
    hobby.open()
    board.limits = (-100, 100, -100, 100)
    hobby.send(5.0, 0.0)
    with pytest.raises(DeviceError, match="the angle is past the limits that it was given"):
        until(lambda: False, hobby.poll)
    assert board.position == (0, 0)


def test_release_stops_the_pulses_and_a_cut_line_does_no_harm(board: Board) -> None:
    head = Hobby(HobbySettings(port=board.path, on_stop="release"), Limits())
    head.stop()
    head.open()
    head._port.write(line("77 G 4000 0")[:6])
    head.stop()
    assert board.state == "off"
    assert board.position == (0, 0)
    head.close()


def test_without_the_library_the_command_that_installs_it_is_named(
    hobby: Hobby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(DeviceError, match=r'needs pyserial: pip install "silicon-retina\[head\]"'):
        hobby.open()

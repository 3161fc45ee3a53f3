"""Two servos on a pseudo-terminal that speak protocol 2: set up, moved, polled, stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from nodes.head import Limits
from nodes.head.dynamixel import Dynamixel, DynamixelSettings
from nodes.head.simulated import Servo, Servos
from pipeline.errors import DeviceError, UsageError
from tests.waiting import until

UNIT = 360 / 4096


def test_opening_sets_limits_in_the_servos_and_moves_nothing() -> None:
    with Servos(Servo(1, position=2100), Servo(2, position=2000)) as servos:
        opens_and_moves_nothing(servos)


def opens_and_moves_nothing(servos: Servos) -> None:
    for servo in servos.servos.values():
        servo.table[10] = 0b1101
        servo.table[11] = 4
        servo.table[64] = 1
    limits = Limits(pan_min_deg=-20, pan_max_deg=30, speed_deg_s=100, acceleration_deg_s2=4000)
    head = Dynamixel(DynamixelSettings(port=servos.path, tilt_reversed=True), limits)
    head.open()
    assert head.position() == pytest.approx((52 * UNIT, 48 * UNIT))
    head.close()
    pan, tilt = servos.servos[1], servos.servos[2]
    assert (pan.entry(52), pan.entry(48)) == (2048 - 227, 2048 + 341)
    assert (tilt.entry(52), tilt.entry(48)) == (2048 - 341, 2048 + 341)
    for servo in (pan, tilt):
        assert servo.torque
        assert servo.table[10] == 1, "its own reversal stays, profile by time goes"
        assert servo.table[11] == 3
        assert servo.entry(112) == int(100 / (0.229 * 6))
        assert servo.entry(108) == int(4000 / 21.4577)
        assert servo.table[98] == 10
        assert servo.fastest == 0.0


def test_what_is_set_already_is_not_written_and_keeps_the_torque(
    servos: Servos, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        head = Dynamixel(DynamixelSettings(port=servos.path), Limits())
        head.open()
        head.close()
        monkeypatch.setattr(Servo, "write", only_ram(Servo.write))


def only_ram(write: Callable[[Servo, int, bytes], int]) -> Callable[[Servo, int, bytes], int]:
    def checked(servo: Servo, address: int, data: bytes) -> int:
        assert address >= 64
        assert (address, data) != (64, b"\0")
        return write(servo, address, data)

    return checked


def test_homing_keeps_the_limits(servos: Servos, dynamixel: Dynamixel) -> None:
    servos.servos[1].position = 2048 + 20 / UNIT
    servos.servos[2].position = 2048 - 7 / UNIT
    dynamixel.open()
    dynamixel.home()
    assert dynamixel.position() == pytest.approx((0, 0), abs=1.0)
    assert servos.servos[1].fastest * UNIT == pytest.approx(200, rel=0.02)
    assert max(servo.fastest for servo in servos.servos.values()) * UNIT <= 200


def test_a_head_outside_its_limits_comes_back_in(servos: Servos, dynamixel: Dynamixel) -> None:
    servos.servos[1].position = 2048 + 60 / UNIT
    dynamixel.open()
    dynamixel.home()
    assert dynamixel.position() == pytest.approx((0, 0), abs=1.0)
    assert servos.servos[1].fastest * UNIT <= 200


def test_a_blocked_head_is_named(servos: Servos, dynamixel: Dynamixel) -> None:
    servos.servos[1].position = 2048 + 20 / UNIT
    servos.servos[1].blocked = True
    dynamixel.open()
    with pytest.raises(DeviceError, match=r"pan stands at 20\.0° and does not reach 0°; is it"):
        dynamixel.home()


def test_homing_can_be_stopped(servos: Servos, dynamixel: Dynamixel) -> None:
    servos.servos[1].position = 2048 + 20 / UNIT
    dynamixel.open()
    dynamixel.home(stop=lambda: len(servos.goals) >= 5)
    dynamixel.stop()
    assert servos.servos[1].goal * UNIT > 180 + 5


def test_goals_are_rounded_to_steps_within_the_limits(servos: Servos, dynamixel: Dynamixel) -> None:
    dynamixel.open()
    assert dynamixel.send(10.0, -5.0) == pytest.approx((114 * UNIT, -57 * UNIT))
    assert dynamixel.send(1e6, -1e6) == pytest.approx((512 * UNIT, -341 * UNIT))
    until(lambda: len(servos.goals) == 2)
    assert servos.goals[0][1] == {1: 2048 + 114, 2: 2048 - 57}
    assert servos.goals[1][1] == {1: 2048 + 512, 2: 2048 - 341}


def test_polling_never_waits_and_finds_overload(servos: Servos, dynamixel: Dynamixel) -> None:
    dynamixel.open()
    longest = 0.0
    for k in range(200):
        dynamixel.send(k / 100, 0.0)
        began = time.thread_time()
        dynamixel.poll()
        longest = max(longest, time.thread_time() - began)
    assert longest < 0.01
    servos.servos[2].errors = 32
    with pytest.raises(DeviceError, match=r"servo 2 \(tilt\) reports overload; its torque is off"):
        until(lambda: False, dynamixel.poll)


@pytest.mark.parametrize(
    ("errors", "what"),
    [
        (4, "over-temperature"),
        (1, "a supply voltage out of range"),
        (36, "over-temperature and overload"),
        (64, "hardware error 0x40"),
    ],
)
def test_a_hardware_error_is_named_at_once(servos: Servos, errors: int, what: str) -> None:
    servos.servos[1].errors = errors
    head = Dynamixel(DynamixelSettings(port=servos.path), Limits())
    with pytest.raises(DeviceError, match=rf"servo 1 \(pan\) reports {what}; its torque"):
        head.open()


def test_a_servo_that_falls_silent_is_named(servos: Servos, dynamixel: Dynamixel) -> None:
    dynamixel.open()
    servos.servos[2].mute = True
    with pytest.raises(
        DeviceError, match=r"servo 2 \(tilt\) gives no answer, asked 3 times, 20 ms each"
    ):
        until(lambda: False, dynamixel.poll)
    with pytest.raises(DeviceError, match=r"servo 2 \(tilt\) gives no answer"):
        dynamixel.check()


def test_one_wrong_checksum_is_no_fault_many_are(servos: Servos, dynamixel: Dynamixel) -> None:
    dynamixel.open()
    servos.servos[1].garbled = 2
    dynamixel.check()
    servos.servos[1].garbled = 1
    until(lambda: servos.servos[1].garbled == 0, dynamixel.poll)
    for _ in range(100):
        dynamixel.poll()
    servos.servos[1].garbled = 1000
    with pytest.raises(DeviceError, match=r"servo 1 \(pan\) gives no valid answer \(wrong check"):
        until(lambda: False, dynamixel.poll)


def test_a_power_cut_is_found(servos: Servos, dynamixel: Dynamixel) -> None:
    dynamixel.open()
    servos.servos[1].table[64] = 0
    with pytest.raises(DeviceError, match=r"servo 1 \(pan\) has lost its torque; was its power"):
        until(lambda: False, dynamixel.poll)


def test_the_servos_stop_by_themselves_when_nothing_comes(servos: Servos) -> None:
    head = Dynamixel(DynamixelSettings(port=servos.path, watchdog_ms=40), Limits(speed_deg_s=20))
    head.open()
    head.send(40.0, 0.0)
    until(lambda: servos.servos[1].stopped)
    until(lambda: servos.servos[1].speed == 0.0)
    assert servos.servos[1].position * UNIT < 180 + 20
    with pytest.raises(DeviceError, match=r"servo 1 \(pan\) stopped by itself: nothing had reach"):
        until(lambda: False, head.poll)
    head.stop()
    assert servos.servos[1].torque
    head.close()


def test_stop_brakes_within_the_limits_and_holds(servos: Servos) -> None:
    limits = Limits(acceleration_deg_s2=1000)
    head = Dynamixel(DynamixelSettings(port=servos.path), limits)
    head.open()
    head.send(40.0, 0.0)
    pan = servos.servos[1]
    until(lambda: pan.speed * UNIT > 100)
    head.stop()
    head.close()
    until(lambda: pan.speed == 0.0)
    assert pan.torque
    assert pan.position == pytest.approx(pan.goal, abs=0.5)
    assert pan.goal < 2048 + 40 / UNIT - 5
    assert pan.table[98] == 0


def test_stop_can_release(servos: Servos) -> None:
    head = Dynamixel(DynamixelSettings(port=servos.path, on_stop="release"), Limits())
    head.stop()
    head.open()
    head.stop()
    assert not any(servo.torque for servo in servos.servos.values())
    head.close()
    head.stop()


def test_a_stop_reaches_one_servo_where_the_other_is_silent(servos: Servos) -> None:
    settings = DynamixelSettings(port=servos.path, on_stop="release", answer_ms=5)
    head = Dynamixel(settings, Limits())
    head.open()
    servos.servos[1].mute = True
    with pytest.raises(DeviceError, match=r"servo 1 \(pan\) gives no answer"):
        head.stop()
    assert not servos.servos[2].torque


def test_who_is_not_there_is_named(servos: Servos) -> None:
    settings = DynamixelSettings(port=servos.path, tilt_id=7, answer_ms=5)
    with pytest.raises(DeviceError, match=r"servo 7 \(tilt\) does not answer at 1000000 baud; are"):
        Dynamixel(settings, Limits()).open()
    with pytest.raises(DeviceError, match=r"servo 1 \(pan\) is model 1060, not 1020"):
        Dynamixel(DynamixelSettings(port=servos.path, model=1020), Limits()).open()


def test_an_unknown_model_can_be_named() -> None:
    with Servos(Servo(1, model=9999), Servo(2, model=9999)) as servos:
        with pytest.raises(DeviceError, match="model 9999, not one of the X series; set 'model ="):
            Dynamixel(DynamixelSettings(port=servos.path), Limits()).open()
        head = Dynamixel(DynamixelSettings(port=servos.path, model=9999), Limits())
        head.open()
        head.close()


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="pan_id and tilt_id are both 3"):
        Dynamixel(DynamixelSettings(pan_id=3, tilt_id=3), Limits())
    with pytest.raises(UsageError, match="its limits need servo positions -412 to 612 about pan_z"):
        Dynamixel(DynamixelSettings(pan_zero=100), Limits())
    whole = Dynamixel(DynamixelSettings(), Limits(pan_min_deg=-180, pan_max_deg=180))
    assert whole.least_tick_us == 1760


def test_without_the_library_the_command_that_installs_it_is_named(
    servos: Servos, dynamixel: Dynamixel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dynamixel_sdk", None)
    with pytest.raises(DeviceError, match=r'needs dynamixel-sdk: pip install "silicon-retina\[he'):
        dynamixel.open()


def test_nothing_is_printed(
    servos: Servos, dynamixel: Dynamixel, capfd: pytest.CaptureFixture[str]
) -> None:
    dynamixel.open()
    dynamixel.home()
    servos.servos[1].mute = True
    with pytest.raises(DeviceError):
        dynamixel.check()
    dynamixel.close()
    assert capfd.readouterr() == ("", "")

"""Commands on an absolute schedule; a safe stop whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from nodes.head import Limits
from nodes.head.drive import Driver
from nodes.head.motion import never
from pipeline.errors import DeviceError, UsageError

MS = 1_000_000
TICK = 2000
LIMITS = Limits()


def swing(t: NDArray[np.int64]) -> NDArray[np.float64]:
    phase = 2 * np.pi * 2.0 * t / 1e6
    return np.stack([8 * np.sin(phase), 3 * (1 - np.cos(phase))], axis=1)


class Time:
    """A clock that goes on with each look at it and with each sleep."""

    def __init__(self) -> None:
        self.ns = 5 * MS

    def now_ns(self) -> int:
        self.ns += 1000
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


class Paper:
    """A head on paper: it does at once what it is sent, and what the test wants of it."""

    name = "paper"
    least_tick_us = 1000
    hold_note = "it is made of paper"

    def __init__(self, time: Time) -> None:
        self.time = time
        self.sent: list[tuple[int, float, float]] = []
        self.log: list[str] = []
        self.at: dict[int, Callable[[], None]] = {}
        self.where = (0.0, 0.0)
        self.deaf = False

    def open(self) -> None:
        self.log.append("open")

    def home(self, stop: Callable[[], bool] = never) -> None:
        self.log.append("home")

    def send(self, pan_deg: float, tilt_deg: float) -> tuple[float, float]:
        self.where = (pan_deg, tilt_deg)
        if "home" in self.log:
            self.sent.append((self.time.ns, pan_deg, tilt_deg))
        self.at.pop(len(self.sent), lambda: None)()
        return self.where

    def position(self) -> tuple[float, float]:
        return self.where

    def check(self) -> None: ...

    def poll(self) -> None: ...

    def stop(self) -> None:
        self.log.append("stop")
        if self.deaf:
            raise DeviceError("paper: hears nothing")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def paper(time: Time) -> Paper:
    return Paper(time)


def driver(
    head: Paper, at: object = swing, duration_us: int = 1_000_000, tick_us: int = TICK
) -> Driver:
    return Driver(
        head, LIMITS, at, duration_us, tick_us, head.time, hurry=False, sleep=head.time.sleep  # type: ignore[arg-type]
    )  # fmt: skip


def test_every_command_leaves_at_its_time(paper: Paper) -> None:
    drive = driver(paper)
    got = list(drive.run())
    times = [t for t, _, _, _ in got]
    assert times == list(range(0, times[-1] + 1, TICK))
    assert times[500] == 1_000_000
    sent = np.array([ns for _, _, _, ns in got])
    due = sent[0] + np.arange(len(got)) * TICK * 1000
    assert np.abs(sent - due).max() < 50_000
    wanted = swing(np.array(times[20:501], np.int64))
    np.testing.assert_allclose(np.array(got)[20:501, 1:3], wanted, atol=1e-9)
    assert paper.log == ["open", "home", "stop", "close"]
    jitter = drive.jitter
    assert jitter.commands == len(got)
    assert (jitter.missed, jitter.realtime) == (0, False)
    assert 0 < jitter.p50_ms <= jitter.p99_ms <= 0.05


def test_the_head_ends_at_rest_within_its_limits(paper: Paper) -> None:
    got = np.array(list(driver(paper).run()))
    path = np.concatenate([got[:, 1:3], got[-1:, 1:3]])
    velocity = np.diff(path, axis=0) / (TICK / 1e6)
    assert np.abs(np.diff(velocity, axis=0)).max() / (TICK / 1e6) <= 10_000 * (1 + 1e-6)
    assert np.abs(velocity).max() <= 200
    assert got[-1, 0] > 1_000_000


def test_a_path_that_begins_elsewhere_is_reached_first(paper: Paper) -> None:
    got = list(driver(paper, lambda t: swing(t) + np.array([5.0, -3.0])).run())
    assert got[0][0:3] == (0, 5.0, -3.0)
    first = next(k for k, (_, pan, _) in enumerate(paper.sent) if pan == pytest.approx(5.0))
    assert first >= 3


def test_a_short_stall_is_made_up_and_counted(paper: Paper) -> None:
    def stall() -> None:
        paper.time.ns += 13 * MS

    began = len(list(driver(Paper(paper.time), duration_us=0).run()))
    paper.at = {200 + began: stall}
    drive = driver(paper)
    got = list(drive.run())
    times = [t for t, _, _, _ in got]
    gaps = np.diff(times)
    assert gaps.max() == 6 * TICK
    assert (gaps != TICK).sum() == 1
    late = drive.jitter
    assert late.missed == 5
    assert late.max_ms == pytest.approx(13, abs=0.5)
    k = int(np.argmax(gaps)) + 1
    # No command is a surprise: the next one is on the path as if nothing had been missed.
    np.testing.assert_allclose(got[k][1:3], swing(np.array([times[k]]))[0], atol=1e-9)


def test_after_a_long_stall_the_head_starts_from_rest(paper: Paper) -> None:
    def stall() -> None:
        paper.time.ns += 150 * MS

    paper.at = {200: stall}
    drive = driver(paper)
    got = np.array(list(drive.run()))
    gap = int(np.argmax(np.diff(got[:, 0])))
    step = np.abs(got[gap + 1, 1:3] - got[gap, 1:3])
    assert step.max() <= 10_000 * (TICK / 1e6) ** 2 + 1e-9
    velocity = np.diff(got[gap + 1 :, 1:3], axis=0) / (TICK / 1e6)
    assert np.abs(velocity).max() <= 200 + 1e-6
    late = got[(got[:, 0] > 950_000) & (got[:, 0] <= 1_000_000)]
    np.testing.assert_allclose(late[:, 1:3], swing(late[:, 0]), atol=1e-6)


def test_stop_brakes_and_ends_it(paper: Paper) -> None:
    with closing(driver(paper).run(stop=lambda: len(paper.sent) >= 100)) as run:
        got = np.array(list(run))
    assert got[-1, 0] < 300_000
    velocity = np.diff(got[:, 1:3], axis=0) / (TICK / 1e6)
    assert np.abs(velocity[-1]).max() < 20 + 1e-6
    assert paper.log == ["open", "home", "stop", "close"]


def test_stop_before_anything_moves(paper: Paper) -> None:
    assert list(driver(paper).run(stop=lambda: True)) == []
    assert paper.log == ["open", "home", "stop", "close"]


def test_closing_the_generator_stops_the_head(paper: Paper) -> None:
    run = driver(paper).run()
    for _ in range(100):
        next(run)
    run.close()  # type: ignore[attr-defined]
    assert paper.log[-2:] == ["stop", "close"]


@pytest.mark.parametrize("error", [DeviceError("paper: torn"), ValueError("x"), KeyboardInterrupt])
def test_any_error_stops_the_head(paper: Paper, error: BaseException) -> None:
    def fail() -> None:
        raise error

    paper.at = {50: fail}
    with pytest.raises((DeviceError, ValueError, KeyboardInterrupt)) as caught:
        list(driver(paper).run())
    assert paper.log == ["open", "home", "stop", "close"]
    assert str(caught.value) in {"paper: torn", "x", ""}


def test_a_head_that_cannot_be_told_says_what_it_does_by_itself(paper: Paper) -> None:
    def fail() -> None:
        paper.deaf = True
        raise DeviceError("paper: torn")

    paper.at = {50: fail}
    with pytest.raises(DeviceError, match=r"^paper: torn; it is made of paper$"):
        list(driver(paper).run())
    assert paper.log[-1] == "close"


def test_a_second_ctrl_c_does_not_cut_the_stop_short(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    presses = iter([True, True, False])

    def stop() -> None:
        if next(presses):
            raise KeyboardInterrupt
        paper.log.append("stopped at last")

    monkeypatch.setattr(paper, "stop", stop)
    paper.at = {50: fail}
    with pytest.raises(KeyboardInterrupt):
        list(driver(paper).run())
    assert paper.log[-2:] == ["stopped at last", "close"]


def test_too_short_a_tick_is_refused_before_the_head_moves(paper: Paper) -> None:
    with pytest.raises(UsageError, match=r"a tick of 500 µs is too short for its line, .* 1000 µs"):
        list(driver(paper, tick_us=500).run())
    assert paper.log == ["open", "stop", "close"]


def test_a_path_past_the_limits_is_refused_before_the_port_is_opened(paper: Paper) -> None:
    with pytest.raises(UsageError, match="the head may go from -45 to 45°"):
        driver(paper, lambda t: swing(t) * 10)
    assert paper.log == []
    with pytest.raises(UsageError, match="tick_us = 0, duration_us = 5"):
        driver(paper, duration_us=5, tick_us=0)


def test_long_ticks_keep_the_watchdog_quiet(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    polls: list[int] = []
    monkeypatch.setattr(paper, "poll", lambda: polls.append(paper.time.ns))
    list(driver(paper, lambda t: swing(t) * 0, tick_us=500_000).run())
    assert np.diff(polls).max() <= 41 * MS


def test_the_scheduling_is_as_before(paper: Paper) -> None:
    before = os.sched_getscheduler(0)
    drive = Driver(paper, LIMITS, swing, 10_000, TICK, paper.time, sleep=paper.time.sleep)
    with closing(drive.run()) as run:
        next(run)
        assert (os.sched_getscheduler(0) != before) == drive.jitter.realtime
    assert os.sched_getscheduler(0) == before


def test_a_refused_priority_is_no_error(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    drive = Driver(paper, LIMITS, swing, 10_000, TICK, paper.time, sleep=paper.time.sleep)
    assert len(list(drive.run())) > 5
    assert not drive.jitter.realtime


def test_a_late_command_leaves_the_line_to_the_next(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls: list[int] = []
    monkeypatch.setattr(paper, "poll", lambda: polls.append(len(paper.sent)))

    def late() -> None:
        paper.time.ns += 3 * MS // 2

    began = len(list(driver(Paper(paper.time), duration_us=0).run()))
    paper.at = {began + k: late for k in range(50, 75)}
    list(driver(paper).run())
    asked = [k - began for k in polls if 50 <= k - began < 75]
    assert asked == [60, 71]

"""The checklist that an owner of a camera goes through in five minutes (``doctor --camera``).

It shows what no machine without a camera can: that events come, in order and on time, that
settings do what they say, that a plug may be pulled. Where a hand is needed it asks for one.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from nodes.camera.device import Batch, Device, Driver, Gone, Wanted
from nodes.camera.drivers import drivers_for
from nodes.camera.keeper import Keeper
from nodes.camera.wishes import serial_of
from pipeline.errors import DeviceError

Outcome = Literal["passed", "failed", "skipped"]
Ask = Callable[[str], bool]
"""Tells the owner what to do, returns whether it is done; False where nobody is there."""

_PLUG_S = 30.0
_GAP_MS = 20.0


class Step(msgspec.Struct, frozen=True):
    """One step: its name, how it went, and what was seen."""

    name: str
    outcome: Outcome
    seen: str


class Sight(msgspec.Struct):
    """What came within some time: events, their extent, and how they came."""

    seconds: float
    events: int = 0
    batches: int = 0
    backward: int = 0
    longest_gap_ms: float = 0.0
    longest_us: int = 0
    x: tuple[int, int] = (0, 0)
    y: tuple[int, int] = (0, 0)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


class Bedside:
    """Goes through the steps with one camera; ``look_s`` is how long it looks each time."""

    def __init__(
        self, drivers: list[Driver], serial: str, ask: Ask, *, look_s: float = 2.0
    ) -> None:
        self._keeper = Keeper(drivers, serial)
        self._ask = ask
        self._look_s = look_s
        self.steps: list[Step] = []
        self.facts: dict[str, object] = {}

    def run(self) -> list[Step]:
        """Go through every step that this camera has; return them."""
        try:
            device = self._find()
            if device is not None:
                try:
                    self._moving(device)
                    self._still(device)
                    self._sensitivity(device)
                    self._region(device)
                    self._mirrors(device)
                    self._filters(device)
                    self._limit(device)
                    device.apply(Wanted())
                    self._plug()
                except Gone as error:
                    self._note("the camera stays", "failed", str(error))
        finally:
            begin = time.monotonic()
            self._keeper.close()
            took = time.monotonic() - begin
            if self.facts:
                self._note("it lets go", "passed" if took < 1 else "failed", f"{took:.3f} s")
        return self.steps

    def _find(self) -> Device | None:
        device = self._keeper.look(0)
        if device is None:
            self._note("it is found and opens", "failed", self._keeper.why)
            return None
        found = device.found
        self.facts = {
            "model": found.model,
            "serial": found.serial,
            "driver": found.driver,
            "size": f"{device.width}x{device.height}",
            "can": list(found.can),
            **device.facts(),
        }
        self._note("it is found and opens", "passed", f"{found.name} by {found.driver}")
        device.apply(Wanted())
        return device

    def _moving(self, device: Device) -> None:
        self._ask("Wave a hand before the camera until the next line.")
        sight = self._look(device)
        name = "events come"
        if not sight.events:
            self._note(name, "failed", f"none in {sight.seconds:.1f} s")
            return
        self._note(name, "passed", f"{sight.rate:,.0f} events/s in {sight.batches} batches")
        inside = sight.x[1] < device.width and sight.y[1] < device.height
        where = f"x {sight.x[0]} to {sight.x[1]}, y {sight.y[0]} to {sight.y[1]}"
        self._note("they lie on the sensor", "passed" if inside else "failed", where)
        self._note(
            "their times never step back",
            "failed" if sight.backward else "passed",
            f"{sight.backward} steps back",
        )
        ms = sight.longest_us / 1000
        self._note(
            "they come in short batches",
            "passed" if ms <= _GAP_MS else "failed",
            f"longest batch {ms:.1f} ms, longest pause between two {sight.longest_gap_ms:.1f} ms",
        )
        lost = device.dropped()
        text = ", ".join(f"{name}: {n}" for name, n in lost.items()) or "the driver has no counter"
        self._note("nothing is lost", "failed" if any(lost.values()) else "passed", text)

    def _still(self, device: Device) -> None:
        name = "a covered lens is quiet"
        before = self._look(device).rate
        if not self._ask("Cover the lens."):
            self._note(name, "skipped", "needs a hand")
            return
        after = self._look(device).rate
        outcome: Outcome = "passed" if after < before else "failed"
        self._note(name, outcome, f"{before:,.0f} then {after:,.0f} events/s")
        self._ask("Take the cover away, and wave a hand until the end.")

    def _sensitivity(self, device: Device) -> None:
        name = "a higher sensitivity gives more events"
        if not self._can(device, "sensitivity", name):
            return
        rates, biases = [], []
        for preset in ("very-low", "very-high"):
            device.apply(Wanted(sensitivity=preset))
            self._look(device, 0.2)
            rates.append(self._look(device).rate)
            biases.append(str(device.actual().get("biases", "")))
        device.apply(Wanted())
        changed = biases[0] != biases[1]
        more = rates[1] > rates[0]
        text = f"{rates[0]:,.0f} then {rates[1]:,.0f} events/s ({biases[0]} then {biases[1]})"
        # A scene that nobody moves may give as many: then only the biases tell.
        moving = self._ask("Was something moving before the camera all the time?")
        outcome: Outcome = "passed" if changed and (more or not moving) else "failed"
        self._note(name, outcome, text)

    def _region(self, device: Device) -> None:
        name = "the region of interest holds"
        if not self._can(device, "roi", name):
            return
        roi = (device.width // 4, device.height // 4, device.width // 2, device.height // 2)
        words = device.apply(Wanted(roi=roi))
        self._look(device, 0.2)
        sight = self._look(device)
        x0, y0, width, height = roi
        inside = (
            x0 <= sight.x[0] <= sight.x[1] < x0 + width
            and y0 <= sight.y[0] <= sight.y[1] < y0 + height
        )
        text = f"asked for {roi}, events at x {sight.x}, y {sight.y}"
        if not sight.events:
            text = f"asked for {roi}, no events"
        ok = not words and bool(sight.events) and inside
        self._note(name, "passed" if ok else "failed", "; ".join([text, *words]))
        device.apply(Wanted())
        self._look(device, 0.2)

    def _mirrors(self, device: Device) -> None:
        name = "mirrors mirror"
        words = device.apply(Wanted(flip_horizontal=True, flip_vertical=True))
        actual = device.actual()
        on = bool(actual.get("flip_horizontal")) and bool(actual.get("flip_vertical"))
        self._note(name, "passed" if on and not words else "failed", f"read back: {on}")
        device.apply(Wanted())

    def _filters(self, device: Device) -> None:
        for setting, us in (("noise_us", 2000), ("refractory_us", 1000)):
            name = f"{setting} is obeyed"
            if not self._can(device, setting, name):
                continue
            wanted = Wanted(noise_us=us) if setting == "noise_us" else Wanted(refractory_us=us)
            words = device.apply(wanted)
            has = device.actual().get(setting)
            ok = not words and has == us
            self._note(name, "passed" if ok else "failed", f"asked for {us}, it has {has}")
        device.apply(Wanted())

    def _limit(self, device: Device) -> None:
        name = "the rate limit holds"
        if not self._can(device, "rate_limit", name):
            return
        limit = 10_000.0
        words = device.apply(Wanted(rate_limit=limit))
        self._look(device, 0.2)
        rate = self._look(device).rate
        ok = not words and rate <= 1.1 * limit
        self._note(name, "passed" if ok else "failed", f"{rate:,.0f} events/s, limit {limit:,.0f}")
        device.apply(Wanted())

    def _plug(self) -> None:
        device = self._keeper.device
        name = "a pulled plug is noticed, and put back again it goes on"
        if device is None or not self._ask("Pull the plug."):
            self._note(name, "skipped", "needs a hand")
            return
        gone = self._until_gone(device)
        if gone is None:
            self._note(name, "failed", f"still there after {_PLUG_S:g} s")
            return
        self._keeper.lose(_now_us())
        self._ask("Put it back.")
        begin = time.monotonic()
        while time.monotonic() - begin < _PLUG_S:
            back = self._keeper.look(_now_us())
            if back is not None:
                took = time.monotonic() - begin
                sight = self._look(back)
                ok: Outcome = "passed" if sight.events else "failed"
                self._note(name, ok, f"noticed: {gone}; back after {took:.1f} s")
                return
            time.sleep(0.02)
        self._note(name, "failed", f"not back after {_PLUG_S:g} s: {self._keeper.why}")

    def _until_gone(self, device: Device) -> str | None:
        end = time.monotonic() + _PLUG_S
        while time.monotonic() < end:
            try:
                if device.read() is None:
                    time.sleep(0.001)
            except Gone as error:
                return str(error)
        return None

    def _look(self, device: Device, seconds: float | None = None) -> Sight:
        """Read for some time and tell what came."""
        seconds = min(self._look_s, self._look_s if seconds is None else seconds)
        sight = Sight(seconds)
        begin = last = time.monotonic()
        latest = -(2**62)
        x, y = (2**16, -1), (2**16, -1)
        while (now := time.monotonic()) - begin < seconds:
            batch: Batch | None = device.read()
            if batch is None:
                time.sleep(0.0005)
                continue
            sight.longest_gap_ms = max(sight.longest_gap_ms, (now - last) * 1000)
            last = now
            events = batch.events
            if not len(events):
                continue
            times = events["t"]
            sight.batches += 1
            sight.events += len(events)
            sight.backward += int((np.diff(times) < 0).sum()) + int(times[0] < latest)
            latest = int(times[-1])
            sight.longest_us = max(sight.longest_us, latest - int(times[0]))
            x = (min(x[0], int(events["x"].min())), max(x[1], int(events["x"].max())))
            y = (min(y[0], int(events["y"].min())), max(y[1], int(events["y"].max())))
        if sight.events:
            sight.x, sight.y = x, y
        return sight

    def _can(self, device: Device, setting: str, name: str) -> bool:
        if setting in device.found.can:
            return True
        self._note(name, "skipped", f"a {device.found.model} has no {setting}")
        return False

    def _note(self, name: str, outcome: Outcome, seen: str) -> None:
        step = Step(name, outcome, seen)
        self.steps.append(step)
        print(f"{step.outcome:8} {step.name}: {step.seen}", flush=True)


def examine(source: str, report: Path, *, attended: bool) -> bool:
    """Go through the camera ``source`` and write the report; return whether no step failed."""
    serial = serial_of(source)
    if report.exists() and not report.is_file():
        raise DeviceError(f"{report}: is no file, the report cannot be written there")
    ask = _ask_owner if attended and sys.stdin.isatty() else _nobody
    bedside = Bedside(drivers_for(serial), serial, ask)
    steps = bedside.run()
    passed = all(step.outcome != "failed" for step in steps)
    report.write_bytes(
        msgspec.json.format(
            msgspec.json.encode(
                {
                    "camera": bedside.facts,
                    "passed": passed,
                    "steps": steps,
                    "environment": _environment(),
                }
            )
        )
        + b"\n"
    )
    print(f"\n{'every step passed' if passed else 'not every step passed'}; report: {report}")
    return passed


def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for name in ("silicon-retina", "dv-processing", "neuromorphic-drivers"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def _ask_owner(what: str) -> bool:
    answer = input(f"\n{what} [Enter; s: skip] ")
    return not answer.strip().lower().startswith(("s", "n"))


def _nobody(what: str) -> bool:
    return False


def _now_us() -> int:
    return time.monotonic_ns() // 1000

"""camera: what a camera sees, in packets of equal event time, whatever is plugged and unplugged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from nodes.camera.cutter import Cutter
from nodes.camera.device import Batch, Device, Driver, Gone
from nodes.camera.drivers import drivers_for
from nodes.camera.keeper import Keeper
from nodes.camera.wishes import LIVE, CameraSettings, serial_of, wanted
from pipeline import EventPacket, Packet, SourceNode
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import DeviceError
from pipeline.events import Events, empty_events, pack
from pipeline.packets import EventHeader

_IDLE_MS = 1
_AWAY_MS = 20
_ASK_US = 500_000


class Camera(SourceNode):
    """Yields EventPackets of ``packet_us`` each, empty ones while nothing moves.

    A camera that is unplugged is looked for until it is back; its first packet then has a reset
    mark, and event time has gone on. Every packet names its camera as its sample.
    """

    settings_type = CameraSettings
    blas = False
    emits = (EventPacket,)
    settings: CameraSettings
    speed = None
    live: ClassVar[frozenset[str]] = LIVE

    def __init__(self, settings: CameraSettings | None = None, **values: Any) -> None:
        super().__init__(settings, **values)
        self.clock: Clock = MonotonicClock()
        self.drivers: Callable[[str], list[Driver]] = lambda serial: drivers_for(
            serial, self.settings.packet_us, self.settings.scene
        )
        """Gives the drivers that may know a serial number."""

    @classmethod
    def settings_at(cls, source: str, packet_us: int) -> CameraSettings:
        """Return settings for a SOURCE of the form ``camera:…``."""
        return CameraSettings(source=source, packet_us=packet_us)

    def open(self) -> None:
        """Find and open the camera; raises DeviceError where there is none and none is waited for.

        A node that goes on for one that died waits for its camera in any case.
        """
        settings = self.settings
        serial = serial_of(settings.source)
        self._wanted = wanted(settings)
        self._keeper = Keeper(self.drivers(serial), serial)
        self._cutter = Cutter(settings.packet_us, self.cursor, 1, 1)
        self._cutter.patience_us = settings.patience_us
        self._words: list[str] = []
        self._actual: dict[str, object] = {}
        self._facts: dict[str, str | int | float] = {}
        self._name = ""
        self._size = 1, 1
        self._events = 0
        self._replugs = 0
        self._dropped: dict[str, int] = {}
        self._dropped_before: dict[str, int] = {}
        self._ask_us = 0
        self._lost_us: int | None = None
        self._begun_us = self._now_us()
        # The first call compiles: that belongs to the start.
        pack(empty_events(1), 0)
        Cutter(1, 0, 1, 1).push(Batch(empty_events(1), 0), 0)
        device = self._keeper.look(self._begun_us)
        if device is not None:
            self._take(device)
        elif not settings.wait_s and not self.cursor:
            raise DeviceError(
                f"{settings.source}: {self._keeper.why}; 'retina devices' lists cameras,"
                " 'retina doctor' finds what is amiss"
            )
        else:
            self.condition = "waiting"
            self._tell(f"{self._keeper.why}; waiting for it")

    def close(self) -> None:
        """Let go of the camera."""
        self._keeper.close()

    def produce(self) -> Iterator[Packet]:
        """Yield packets until the run ends; raises DeviceError where a lost camera is given up."""
        cutter = self._cutter
        self.announce_reset()
        while not self.stopping():
            device = self._keeper.device
            now = self._now_us()
            if device is None:
                # Its last words, which wait for the end of their packet.
                yield from self._packets(cutter.flush())
                device = self._keeper.look(now)
                if device is not None:
                    self._take(device)
                else:
                    self._weigh(now)
                    self.wait(_AWAY_MS)
                continue
            try:
                batch = device.read()
                if batch is not None:
                    cutter.push(batch, now)
                if now >= self._ask_us:
                    self._ask_us = now + _ASK_US
                    self._ask(device)
            except Gone as error:
                self._lose(error, now)
                continue
            before = cutter.end_us
            yield from self._packets(cutter.cut(now))
            if batch is None and cutter.end_us == before:
                self.wait(_IDLE_MS)

    def retuned(self, names: set[str]) -> None:
        """Obey settings that were changed while the camera runs; raises SettingError."""
        del names
        self._wanted = wanted(self.settings)
        self._cutter.patience_us = self.settings.patience_us
        device = self._keeper.device
        if device is not None:
            try:
                self._words = device.apply(self._wanted)
                self._ask(device)
            except Gone as error:
                self._lose(error, self._now_us())

    def actual(self) -> dict[str, object]:
        """What the camera really has, asked twice a second."""
        return dict(self._actual)

    def facts(self) -> dict[str, str | int | float]:
        """Who the camera is, and every counter of what was lost or mended."""
        cutter = self._cutter
        state = "live" if self._keeper.device is not None else "away"
        return {
            **self._facts,
            "state": state,
            "events": self._events,
            "replugs": self._replugs,
            "late_events": cutter.late,
            "outside_events": cutter.outside,
            "clock_jumps": cutter.jumps,
            **self._dropped,
        }

    def words(self) -> list[str]:
        """What is wrong: what the camera cannot do, or that it is away."""
        return [*self._words, *([self._keeper.why] if self._keeper.why else [])]

    def _packets(self, parts: Iterator[tuple[int, Events]]) -> Iterator[Packet]:
        step, name = self.settings.packet_us, self._name
        width, height = self._size
        for t_begin, events in parts:
            header = EventHeader(
                t_begin=t_begin,
                t_end=t_begin + step,
                sample=name,
                width=width,
                height=height,
                n=0,
            )
            self._events += len(events)
            # A successor goes on where the last packet ended.
            self.cursor = t_begin + step
            yield EventPacket.of(events, header)

    def _take(self, device: Device) -> None:
        """Begin with a camera that was opened now."""
        self._name = device.found.name
        self.condition = ""
        self._size = device.width, device.height
        self._cutter.size(*self._size)
        self._cutter.restart()
        self.announce_reset()
        try:
            self._words = device.apply(self._wanted)
            self._ask(device)
        except Gone as error:
            self._lose(error, self._now_us())
            return
        for word in self._words:
            self._tell(word)
        if self._lost_us is not None:
            self._replugs += 1
            away = (self._now_us() - self._lost_us) / 1e6
            self._lost_us = None
            self._tell(f"{self._name} is back after {away:.1f} s")
            self.journal({"camera": self._name, "back_after_s": round(away, 3)})

    def _lose(self, error: Gone, now_us: int) -> None:
        """Say that the camera is gone, and begin to look for it."""
        if self._lost_us is None:
            self._lost_us = now_us
        self._dropped_before = dict(self._dropped)
        self._keeper.lose(now_us)
        self._keeper.why = str(error)
        self.condition = "reconnecting"
        self._tell(f"{error}; looking for it")
        self.journal({"camera": self._name, "gone": str(error)})

    def _weigh(self, now_us: int) -> None:
        """Give up where that was asked for."""
        settings = self.settings
        if self._lost_us is not None:
            if settings.give_up_s and now_us - self._lost_us > settings.give_up_s * 1e6:
                raise DeviceError(
                    f"{self._name or settings.source}: not back after {settings.give_up_s:g} s"
                )
        elif settings.wait_s and now_us - self._begun_us > settings.wait_s * 1e6:
            raise DeviceError(
                f"{settings.source}: {self._keeper.why} (waited {settings.wait_s:g} s)"
            )

    def _ask(self, device: Device) -> None:
        """Read back what the camera has; done in the node's own thread alone."""
        self._actual = device.actual()
        counts = device.dropped()
        before = self._dropped_before
        self._dropped = {name: before.get(name, 0) + n for name, n in counts.items()}
        found = device.found
        self._facts = {
            "model": found.model,
            "serial": found.serial,
            "firmware": found.firmware,
            "driver": found.driver,
            "width": device.width,
            "height": device.height,
            **device.facts(),
        }

    def _now_us(self) -> int:
        return self.clock.now_ns() // 1000

    def _tell(self, line: str) -> None:
        print(f"{self.name}: {line}", file=sys.stderr, flush=True)

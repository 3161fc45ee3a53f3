"""view: shows events, what a network sees, its answer and the rates live in a Qt window."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from nodes.view.controls.holding import Holding
from nodes.view.display import check_display, platforms
from nodes.view.restraint import Restraint
from nodes.view.tracks.show import MODES, MOST_RECENT, Mode, Show
from pipeline import (
    ActivityPacket,
    EventPacket,
    GazePacket,
    ImagePacket,
    Meta,
    Node,
    Packet,
    PredictionPacket,
    ReconstructionPacket,
    Settings,
    SpikePacket,
)
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import SettingError

# Compiled code and Qt take their time to load: who only looks at a graph's kinds does without.
if TYPE_CHECKING:
    from nodes.view.memory import Memory
    from nodes.view.window import Window

_LONGEST_MS = 60_000


class ViewSettings(Settings):
    """Settings of ``view``."""

    title: Annotated[str, Meta(description="the window's title")] = "silicon-retina"
    scale: Annotated[
        Annotated[float, Meta(gt=0, le=64)] | None,
        Meta(description="screen pixels for one of the sensor (none: as many as fit)"),
    ] = None
    mode: Annotated[
        Mode | None,
        Meta(
            description="how events are shown: fading (decay), by their age (surface), their number"
            " (count), the last ones (last-n), those of a time (last-t); none: as last time"
        ),
    ] = None
    fade_ms: Annotated[
        Annotated[float, Meta(gt=0, le=_LONGEST_MS)] | None,
        Meta(description="event time in which an event fades to a third (none: as last time, 30)"),
    ] = None
    span_ms: Annotated[
        Annotated[float, Meta(gt=0, le=_LONGEST_MS)] | None,
        Meta(
            description="accumulation time, event time, of surface, count and last-t (none: as last"
            " time, 33)"
        ),
    ] = None
    last_n: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_RECENT)] | None,
        Meta(description="so many events are shown by last-n (none: as last time, 20,000)"),
    ] = None
    theme: Annotated[
        Literal["system", "dark", "light"] | None,
        Meta(description="the window's colours (none: as last time, at first the system's)"),
    ] = None
    palette: Annotated[
        Literal["blue-orange", "blue-red", "green-magenta", "yellow-violet", "white-black"] | None,
        Meta(description="the colours of ON and OFF (none: as last time, at first blue-orange)"),
    ] = None
    remember: Annotated[
        bool | None,
        Meta(
            description="layout, look and modes are kept for the next run (none: where there is a"
            " screen)"
        ),
    ] = None
    fps: Annotated[int, Meta(ge=1, le=240, description="most pictures a second")] = 60
    on_close: Annotated[
        Literal["stop", "continue"], Meta(description="closing the window ends the run, or not")
    ] = "stop"
    opens: Annotated[
        bool,
        Meta(
            description="whoever began the run begins it anew with another recording that the user"
            " opens: 'retina view' does"
        ),
    ] = False
    targets: Annotated[
        str | None,
        Meta(
            description="folder of the true images (PNG) under the samples' names, shown beside a"
            " reconstruction; 'samples': the shipped recordings'"
        ),
    ] = None
    screenshot: Annotated[
        str | None, Meta(description="save a picture of the window here (.png)")
    ] = None
    screenshot_after_s: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="when, after the first packet (none: when the stream ends)"),
    ] = None


class View(Node):
    """Events, predictions, reconstructions and the images that were shown in, a window out.

    Packets are taken in the runtime's thread; the window lives in the main thread and repaints
    only what has changed. Qt is loaded there alone, so that the module can be imported anywhere.
    """

    settings_type = ViewSettings
    blas = False
    accepts = (
        EventPacket,
        PredictionPacket,
        ReconstructionPacket,
        ImagePacket,
        SpikePacket,
        GazePacket,
        ActivityPacket,
    )
    needs_display = True
    leisure_ms = 4
    live = frozenset({"mode", "fade_ms", "span_ms", "last_n"})
    settings: ViewSettings

    def __init__(
        self, settings: Settings | None = None, *, clock: Clock | None = None, **values: object
    ) -> None:
        from nodes.view.scene import Scene

        super().__init__(settings, **values)
        self.scene = Scene(_asked(self.settings, Show()))
        self.holding = Holding()
        """How the network's answers hold as noise grows."""
        self.closed = False
        """The window was closed: packets are still taken, but nobody sees them."""
        self._clock = clock or MonotonicClock()
        self._restraint = Restraint(self.settings.fps)
        self._first_ns: int | None = None
        self._shot = False
        self._watcher: Callable[[EventPacket], None] | None = None

    @classmethod
    def prepare(cls) -> None:
        """Load Qt and what is painted with."""
        from nodes.view.scene import Scene

        # First what knows nothing of Qt: of every module that is imported after it PySide reads
        # the source, to see whether it is used there.
        Scene().warm_up()
        import_module("nodes.view.qt")
        import_module("nodes.view.window")

    def open(self) -> None:
        """Make sure that a window can be shown; raises DeviceError or SettingError."""
        from nodes.view.truth import Truth

        check_display()
        self._truth = Truth(self.settings.targets, self.name)
        path = self.settings.screenshot
        if path is not None and Path(path).suffix.lower() != ".png":
            raise SettingError(f'{self.name}: screenshot = "{path}" does not end in .png')
        if path is not None and not Path(path).parent.is_dir():
            raise SettingError(f'{self.name}: screenshot = "{path}": there is no such folder')
        self.scene.warm_up()

    def feed(self, packet: Packet) -> Iterator[Packet]:
        """Process one packet; a reset mark is left to the scene.

        The mark also stands where packets were dropped for this consumer, which must not turn
        the picture dark: a new sample or a jump in time show by themselves.
        """
        return self.process(packet)

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Take a packet into the scene."""
        if not self.closed:
            now_ns = self._clock.now_ns()
            if self._first_ns is None:
                self._first_ns = now_ns
            if isinstance(packet, EventPacket):
                self.scene.add_events(packet, now_ns)
                if self._watcher is not None:
                    self._watcher(packet)
            elif isinstance(packet, PredictionPacket):
                self.scene.add_prediction(packet, now_ns)
                self.holding.add(packet)
            elif isinstance(packet, SpikePacket):
                self.scene.add_spikes(packet, now_ns)
            elif isinstance(packet, ActivityPacket):
                self.scene.add_activity(packet, now_ns)
            elif isinstance(packet, GazePacket):
                self.scene.add_gaze(packet, now_ns)
            elif isinstance(packet, ImagePacket):
                self._truth.show(packet)
            elif isinstance(packet, ReconstructionPacket):
                truth = self._truth.of(packet.header.sample)
                self.scene.add_reconstruction(packet, truth, now_ns)
        return iter(())

    def retuned(self, names: set[str]) -> None:
        """Show events as the changed settings say."""
        self.scene.set_show(_asked(self.settings, self.scene.show))

    def actual(self) -> dict[str, object]:
        """How events are shown: the user may have chosen another way."""
        show = self.scene.show
        return {name: getattr(show, name) for name in self.live}

    def facts(self) -> dict[str, str | int | float]:
        """Frames a second, and how long ago (ms) the newest event that is shown happened.

        Where it paints less often than it was asked to (``nodes.view.restraint``), how often.
        """
        facts: dict[str, str | int | float] = {"frames_per_s": self.scene.rates().frames}
        if self._restraint.fps < self._restraint.most_fps:
            facts["most_frames_per_s"] = round(self._restraint.fps)
        age_ms = self.scene.moment(self._clock.now_ns()).age_ms
        if age_ms is not None:
            facts["age_ms"] = age_ms
        return facts

    def reset(self) -> None:
        """Forget the picture and the open window's opinions."""
        self.scene.forget()

    def finish(self) -> Iterator[Packet]:
        """Say that the stream has ended."""
        self.scene.end()
        return iter(())

    def watch_events(self, watcher: Callable[[EventPacket], None] | None) -> None:
        """Have ``watcher`` called with every packet of events that comes, in the node's thread."""
        self._watcher = watcher

    def open_instead(self, source: str) -> None:
        """End the run; whoever began it begins anew with ``source`` (see ``opens``)."""
        self.journal({"instead": source})
        self.wants_stop = True

    def main_thread(self, stop: threading.Event) -> None:
        """Show the window until ``stop`` is set, or until it is closed and that ends the run.

        Returns within a few frames of either.

        Raises DeviceError where no window can be shown, RetinaError where the picture of the
        window cannot be saved.
        """
        try:
            self._show(stop)
        except BaseException:
            # Without a window nobody sees anything: the stream need not go on.
            self.wants_stop = True
            raise

    def _show(self, stop: threading.Event) -> None:
        from nodes.view.qt import application

        app = application(platforms())
        from PySide6 import QtCore, QtGui

        from nodes.view import plots
        from nodes.view.memory import Memory, standard_path
        from nodes.view.window import Window

        s = self.settings
        remember = s.remember
        if remember is None:
            remember = QtGui.QGuiApplication.platformName() != "offscreen"
        memory = Memory(standard_path() if remember else None)
        self.scene.set_show(_asked(s, _remembered(memory)))
        window = Window(self, memory)
        restraint = self._restraint
        problems: list[BaseException] = []

        def frame() -> None:
            # Qt would only print what a slot raises.
            try:
                self._frame(window)
                if restraint.heed(self._clock.now_ns()):
                    timer.setInterval(restraint.interval_ms)
                    self.leisure_ms = restraint.leisure_ms(View.leisure_ms)
            except BaseException as error:
                problems.append(error)
            if stop.is_set() or problems or self.wants_stop:
                app.quit()

        timer = QtCore.QTimer()
        try:
            app.setQuitOnLastWindowClosed(False)
            window.show()
            timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
            timer.timeout.connect(frame)
            timer.start(restraint.interval_ms)
            app.exec()
            if problems:
                raise problems[0]
            if s.screenshot is not None:
                plots.loaded(wait=True)
            window.refresh(self._clock.now_ns(), last=True)
            self._shoot(window)
        finally:
            timer.stop()
            window.dispose()

    def _frame(self, window: Window) -> None:
        if window.closed:
            self.closed = True
            self.wants_stop = self.settings.on_close == "stop"
            return
        now_ns = self._clock.now_ns()
        window.refresh(now_ns)
        after_s, first_ns = self.settings.screenshot_after_s, self._first_ns
        if after_s is not None and first_ns is not None and now_ns - first_ns >= after_s * 1e9:
            self._shoot(window)

    def _shoot(self, window: Window) -> None:
        path = self.settings.screenshot
        if path is not None and not self._shot:
            self._shot = True
            window.save(path)


def _asked(settings: ViewSettings, show: Show) -> Show:
    """Return ``show`` with what the settings ask for."""
    asked = {name: getattr(settings, name) for name in ("mode", "fade_ms", "span_ms", "last_n")}
    return show._replace(**{name: value for name, value in asked.items() if value is not None})


def _remembered(memory: Memory) -> Show:
    """Return how events were shown last time; values that are none are left out."""
    show = Show()
    fade_ms = memory.value("events/fade_ms", show.fade_ms)
    span_ms = memory.value("events/span_ms", show.span_ms)
    last_n = memory.value("events/last_n", show.last_n)
    return show._replace(
        mode=cast(Mode, memory.value("events/mode", str(show.mode), MODES)),
        fade_ms=fade_ms if 0 < fade_ms <= _LONGEST_MS else show.fade_ms,
        span_ms=span_ms if 0 < span_ms <= _LONGEST_MS else show.span_ms,
        last_n=last_n if 1 <= last_n <= MOST_RECENT else show.last_n,
    )

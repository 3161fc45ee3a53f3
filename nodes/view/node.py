"""view: shows events, what a network sees, its answer and the rates live in a Qt window."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from nodes.view.display import check_display, platforms
from nodes.view.scene import Scene
from nodes.view.truth import Truth
from pipeline import (
    EventPacket,
    ImagePacket,
    Meta,
    Node,
    Packet,
    PredictionPacket,
    ReconstructionPacket,
    Settings,
)
from pipeline.clock import Clock, MonotonicClock
from pipeline.errors import SettingError

if TYPE_CHECKING:
    from nodes.view.window import Window


class ViewSettings(Settings):
    """Settings of ``view``."""

    title: Annotated[str, Meta(description="the window's title")] = "silicon-retina"
    scale: Annotated[
        Annotated[float, Meta(gt=0, le=64)] | None,
        Meta(description="screen pixels for one of the sensor (none: as many as fit)"),
    ] = None
    fade_ms: Annotated[
        float, Meta(gt=0, le=60_000, description="event time in which an event fades to a third")
    ] = 30.0
    fps: Annotated[int, Meta(ge=1, le=240, description="most pictures a second")] = 60
    on_close: Annotated[
        Literal["stop", "continue"], Meta(description="closing the window ends the run, or not")
    ] = "stop"
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
    accepts = (EventPacket, PredictionPacket, ReconstructionPacket, ImagePacket)
    needs_display = True
    settings: ViewSettings

    def __init__(
        self, settings: Settings | None = None, *, clock: Clock | None = None, **values: object
    ) -> None:
        super().__init__(settings, **values)
        self.scene = Scene(self.settings.fade_ms)
        self.closed = False
        """The window was closed: packets are still taken, but nobody sees them."""
        self._clock = clock or MonotonicClock()
        self._first_ns: int | None = None
        self._shot = False

    def open(self) -> None:
        """Make sure that a window can be shown; raises DeviceError or SettingError."""
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
            elif isinstance(packet, PredictionPacket):
                self.scene.add_prediction(packet, now_ns)
            elif isinstance(packet, ImagePacket):
                self._truth.show(packet)
            elif isinstance(packet, ReconstructionPacket):
                truth = self._truth.of(packet.header.sample)
                self.scene.add_reconstruction(packet, truth, now_ns)
        return iter(())

    def reset(self) -> None:
        """Forget the picture and the open window's opinions."""
        self.scene.forget()

    def finish(self) -> Iterator[Packet]:
        """Say that the stream has ended."""
        self.scene.end()
        return iter(())

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
        from PySide6 import QtCore

        from nodes.view.window import Window

        s = self.settings
        window = Window(self.scene, s.title, s.fade_ms, s.scale)
        problems: list[BaseException] = []

        def frame() -> None:
            # Qt would only print what a slot raises.
            try:
                self._frame(window)
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
            timer.start(max(1, 1000 // s.fps))
            app.exec()
            if problems:
                raise problems[0]
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

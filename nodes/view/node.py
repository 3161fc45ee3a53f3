"""view: shows events, class scores, the answer and the rates live in a Qt window."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Annotated, Literal

from nodes.view.display import check_display, need_qt
from nodes.view.scene import Scene
from pipeline import EventPacket, Meta, Node, Packet, PredictionPacket, Settings
from pipeline.clock import MonotonicClock


class ViewSettings(Settings):
    """Settings of ``view``."""

    title: Annotated[str, Meta(description="the window's title")] = "silicon-retina"
    fade_ms: Annotated[
        float, Meta(gt=0, le=60_000, description="event time in which an event fades to a third")
    ] = 30.0
    fps: Annotated[int, Meta(ge=1, le=240, description="most pictures a second")] = 60
    on_close: Annotated[
        Literal["stop", "continue"], Meta(description="closing the window ends the run, or not")
    ] = "stop"
    screenshot: Annotated[
        str | None, Meta(description="save a picture of the window here (.png)")
    ] = None
    screenshot_after_s: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="when, after the first packet (none: when the stream ends)"),
    ] = None


class View(Node):
    """EventPackets and PredictionPackets in, a window out.

    Packets are taken in the runtime's thread; the window lives in the main thread and repaints
    only when something has changed.
    """

    settings_type = ViewSettings
    accepts = (EventPacket, PredictionPacket)
    needs_display = True
    settings: ViewSettings

    def __init__(self, settings: Settings | None = None, **values: object) -> None:
        super().__init__(settings, **values)
        self.scene = Scene(self.settings.fade_ms)
        self._clock = MonotonicClock()

    def open(self) -> None:
        """Make sure that a window can be shown; raises DeviceError where none can."""
        check_display()
        need_qt()

    def process(self, packet: Packet) -> Iterator[Packet]:
        """Take a packet into the picture."""
        if isinstance(packet, EventPacket):
            self.scene.add_events(packet, self._clock.now_ns())
        elif isinstance(packet, PredictionPacket):
            self.scene.add_prediction(packet)
        yield from ()

    def reset(self) -> None:
        """Forget the picture and the open window's opinions."""
        self.scene.forget()

    def main_thread(self, stop: threading.Event) -> None:
        """Show the window until ``stop`` is set; returns within a few frames of it."""
        try:
            check_display()
            need_qt()
        except Exception:
            # The runtime's thread meets the same in ``open`` and reports it.
            return
        from PySide6 import QtCore, QtWidgets

        from nodes.view.window import Window

        app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["retina view"])
        window = Window(self.scene, self.settings.title)
        window.show()
        begun: float | None = None
        shot = False

        def frame() -> None:
            nonlocal begun, shot
            window.refresh()
            if begun is None and self.scene.version:
                begun = time.monotonic()
            after = self.settings.screenshot_after_s
            due = begun is not None and after is not None and time.monotonic() - begun >= after
            if self.settings.screenshot and due and not shot:
                shot = True
                window.save(self.settings.screenshot)
            if window.closed and self.settings.on_close == "stop":
                self.wants_stop = True
            if stop.is_set():
                app.quit()

        timer = QtCore.QTimer()
        timer.timeout.connect(frame)
        timer.start(max(1, 1000 // self.settings.fps))
        QtWidgets.QApplication.setQuitOnLastWindowClosed(False)
        app.exec()
        timer.stop()
        window.end()
        if self.settings.screenshot and not shot:
            window.save(self.settings.screenshot)
        window.close()

"""What the network sees, and the image that the retina was shown."""

from __future__ import annotations

from nodes.view.card import Card
from nodes.view.pixels import Pixels
from nodes.view.scene import Scene, Seen
from nodes.view.tracks.canvas import grey


class Image(Card):
    """A grey image with its frame; kinds of image override ``tell``."""

    def __init__(self, caption: str, hint: str, nothing: str) -> None:
        super().__init__(caption, hint)
        self.pixels = Pixels(None, 6, nothing)
        self._version = 0
        self.hold(self.pixels)

    def refresh(self, scene: Scene, now_ns: int) -> bool:
        """Show what is new; return whether anything was."""
        if scene.images_seen == self._version:
            return False
        self._version = scene.images_seen
        seen = scene.seen()
        # Nothing yet leaves the last image standing.
        if seen is not None:
            self.tell(seen)
        return True

    def tell(self, seen: Seen) -> None:
        """Show what the network sees now."""
        raise NotImplementedError


class Reconstruction(Image):
    """What a network makes of the events."""

    def __init__(self) -> None:
        super().__init__(
            "RECONSTRUCTION",
            "What the network makes of this window's events: its output spikes are intensities;"
            " ms of event time since the window began",
            "no reconstruction comes in",
        )

    @staticmethod
    def has_data(scene: Scene) -> bool:
        """Whether there has been a reconstruction."""
        return scene.images_seen > 0

    def tell(self, seen: Seen) -> None:
        """Show what the network sees now."""
        self.pixels.hint("")
        self.pixels.show_pixels(grey(seen.pixels))
        self.note = f"{seen.ms:.0f} of {seen.window_ms:.0f} ms"


class Truth(Image):
    """The true image of what the network sees."""

    def __init__(self) -> None:
        super().__init__(
            "TRUE IMAGE", "What the silicon retina was shown", "the true image is not known"
        )
        self._shown: object = None

    @staticmethod
    def has_data(scene: Scene) -> bool:
        """Whether the true image is known."""
        seen = scene.seen()
        return seen is not None and seen.truth is not None

    def tell(self, seen: Seen) -> None:
        """Show the true image, where it is another one."""
        if seen.truth is self._shown:
            return
        self._shown = seen.truth
        self.pixels.hint("" if seen.truth is not None else "the true image is not known")
        if seen.truth is None:
            self.pixels.clear()
        else:
            self.pixels.show_pixels(grey(seen.truth))

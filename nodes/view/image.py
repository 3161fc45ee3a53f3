"""What the network sees, and the image that it was shown."""

from __future__ import annotations

from PySide6 import QtWidgets

from nodes.view import theme
from nodes.view.drawing import grey
from nodes.view.picture import Pixels
from nodes.view.scene import Seen

_LEAST = 120


class Image(theme.Card):
    """A grey image with its frame."""

    def __init__(self, caption: str, hint: str) -> None:
        super().__init__(caption, hint)
        self.pixels = Pixels(None, _LEAST)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(self.PAD, self.head_height, self.PAD, self.PAD)
        layout.addWidget(self.pixels)


class Sight(QtWidgets.QWidget):
    """The reconstruction over the true image; the true one only where it is known.

    Hidden until there is a reconstruction.
    """

    def __init__(self, spacing: int) -> None:
        super().__init__()
        self.reconstruction = Image(
            "RECONSTRUCTION",
            "What the network makes of this window's events: its output spikes are intensities",
        )
        self.truth = Image("TRUE IMAGE", "What the silicon retina was shown")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(spacing)
        for image in (self.reconstruction, self.truth):
            layout.addWidget(image, 1)
        self._seen: Seen | None = None
        self.setVisible(False)
        self.truth.setVisible(False)

    def tell(self, seen: Seen | None) -> None:
        """Show what the network sees now; nothing yet leaves the last image standing."""
        if seen is None:
            return
        before, self._seen = self._seen, seen
        self.reconstruction.pixels.show_pixels(grey(seen.pixels))
        self.reconstruction.note = f"{seen.ms:.0f} of {seen.window_ms:.0f} ms"
        self.reconstruction.update()
        if before is None or before.truth is not seen.truth:
            if seen.truth is not None:
                self.truth.pixels.show_pixels(grey(seen.truth))
            self.truth.setVisible(seen.truth is not None)
        if before is None:
            self.setVisible(True)

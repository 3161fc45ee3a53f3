"""How a training went, as a picture: loss and measure over the epochs, in one small SVG."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from models.training.trainer import Epoch

_WIDTH, _HEIGHT, _EDGE = 360, 220, 40
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c")

Line = tuple[str, list[tuple[float, float]]]


def curve(history: Sequence[Epoch], title: str) -> str:
    """Return an SVG with a panel of the loss and one of accuracy (or PSNR)."""
    scores = [(e.epoch, e.score) for e in history if e.score is not None]
    loss: list[Line] = [("training", [(e.epoch, e.loss) for e in history])]
    measure: list[Line] = [("training, augmented", [(e.epoch, e.measure) for e in history])]
    name, top = "accuracy", 1.0
    accuracy = [(float(n), s.accuracy) for n, s in scores if s.accuracy is not None]
    early = [(float(n), s.early) for n, s in scores if s.early is not None]
    psnr = [(float(n), s.psnr_db) for n, s in scores if s.psnr_db is not None]
    if psnr or max(e.measure for e in history) > 1:
        name, top = "PSNR in dB", max(v for _, line in [*measure, ("", psnr)] for _, v in line)
    for label, points in (("validation", accuracy or psnr), ("after 100 ms", early)):
        if points:
            measure.append((label, points))
    highest = max(e.loss for e in history)
    panels = _panel(0, "loss", loss, highest) + _panel(_WIDTH, name, measure, top)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _WIDTH} {_HEIGHT + 24}" '
        'font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_WIDTH}" y="16" text-anchor="middle" font-size="13">{escape(title)}</text>'
        f"{panels}</svg>\n"
    )


def _panel(left: int, name: str, lines: Sequence[Line], top: float) -> str:
    last = max(x for _, points in lines for x, _ in points)
    top = top or 1.0
    x0, x1 = left + _EDGE, left + _WIDTH - 12
    y0, y1 = _HEIGHT - 8, 30

    def place(x: float, y: float) -> str:
        across = (x - 1) / max(last - 1, 1)
        return f"{x0 + across * (x1 - x0):.1f},{y0 + min(y / top, 1) * (y1 - y0):.1f}"

    parts = [
        f'<path d="M{x0},{y1} V{y0} H{x1}" fill="none" stroke="#444"/>',
        f'<text x="{x0}" y="{y0 + 14}">1</text>',
        f'<text x="{x1}" y="{y0 + 14}" text-anchor="end">epoch {last:g}</text>',
        f'<text x="{x0 - 4}" y="{y1 + 4}" text-anchor="end">{top:.3g}</text>',
        f'<text x="{x0 - 4}" y="{y0}" text-anchor="end">0</text>',
        f'<text x="{x0 + 6}" y="{y1 + 4}">{escape(name)}</text>',
    ]
    for i, (label, points) in enumerate(lines):
        colour = _COLOURS[i]
        drawn = " ".join(place(x, y) for x, y in points)
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        parts += [
            f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="2" fill="{colour}"/>'
            for p in (drawn.split() if len(points) < 40 else [])
        ]
        parts.append(
            f'<text x="{x1}" y="{y0 - 10 - 13 * i}" text-anchor="end" fill="{colour}">'
            f"{escape(label)}</text>"
        )
    return "".join(parts)

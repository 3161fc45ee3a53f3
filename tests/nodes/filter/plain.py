"""The filter's stages once more, in plain Python, one event after another: what kernels mean."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from nodes.filter.settings import FilterSettings, rectangle

Event = tuple[int, int, int, int]
"""(t, x, y, p)."""

NEVER = -(10**18)


@dataclass
class Plain:
    """The stages without hot pixels and noise, on a sensor of ``width`` × ``height``."""

    settings: FilterSettings
    width: int
    height: int
    dropped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        s = self.settings
        self.rested: dict[tuple[int, int], int] = defaultdict(lambda: NEVER)
        self.fired: dict[tuple[int, int], int] = defaultdict(lambda: NEVER)
        self.level: dict[tuple[int, int], int] = defaultdict(int)
        self.pooled: dict[tuple[int, int], int] = defaultdict(lambda: NEVER)
        view = rectangle(s.crop)
        self.x0, self.y0 = (view.x0, view.y0) if view else (0, 0)
        self.w = min(view.x0 + view.width, self.width) - view.x0 if view else self.width
        self.h = min(view.y0 + view.height, self.height) - view.y0 if view else self.height
        self.side = min(s.pool, self.w, self.h)
        self.pw, self.ph = self.w // self.side, self.h // self.side
        self.bucket = max(s.limit_hz * s.limit_burst_us, 10**6)
        self.room = self.bucket
        self.filled = NEVER

    def one(self, event: Event) -> Event | None:
        """Return what becomes of an event."""
        s = self.settings
        t, x, y, p = event
        x, y = x - self.x0, y - self.y0
        if not (0 <= x < self.w and 0 <= y < self.h):
            return self.drop("crop")
        if s.refractory_us:
            if t - self.rested[x, y] < s.refractory_us:
                return self.drop("refractory")
            self.rested[x, y] = t
        if s.background_us:
            around = [(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
            borne_out = any(t - self.fired[place] < s.background_us for place in around)
            self.fired[x, y] = t
            if not borne_out:
                return self.drop("background")
        if s.polarity == "merge":
            p = 1
        elif s.polarity != "both" and p != (s.polarity == "on"):
            return self.drop("polarity")
        x, y = x // self.side, y // self.side
        if self.side > 1 or s.pool_count > 1 or s.pool_refractory_us:
            if x >= self.pw or y >= self.ph or t - self.pooled[x, y] < s.pool_refractory_us:
                return self.drop("pool")
            self.level[x, y] += 1 if p else -1
            if abs(self.level[x, y]) < s.pool_count:
                return self.drop("pool")
            self.level[x, y] = 0
            self.pooled[x, y] = t
        return self.turned((t, x, y, p))

    def turned(self, event: Event) -> Event | None:
        """Mirror, turn, and ask the bucket."""
        s = self.settings
        t, x, y, p = event
        w, h = self.pw, self.ph
        if s.flip in ("horizontal", "both"):
            x = w - 1 - x
        if s.flip in ("vertical", "both"):
            y = h - 1 - y
        for _ in range(s.rotate // 90):
            x, y, w, h = h - 1 - y, x, h, w
        if s.limit_hz:
            passed = max(0, t - self.filled)
            self.filled = max(t, self.filled)
            self.bucket = min(self.room, self.bucket + passed * s.limit_hz)
            if self.bucket < 10**6:
                return self.drop("limit")
            self.bucket -= 10**6
        return t, x, y, p

    def drop(self, stage: str) -> None:
        """Count an event that a stage keeps back."""
        self.dropped[stage] += 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what comes out."""
        size = (self.pw, self.ph)
        return size if self.settings.rotate in (0, 180) else size[::-1]


def hot(
    counts: dict[tuple[int, int], int], width: int, height: int, least: float, factor: float
) -> list[tuple[int, int]]:
    """Return the pixels (x, y) that stand out among ``counts``, row by row."""
    found = []
    for y in range(height):
        for x in range(width):
            around = sorted(
                counts.get((u, v), 0)
                for u in range(x - 1, x + 2)
                for v in range(y - 1, y + 2)
                if (u, v) != (x, y)
            )
            mine = counts.get((x, y), 0)
            if mine >= max(1, least) and mine > factor * around[-2]:
                found.append((x, y))
    return found

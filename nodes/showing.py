"""The recording that a source is showing: its zero, its size, how long it is, its time line."""

from __future__ import annotations

from nodes.source_settings import SourceSettings
from nodes.survey import Histogram, Survey
from recordings.folder import Sample
from recordings.follow import Follow
from recordings.opening import open_recording
from recordings.windows import extent, origin_us


class Showing:
    """An open recording between ``begin_s`` and ``end_s`` of the settings.

    zero_us    where its time line begins, in the file's time; ``end_us`` where to end, or None
    origin_us  the recording's own beginning
    size       the sensor's width and height: as asked, as the file says, or as its events need

    Raises RecordingError where it cannot be read. With ``follow`` it waits for what is not there.
    """

    def __init__(self, sample: Sample, settings: SourceSettings, follow: Follow | None) -> None:
        self.sample = sample
        self.recording = open_recording(sample.path, follow=follow or False)
        self.origin_us = origin_us(self.recording)
        self.zero_us = self.origin_us + settings.begin_us
        end_s = settings.end_s
        self.end_us = None if end_s is None else self.origin_us + round(end_s * 1e6)
        self.size = self._size(settings, follow is not None)
        self._least_us = settings.sample_ms * 1000
        self._packet_us = settings.packet_us
        self._length_us = 0
        self._survey: Survey | None = None
        self._passed = Histogram()
        self._unbroken = True
        self._passed_whole = False

    def close(self) -> None:
        """Let go of the file."""
        if self._survey is not None:
            self._survey.stop()
        self.recording.close()

    def survey(self) -> None:
        """Count the whole time line beside the stream, unless that is done or under way."""
        if self._survey is None and not self._passed_whole:
            self._survey = Survey(self.recording, self.zero_us, self.end_us)
            self._survey.start()

    def note(self, at_us: int, n: int) -> None:
        """Count a packet of ``n`` events that begins at ``at_us`` of the time line, once."""
        if self._passed.end_us <= at_us:
            # Whatever a jump has left out is not counted.
            self._unbroken &= at_us == self._passed.end_us
            self._passed.add(at_us, n, at_us + self._packet_us)

    def over(self, length_us: int) -> None:
        """Note that the recording has been shown to its end."""
        self._length_us = max(self._length_us, length_us)
        self._passed_whole |= self._unbroken

    @property
    def whole(self) -> bool:
        """Whether the time line is that of all of it."""
        return self._passed_whole if self._survey is None else self._survey.whole

    @property
    def length_us(self) -> int:
        """How long it is, as far as that is known."""
        return max(self._length_us, self._least_us, self._seen.end_us)

    def timeline(self) -> list[int]:
        """Return its events in equal parts, as far as they are known."""
        return self._seen.slices()

    @property
    def _seen(self) -> Histogram:
        return self._passed if self._survey is None else self._survey.seen

    def _size(self, settings: SourceSettings, grows: bool) -> tuple[int, int]:
        width = settings.width or self.recording.width
        height = settings.height or self.recording.height
        if width is not None and height is not None:
            return width, height
        if grows:
            # There is no end to look for: what is there so far tells.
            with open_recording(self.recording.path) as so_far:
                found = extent(so_far)
        else:
            found = extent(self.recording)
        return width or found[0], height or found[1]

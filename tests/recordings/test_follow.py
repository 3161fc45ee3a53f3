"""Files that grow while they are read; the pause between two looks is where the tests write."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import RecordingError
from recordings.follow import Follow
from recordings.opening import open_recording
from recordings.writing import create_recording
from tests.recordings.assets import HEIGHT, MADE, WIDTH, Made, content, sample

_CONTAINERS = ("npy", "npz", "hdf5", "bag", "mcap", "db3")
"""They have their index, or their length, elsewhere than at the end."""

GROWING = [asset for asset in MADE if not asset.name.startswith(_CONTAINERS)]


class Writer:
    """Appends a piece of a file at each pause, then says stop."""

    def __init__(self, path: Path, pieces: list[bytes]) -> None:
        self.path, self.pieces = path, pieces
        self.pauses = 0

    def pause(self, seconds: float) -> None:
        assert 0 < seconds < 1
        self.pauses += 1
        if self.pieces:
            with self.path.open("ab") as file:
                file.write(self.pieces.pop(0))

    def stop(self) -> bool:
        return not self.pieces

    def follow(self) -> Follow:
        return Follow(stop=self.stop, pause=self.pause)


@pytest.mark.parametrize("asset", GROWING, ids=[asset.name for asset in GROWING])
def test_a_file_that_grows_is_read_to_its_end(asset: Made, tmp_path: Path) -> None:
    whole = content(asset, 600)
    cuts = [0, *sorted(np.random.default_rng(2).integers(0, len(whole), 9).tolist()), len(whole)]
    if asset.name == "nmnist":
        # Its beginning is judged by whether the file is made of whole events.
        cuts = [0, *(cut // 5 * 5 for cut in cuts[1:])]
    pieces = [whole[a:b] for a, b in itertools.pairwise(cuts)]
    path = tmp_path / f"grows{asset.ending}"
    path.write_bytes(b"")
    writer = Writer(path, pieces)
    with open_recording(path, follow=writer.follow()) as recording:
        events = recording.read()
        assert recording.counts.skipped_bytes == recording.counts.cuts == 0
    np.testing.assert_array_equal(events, sample(600))
    assert writer.pauses >= 5


def test_what_is_there_is_given_before_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    events = sample(90)
    with create_recording(path, WIDTH, HEIGHT) as writer:
        writer.write(events[:30])
        writer.flush()
        read = 0

        def pause(_: float) -> None:
            nonlocal read
            # At every wait all that was written so far has been given.
            assert read == writer.written
            if writer.written < 90:
                writer.write(events[writer.written : writer.written + 30])
                writer.flush()

        follow = Follow(stop=lambda: read == 90, pause=pause)
        with open_recording(path, follow=follow) as recording:
            for chunk in recording.chunks():
                read += len(chunk)
    assert read == 90


def test_an_aedat4_file_that_is_closed_meanwhile_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    writer = create_recording(path, WIDTH, HEIGHT)
    writer.write(sample(60))
    writer.flush()
    closed = []

    def pause(_: float) -> None:
        assert not closed, "the table of packets is the end"
        writer.close()
        closed.append(True)

    with open_recording(path, follow=Follow(pause=pause)) as recording:
        assert len(recording.read()) == 60
        assert recording.counts.cuts == 0
    assert closed


def test_a_silence_ends_it_by_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "a.es"
    path.write_bytes(content(next(a for a in MADE if a.name == "es"), 50))
    now = [100.0]
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    follow = Follow(silence_s=0.05, look_s=0.02, pause=pause, clock=lambda: now[0])
    with open_recording(path, follow=follow) as recording:
        assert len(recording.read()) == 50
    assert waits == pytest.approx([0.02, 0.02, 0.01])


def test_a_half_packet_at_the_stop_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    whole = content(next(a for a in MADE if a.name == "aedat31"), 100)
    path.write_bytes(whole[:-3])
    with open_recording(path, follow=Follow(stop=lambda: True)) as recording:
        assert len(recording.read()) == 99
        assert recording.counts.cuts == 1


def test_a_format_that_cannot_grow_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content(next(a for a in MADE if a.name == "npz"), 10))
    with pytest.raises(RecordingError, match="npz cannot be followed"):
        open_recording(path, follow=Follow(stop=lambda: True))


def test_a_file_that_is_no_recording_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(RecordingError, match="begins like no recording"):
        open_recording(path, follow=Follow(stop=lambda: True))


def test_a_file_of_another_process_is_followed_in_real_time(tmp_path: Path) -> None:
    """The real clock and the real pause, a writer in another thread, bounded by its end."""
    path = tmp_path / "a.aedat4"
    events = sample(3000)
    done = threading.Event()

    def write(step: Callable[[], None]) -> None:
        with create_recording(path, WIDTH, HEIGHT, compression="zstd") as writer:
            for k in range(0, 3000, 100):
                writer.write(events[k : k + 100])
                writer.flush()
                step()
        done.set()

    read = [0]
    taken = threading.Semaphore(0)
    thread = threading.Thread(target=write, args=(lambda: taken.acquire(timeout=20),))
    path.write_bytes(b"")
    path.unlink()
    thread.start()
    try:
        while not path.exists():
            assert thread.is_alive()
        with open_recording(path, follow=Follow(silence_s=20)) as recording:
            parts = []
            for chunk in recording.chunks():
                parts.append(chunk.copy())
                before, read[0] = read[0], read[0] + len(chunk)
                for _ in range(read[0] // 100 - before // 100):
                    taken.release()
        np.testing.assert_array_equal(np.concatenate([p["t"] for p in parts]), events["t"])
    finally:
        for _ in range(40):
            taken.release()
        thread.join(20)
    assert done.is_set()

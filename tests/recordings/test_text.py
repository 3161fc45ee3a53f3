"""Text and CSV: columns, units, sizes, errors with their place, cut and growing files."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecordingError
from pipeline.events import Events
from recordings.decoder import BLOCK_BYTES
from recordings.follow import Follow
from recordings.opening import open_recording
from recordings.recording import Recording
from recordings.text import Text
from tests.strategies import events_of, random_events, recordings


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path) -> Events:
    with open_recording(path) as recording:
        return recording.read()


def lines(events: Events, row: str) -> str:
    return "".join(row.format(t=t, s=t / 1e6, x=x, y=y, p=p) for t, x, y, p in events.tolist())


THREE = events_of([1_000_000, 1_000_250, 2_000_001], [3, 30, 7], [0, 33, 5], [1, 0, 1])


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [
        ("rpg.txt", "34 34\n", "{s:.6f} {x} {y} {p}\n"),
        ("rpg.txt", "", "{s:.9f} {x} {y} {p}\n"),
        ("savetxt.txt", "", "{s:.18e} {x:.18e} {y:.18e} {p:.18e}\n"),
        ("us.csv", "t,x,y,p\n", "{t},{x},{y},{p}\n"),
        ("us.csv", "# width 34 height 34, t in us\nt,x,y,p\n", "{t},{x},{y},{p}\n"),
        ("us.csv", "\ufeffx,y,p,t\r\n", "{x},{y},{p},{t}\r\n"),
        ("metavision.csv", "%geometry:34,34\n", "{x},{y},{p},{t}\n"),
        ("ns.csv", "timestamp_ns,x,y,polarity\n", "{t}000,{x},{y},{p}\n"),
        ("ms.csv", '"x";"y";"on";"time (ms)"\n', "{x};{y};{p};{t}e-3\n"),
        ("s.csv", "t_s\tx\ty\tp\tnote\n", "{s:.6f}\t{x}\t{y}\t{p}\tnone of ours\n"),
        ("other.csv", "id,note,t,x,y,p\n", "7,a word or two,{t},{x},{y},{p}\n"),
        ("signs.txt", "", "+{t} {x} {y} {p}\n\n# a comment\n"),
        ("xytp.tsv", "", "{x}\t{y}\t{t}\t{p}\n"),
        ("v2e.txt", "# made by v2e\n# width=34 height=34\n", "{s} {x} {y} {p}\n"),
        ("no ending", "", "{t} {x} {y} {p}\n"),
    ],
)
def test_layouts_and_units(tmp_path: Path, name: str, head: str, row: str) -> None:
    path = write(tmp_path / name, head + lines(THREE, row))
    with open_recording(path) as recording:
        assert (recording.read() == THREE).all()
        sized = "34" in head
        assert (recording.width, recording.height) == ((34, 34) if sized else (None, None))
        assert recording.format == "text"


def test_polarity_by_sign_and_by_word(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "t,x,y,p\n1,2,3,-1\n2,2,3,1\n3,2,3,true\n4,2,3,False\n5,2,3,0\n"
    )
    assert read(path)["p"].tolist() == [0, 1, 1, 0, 0]


def test_a_last_line_needs_no_end_and_a_cut_one_is_counted(tmp_path: Path) -> None:
    whole = lines(THREE, "{t} {x} {y} {p}\n")
    assert (read(write(tmp_path / "a.txt", whole[:-1])) == THREE).all()
    with open_recording(write(tmp_path / "b.txt", whole[:-3])) as recording:
        assert (recording.read() == THREE[:2]).all()
        assert recording.counts.cuts == 1
        assert recording.counts.skipped_bytes == len(whole.splitlines()[-1]) - 2


@pytest.mark.parametrize(
    ("bad", "said", "into"),
    [
        ("5 x 3 1\n", "x is 'x', expected a number", 2),
        ("5 1.5 3 1\n", "x is '1.5', expected a whole pixel", 2),
        ("5 1 3\n", "too few columns, expected 4", 0),
        ("5 1 3 \n", "too few columns, expected 4", 0),
        ("nan 1 3 1\n", "t is 'nan', expected a number", 0),
        ("5 1 3z 1\n", "y is '3z', expected a number", 4),
    ],
)
def test_an_error_names_file_byte_and_line(tmp_path: Path, bad: str, said: str, into: int) -> None:
    good = lines(random_events(30_000, 34, 34, 1000), "{t} {x} {y} {p}\n")
    path = write(tmp_path / "a.txt", good + bad + "6 1 3 1\n")
    at = len(good) + into
    with pytest.raises(RecordingError) as error:
        read(path)
    assert str(error.value) == f"{path}: line 30001: {said}, at byte {at}"
    # The events ahead of it are given all the same.
    chunks: list[Events] = []
    with open_recording(path) as recording, pytest.raises(RecordingError):
        chunks.extend(recording.chunks())
    assert sum(map(len, chunks)) == 30_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no events"),
        (" \n\n", "holds no events"),
        ("a,b,c,d\n1,2,3,4\n", "its first line is 'a,b,c,d'"),
        ("1 2 3 1 5\n", "has 5 columns without names"),
        (b"1 2 3\0 1\n", "is no text at byte 5"),
        ("1 2 3 1\n" + "9" * BLOCK_BYTES, "has a line of over"),
    ],
)
def test_what_is_no_text_of_events(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(RecordingError, match=said):
        read(write(tmp_path / "a.txt", text))


def test_text_without_events_is_a_recording(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "a.csv", "t,x,y,p\n"))) == 0
    assert len(read(write(tmp_path / "a.txt", "34 34\n"))) == 0


def test_a_pixel_that_is_none_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "t,x,y,p\n1,-1,3,1\n2,2,70000,1\n3,2,3,1\n")
    with open_recording(path) as recording:
        assert recording.read()["t"].tolist() == [3]
        assert recording.counts.outside == 2


@given(
    st.decimals(0, 2**33, places=12, allow_nan=False, allow_infinity=False),
    st.sampled_from(["f", "e", "E"]),
    st.booleans(),
)
def test_times_are_rounded_as_decimals_are(
    tmp_path_factory: pytest.TempPathFactory, seconds: Decimal, how: str, minus: bool
) -> None:
    text = ("-" if minus else "") + (f"{seconds:f}" if how == "f" else f"{seconds:{how}}")
    path = write(tmp_path_factory.getbasetemp() / "a.csv", f"t_s,x,y,p\n{text},1,2,1\n")
    expected = int((seconds * 10**6).to_integral_value(ROUND_HALF_UP))
    got = int(read(path)["t"][0])
    assert got == (-expected if minus else expected)


@given(recordings(width=65_536, height=65_536, length_us=2**36))
def test_every_order_and_unit_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, events: Events
) -> None:
    path = tmp_path_factory.getbasetemp() / "b.csv"
    for head, row in (
        ("t_us,x,y,p", "{t},{x},{y},{p}\n"),
        ("x y t_ns p", "{x} {y} {t}000 {p}\n"),
        ("p;t_s;y;x", "{p};{t}e-6;{y};{x}\n"),
    ):
        write(path, head + "\n" + lines(events, row))
        assert (read(path) == events).all()


def test_a_later_reading_begins_near_its_time(tmp_path: Path) -> None:
    events = random_events(600_000, 34, 34, 1_000_000)
    path = write(tmp_path / "a.txt", "34 34\n" + lines(events, "{t} {x} {y} {p}\n"))
    with open_recording(path) as recording:
        assert (recording.read() == events).all()
        late = events[events["t"] >= 900_000]
        assert (recording.read(900_000) == late).all()
        assert recording.counts.events < 400_000
        begin = int(np.searchsorted(events["t"], 500_000))
        assert recording.read(500_000, 500_100)["t"][0] == events["t"][begin]


def test_text_that_grows_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "t,x,y,p\n1,2,3,1\n2,2,")
    decoder = Text(path)

    def grow(_: float) -> None:
        with path.open("a") as file:
            file.write("3,0\n3,2,3,1\n")

    grown = iter([False, True])
    decoder.follow = Follow(stop=lambda: next(grown), pause=grow)
    assert Recording(decoder).read()["t"].tolist() == [1, 2, 3]


def test_the_unit_of_times_is_told_by_their_fractions(tmp_path: Path) -> None:
    def first(text: str) -> int:
        return int(read(write(tmp_path / "a.txt", text))["t"][0])

    assert first("5 1 2 1\n") == 5
    assert first("5.0 1 2 1\n") == 5_000_000
    assert first("5.000e+00 1 2 1\n6.000e+00 1 2 0\n") == 5
    assert first("5.000e+00 1 2 1\n5.500e+00 1 2 0\n") == 5_000_000
    assert np.diff(read(tmp_path / "a.txt")["t"]).tolist() == [500_000]

"""The log node: one line an answer, one entry in the report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from nodes.blocks import blocks
from nodes.log import Log
from pipeline import Packet
from pipeline.packets import (
    PredictionHeader,
    PredictionPacket,
    ReconstructionHeader,
    ReconstructionPacket,
)


def opinion(
    ms: int, answer: int, *, spikes: int = 1, final: bool = False, **head: Any
) -> PredictionPacket:
    counts = np.zeros(3, np.int64)
    counts[answer] = spikes
    header = PredictionHeader(
        t_begin=5000,
        t_end=5000 + ms * 1000,
        classes=(0, 1, 2),
        answer=answer,
        final=final,
        window_us=300_000,
        **head,
    )
    return PredictionPacket.of(counts, np.zeros(3, np.float32), header)


def logged(packets: Sequence[Packet], **settings: Any) -> tuple[Log, list[dict[str, Any]]]:
    entries: list[dict[str, Any]] = []
    node = Log(**settings)
    node.journal = entries.append
    assert list(node(packets)) == []
    return node, entries


def test_an_answer_and_since_when_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    window = {"sample": "Test/1/00001.bin", "label": 1}
    _, entries = logged(
        [
            opinion(10, 0, spikes=0, **window),
            opinion(20, 2, **window),
            opinion(30, 1, **window),
            opinion(40, 2, **window),
            opinion(50, 1, **window),
            opinion(60, 1, **window),
            opinion(300, 1, final=True, **window),
        ]
    )
    assert entries == [{"sample": "Test/1/00001.bin", "label": 1, "answer": 1, "ms": 50.0}]
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert "Test/1/00001.bin" in line
    assert "answered 1 after  50 ms" in line
    assert "shown 1  ✓" in line
    assert "right so far 1/1 = 100.0 %" in line


def test_a_network_that_never_spoke_answers_at_the_end() -> None:
    _, entries = logged(
        [opinion(10, 0, spikes=0), opinion(20, 0, spikes=0), opinion(300, 0, spikes=0, final=True)]
    )
    assert entries == [{"sample": None, "label": None, "answer": 0, "ms": 300.0}]


def test_the_account_runs_over_all_that_is_labelled(capsys: pytest.CaptureFixture[str]) -> None:
    node, entries = logged(
        [
            opinion(300, 1, final=True, label=1),
            opinion(300, 1, final=True, label=2),
            opinion(300, 1, final=True),
            opinion(300, 2, final=True, label=2, reset=True),
        ]
    )
    assert (node.right, node.labelled) == (2, 3)
    assert len(entries) == 4
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("so far ")[2] for line in lines] == [
        "1/1 = 100.0 %",
        "1/2 = 50.0 %",
        lines[2],
        "2/3 = 66.7 %",
    ]
    assert "shown" not in lines[2]
    assert "✗" in lines[1]


def test_every_window_has_its_own_opinions() -> None:
    _, entries = logged(
        [
            opinion(10, 1),
            opinion(300, 1, final=True),
            opinion(20, 1),
            opinion(300, 1, final=True),
            opinion(30, 1),
            opinion(40, 1, reset=True),
            opinion(300, 1, final=True),
        ]
    )
    assert [entry["ms"] for entry in entries] == [10.0, 20.0, 40.0]


def test_quiet_writes_the_report_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, entries = logged([opinion(300, 1, final=True)], quiet=True)
    assert len(entries) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "a\x07\x9b31mb"])
def test_a_name_from_outside_does_not_drive_the_terminal(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logged([opinion(300, 1, final=True, sample=name)])
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.removesuffix("\n").isprintable()


def seen(
    *, final: bool = True, begin_us: int = 5000, level: float = 1, **head: Any
) -> ReconstructionPacket:
    header = ReconstructionHeader(
        t_begin=begin_us, t_end=begin_us + 300_000, height=0, width=0, final=final,
        window_us=300_000, **head,
    )  # fmt: skip
    return ReconstructionPacket.of(np.full((28, 28), level, np.float32), header)


@pytest.mark.parametrize("image_first", [True, False])
def test_the_image_stands_beside_the_answer(
    image_first: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [opinion(300, 1, final=True, label=1), seen()]
    logged([seen(final=False), *(pair[::-1] if image_first else pair)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("█" * 14) for line in lines)
    assert [i for i, line in enumerate(lines) if "answered 1 after 300 ms" in line] == [3]


def test_an_answer_without_images_does_not_wait(capsys: pytest.CaptureFixture[str]) -> None:
    node = Log()
    node.start()
    list(node.feed(opinion(300, 1, final=True)))
    assert capsys.readouterr().out.count("\n") == 1
    # From the first image on there is one to wait for.
    list(node.feed(seen(final=False)))
    list(node.feed(opinion(300, 1, final=True)))
    assert capsys.readouterr().out == ""
    list(node.finish())
    assert capsys.readouterr().out.count("\n") == 1


def test_each_answer_has_the_image_of_its_own_window(capsys: pytest.CaptureFixture[str]) -> None:
    logged(
        [
            seen(sample="a", level=0),
            opinion(300, 1, final=True, sample="a"),
            opinion(300, 2, final=True, sample="b"),
            seen(sample="c", level=0),
            opinion(300, 0, final=True, sample="c"),
            seen(sample="b"),
            seen(sample="b", begin_us=500_000, level=0),
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 28
    middles = [lines[i] for i in (3, 10, 17, 24)]
    assert ["answered 1" in middles[0], "answered 2" in middles[1], "answered 0" in middles[2]] == [
        True
    ] * 3
    assert [middle[0] for middle in middles] == [" ", "█", " ", " "]
    assert middles[3].split() == ["b"]


def test_an_image_that_never_comes_is_not_waited_for_for_ever(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, entries = logged(
        [seen(sample="x"), *(opinion(300, 1, final=True, sample=f"{i}") for i in range(20))]
    )
    assert len(entries) == 20
    lines = capsys.readouterr().out.splitlines()
    answers = [line for line in lines if "answered" in line]
    assert [line.split()[0] for line in answers] == [str(i) for i in range(20)]


def test_images_without_answers_are_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    node = Log()
    node.start()
    for i in range(20):
        list(node.feed(seen(sample=f"{i}\x1b[2J")))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 * 16
    assert lines[3].endswith(r"'0\x1b[2J'")
    list(node.finish())
    assert len(capsys.readouterr().out.splitlines()) == 7 * 4


def test_an_images_reset_mark_leaves_the_opinions_alone() -> None:
    _, entries = logged([opinion(10, 1), seen(reset=True), opinion(300, 1, final=True)])
    assert [entry["ms"] for entry in entries] == [10.0]


def test_quiet_prints_no_image_either(capsys: pytest.CaptureFixture[str]) -> None:
    logged([seen(), opinion(300, 1, final=True)], quiet=True)
    assert capsys.readouterr().out == ""


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=90),
        elements=st.floats(0, 1, width=32),
    )
)
def test_a_picture_of_any_size_is_a_small_one(pixels: NDArray[np.float32]) -> None:
    lines = blocks(pixels)
    assert 1 <= len(lines) <= 7
    assert len({len(line) for line in lines}) == 1
    assert 1 <= len(lines[0]) <= 14
    assert set("".join(lines)) <= set(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")


def test_points_lie_where_the_pixels_do() -> None:
    pixels = np.zeros((28, 28), np.float32)
    pixels[0:2, 1] = 0.5
    pixels[26:, 26] = 1
    assert blocks(pixels) == ["▝" + " " * 13, *[" " * 14] * 5, " " * 13 + "▖"]
    assert blocks(np.full((4, 4), 0.1, np.float32)) == ["  "]
    assert blocks(np.ones((260, 346), np.float32)) == ["█" * 14] * 5 + ["▀" * 14]


def test_a_process_that_logs_needs_no_numba() -> None:
    code = "import sys, pipeline.process, nodes.log; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

"""The log node: one line an answer, one entry in the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes.log import Log
from pipeline.packets import PredictionHeader, PredictionPacket


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


def logged(packets: list[PredictionPacket], **settings: Any) -> tuple[Log, list[dict[str, Any]]]:
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

"""``retina record`` and the recorder as real processes: killed, interrupted, on a full disk."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.board import Board
from pipeline.errors import NodeFailed
from pipeline.events import Events
from pipeline.graph import Graph, build
from pipeline.launcher import Child, Launcher
from recordings.opening import open_recording
from tests.command import Retina, one_line
from tests.recordings.known import known_stream
from tests.recordings.written import ROOT
from tests.waiting import until

SOURCE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pipeline import EventPacket, Settings, SourceNode
from pipeline.packets import EventHeader
from tests.recordings.known import known_stream

STEP = 10_000

class Known(SourceNode):
    \"\"\"Gives the known stream in packets of 10 ms, 500 of them as fast as they are taken.\"\"\"
    emits = (EventPacket,)
    speed = float("inf")

    def open(self):
        events = known_stream(9_000 * 500)
        self.packets = []
        at = 0
        for k in range(500):
            end = int(events["t"].searchsorted((k + 1) * STEP))
            self.packets.append(events[at:end])
            at = end

    def produce(self):
        while self.cursor < len(self.packets):
            k = self.cursor
            header = EventHeader(
                t_begin=k * STEP, t_end=(k + 1) * STEP, width=200, height=180, n=0)
            self.cursor += 1
            yield EventPacket.of(self.packets[k], header)

class Paced(Known):
    \"\"\"The same, three times as fast as real time.\"\"\"
    speed = 3.0
"""
N_EVENTS = 5_000_000 * 7 // 8
"""Of ``known_stream`` within 500 packets of 10 ms: seven events in 8 µs."""


@pytest.fixture
def private_tmp(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A directory for runs that must be empty again in the end; its name is short for sockets."""
    base = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    yield base
    assert list(base.iterdir()) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "known.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    words = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if not mount or not umount or subprocess.run([mount, *words], check=False).returncode != 0:
        pytest.skip("a file system can only be mounted by root")
    yield place
    subprocess.run([umount, str(place)], check=True)


def graph(
    source: Path, path: Path, policy: str = "lossless", kind: str = "Known", **settings: object
) -> Graph:
    return build(
        {
            "edges": [{"from": "source", "to": "record", "policy": policy, "capacity": 2}],
            "nodes": {
                "source": {"kind": f"{source}:{kind}"},
                "record": {"path": str(path), **settings},
            },
        },
        "recorded.toml",
    )


def read(path: Path | str) -> Events:
    with open_recording(path) as recording:
        return recording.read()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_run_is_recorded_whole(private_tmp: Path, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    lines: list[str] = []
    report = Launcher(graph(source, path), say=lambda node, line: lines.append(line)).run()
    np.testing.assert_array_equal(read(path), known_stream(N_EVENTS))
    (entry,) = report.recordings
    assert entry["recording"] == [str(path)]
    assert entry["events"] == N_EVENTS
    assert entry["complete"]
    assert report.predictions == []
    assert report.accuracy is None
    (line,) = lines
    assert line == f"{path}: {N_EVENTS:,} events, 5.000 s, {path.stat().st_size / 1e6:.1f} MB"


def test_a_recorder_that_is_killed(private_tmp: Path, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.aedat4"
    killed: list[int] = []

    def tick(boards: dict[str, Board], children: list[Child]) -> None:
        process = next(c.process for c in children if c.name == "record")
        if size_of(path) > 1_000_000 and not killed and process is not None:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    lines: list[str] = []
    launcher = Launcher(
        graph(source, path, kind="Paced", compression="none"),
        say=lambda node, line: lines.append(line),
        tick=tick,
    )
    report = launcher.run()
    assert killed
    assert report.nodes["record"].restarts == 1
    first, second = read(path), read(tmp_path / "x-0002.aedat4")
    whole = known_stream(N_EVENTS)
    np.testing.assert_array_equal(first, whole[: len(first)])
    np.testing.assert_array_equal(second, whole[N_EVENTS - len(second) :])
    # What it had taken and not yet written is missing: up to a packet of the file.
    missing = N_EVENTS - len(first) - len(second)
    assert missing <= 65_536 + 9_000
    (entry,) = report.recordings
    assert entry["recording"] == [str(tmp_path / "x-0002.aedat4")]
    assert not entry["complete"]
    assert "INCOMPLETE: the recorder was started anew" in lines[-1]


def test_dropped_packets_are_said(private_tmp: Path, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    report = Launcher(graph(source, path, "latest"), say=lambda node, line: None).run()
    (edge,) = report.edges
    (entry,) = report.recordings
    assert edge.dropped_packets > 0, "HDF5 is slower than the source"
    assert entry["missed_packets"] == edge.dropped_packets
    assert entry["missed_s"] == pytest.approx(0.01 * edge.dropped_packets)
    assert not entry["complete"]
    found = read(path)
    assert len(found) == entry["events"] == edge.delivered_events
    assert np.isin(found["t"], known_stream(N_EVENTS)["t"]).all()


def test_a_full_disk_ends_the_run_with_one_line(
    private_tmp: Path, source: Path, small_disk: Path
) -> None:
    path = small_disk / "x.aedat4"
    lines: list[str] = []
    launcher = Launcher(graph(source, path), say=lambda node, line: lines.append(line))
    with pytest.raises(NodeFailed) as raised:
        launcher.run()
    message = str(raised.value)
    assert "\n" not in message
    found = re.fullmatch(
        rf"record: INCOMPLETE: {re.escape(str(path))}: cannot be written: No space left on device;"
        r" the ([\d,]+) events before that are kept",
        message,
    )
    assert found, message
    assert lines == []
    n = int(found[1].replace(",", ""))
    events = read(path)
    assert len(events) == n > 100_000
    np.testing.assert_array_equal(events, known_stream(n))
    report = raised.value.report  # type: ignore[attr-defined]
    (entry,) = report.recordings
    assert entry["events"] == n
    assert not entry["complete"]
    for edge in report.edges:
        assert edge.sent_packets == edge.delivered_packets + edge.dropped_packets


# The command itself.


def start(*words: str, limit: int | None = None) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "record", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    if limit is not None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    return process


def test_ctrl_c_leaves_a_whole_file(private_tmp: Path, tmp_path: Path) -> None:
    path, report = tmp_path / "x.aedat4", tmp_path / "report.json"
    process = start("samples", str(path), "--set", "source.loop=true", "--report", str(report))
    until(lambda: size_of(path) > 20_000)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert err == ""
    assert "INCOMPLETE" not in out
    entry = json.loads(report.read_text())["recordings"][0]
    assert entry["complete"]
    with open_recording(path) as recording:
        assert len(recording.read()) == entry["events"] > 0
        assert recording.counts.cuts == 0
        # Its table of packets is there, so it was closed.
        assert recording._decoder.header.table_at > 0  # type: ignore[attr-defined]


def test_a_duration(private_tmp: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    process = start("samples", str(path), "--duration", "0.3", "--rotate-s", "0.1")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    files = sorted(tmp_path.glob("x-*.npz"))
    assert len(files) >= 2
    assert f"{files[0]} to {files[-1].name}: " in out


def test_a_recording_is_recorded_as_it_is(private_tmp: Path, tmp_path: Path) -> None:
    sample = ROOT / "recordings" / "samples" / "Test" / "5" / "00009.bin"
    path = tmp_path / "x.es"
    process = start(str(sample), str(path), "--set", "source.pace=fast")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    np.testing.assert_array_equal(read(path), read(sample))


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (["samples", "{}/there.es"], 1, "there.es: is there already; overwrite it"),
        (["samples", "{}/none/x.es"], 1, "is no folder that there is"),
        (["samples", "{}/x.mp4"], 2, "'.mp4' is no ending that is written"),
        (["samples", "{}/x.es", "--compression", "lz4"], 2, "es has no option 'compression'"),
        (["{}/none.raw", "{}/x.es"], 1, "none.raw"),
        (["samples", "{}/x.es", "--set", "record.rotate=1"], 2, "unknown setting 'rotate'"),
    ],
)
def test_a_mistake_is_one_line(
    private_tmp: Path,
    tmp_path: Path,
    retina_here: Retina,
    words: list[str],
    status: int,
    why: str,
) -> None:
    (tmp_path / "there.es").write_bytes(b"precious")
    said = retina_here("record", *(word.format(tmp_path) for word in words))
    one_line(said, status, why)
    assert (tmp_path / "there.es").read_bytes() == b"precious"


def test_a_file_that_may_not_grow(private_tmp: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    process = start("samples", str(path), "--set", "source.pace=fast", limit=1_000_000)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.count("\n") == 1
    assert "INCOMPLETE: " in err
    assert "File too large" in err
    assert len(read(path)) > 0


def test_a_folder_to_read_only(private_tmp: Path, small_disk: Path) -> None:
    mount = shutil.which("mount")
    assert mount is not None
    subprocess.run([mount, "-o", "remount,ro", str(small_disk)], check=True)
    process = start("samples", str(small_disk / "x.aedat4"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == (
        f"retina: {small_disk}/x.aedat4: cannot be written: {small_disk} is a folder to read only\n"
    )

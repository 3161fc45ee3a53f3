"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.recordings.assets import MADE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def run(*words: str) -> str:
    result = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_node_of_ones_own_runs() -> None:
    out = run("-m", "pipeline", "run", "docs/examples/balance.toml")
    assert len(re.findall(r"\d+% of \d+ events are ON", out)) == 6


def test_the_readme_shows_the_example_as_it_is() -> None:
    shown = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S)
                 if "class Balance(Node)" in block)  # fmt: skip
    code = (ROOT / "docs" / "examples" / "balance.py").read_text()
    bare = [line for line in code.splitlines() if '"""' not in line and line.strip()]
    assert bare == [line for line in shown.splitlines() if line.strip()]
    assert len(code.splitlines()) < 32


def test_the_offline_example_runs() -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S)
                if "from nodes.infer" in block)  # fmt: skip
    assert run("-c", code).count(" is a ") == 3


def test_every_file_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


BEHIND = {
    "AEDAT4": ["made:aedat4-none", "made:aedat4-lz4", "made:aedat4-zstd", "made:aedat4-side",
               "recordings/test_writing.py::test_what_is_written_is_read"],
    "AEDAT 2": ["made:aedat2-davis", "made:aedat2-dvs128", "made:aedat31"],
    "Prophesee RAW": ["made:evt2", "made:evt21", "made:evt3", "made:dat"],
    "Event Stream": ["made:es", "recordings/test_writing.py::test_what_is_written_is_read"],
    "HDF5": ["made:hdf5", "made:hdf5-dsec", "made:hdf5-metavision"],
    "ROS 1": ["made:bag-packets", "made:bag-arrays", "made:mcap-packets", "made:db3-arrays"],
    "text": ["made:rpg", "made:csv", "made:csv-ns"],
    "NumPy": ["made:npy", "made:npz", "made:npy-tonic", "made:npz-columns"],
    "N-MNIST": ["made:nmnist", "recordings/test_writing.py::test_what_is_written_is_read"],
    "folders": ["recordings/test_folder.py::test_splits_of_labels",
                "recordings/test_folder.py::test_what_tonic_downloads"],
    "still images": ["nodes/saccade/test_simulate.py::test_every_image_is_a_sample_with_its_label_"
                     "and_its_picture"],
    "iniVation": ["nodes/camera/test_node.py::test_packets_of_a_millisecond_that_hold_what_the_"
                  "camera_saw"],
    "a DV server": ["nodes/dv/test_reader.py::test_what_dv_processing_writes_is_read_event_for_"
                    "event",
                    "nodes/dv/test_server.py::test_dv_processing_reads_our_stream_bit_for_bit"],
    "events over UDP": ["nodes/aer/test_udp.py::test_what_is_sent_is_received"],
    "a running node": ["nodes/test_remote.py::test_packets_come_as_they_are_and_its_end_is_the_"
                       "end"],
}  # fmt: skip
"""Which tests stand behind each line of the table of sources; ``made:`` a kind of file that
``recordings/test_formats.py`` reads whole, by windows and broken."""


def test_a_test_stands_behind_every_line_of_the_table_of_sources() -> None:
    table = README[README.index("| source or format |") :].partition("\n\n")[0]
    lines = [line.strip("| ") for line in table.splitlines()[2:]]
    assert len(lines) == len(BEHIND)
    kinds = {asset.name for asset in MADE}
    for line, (begins, tests) in zip(lines, BEHIND.items(), strict=True):
        assert line.startswith(begins)
        for test in tests:
            kind, _, name = test.partition(":")
            if kind == "made":
                assert name in kinds
                continue
            file, _, function = test.partition("::")
            assert f"def {function}(" in (ROOT / "tests" / file).read_text()

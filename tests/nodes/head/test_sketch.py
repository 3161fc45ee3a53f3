"""The Arduino sketch in the docs, compiled for this computer, speaks what ``Hobby`` speaks."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import tty
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nodes.head import Limits
from nodes.head.drive import Driver
from nodes.head.hobby import Hobby, HobbySettings, line, words
from pipeline.errors import DeviceError
from tests.waiting import until

HERE = Path(__file__).parent
SKETCH = HERE.parents[2] / "docs" / "examples" / "head.ino"
COMPILER = shutil.which("g++")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler (g++) here")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sketch") / "head"
    shim = HERE / "arduino"
    subprocess.run(
        [str(COMPILER), "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", str(shim),
         "-include", "Arduino.h", "-x", "c++", str(SKETCH), str(shim / "main.cpp"), "-o", str(out)],
        check=True, timeout=60,
    )  # fmt: skip
    return out


class Sketch:
    """The running sketch: its port, and what its servos were told."""

    def __init__(self, program: Path, log: Path) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.log = log
        with log.open("wb") as err:
            self.process = subprocess.Popen(
                [program], stdin=self.master, stdout=self.master, stderr=err
            )

    def told(self) -> list[str]:
        return self.log.read_text().splitlines()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def say(self, data: bytes) -> list[str] | None:
        """Say something raw, and return the words of the answer."""
        os.write(self.slave, data)
        answer = b""
        while not answer.endswith(b"\n"):
            answer += os.read(self.slave, 1)
        return words(answer)


@pytest.fixture
def sketch(program: Path, tmp_path: Path) -> Iterator[Sketch]:
    running = Sketch(program, tmp_path / "log")
    yield running
    running.end()


def test_it_is_driven(sketch: Sketch) -> None:
    head = Hobby(HobbySettings(port=sketch.path, on_stop="release"), Limits())
    driver = Driver(
        head,
        head.limits,
        lambda t: np.stack([8 * np.sin(t / 1e5), 3 - 3 * np.cos(t / 1e5)], 1),
        500_000,
        20_000,
    )
    with closing(driver.run()) as run:
        sent = list(run)
    assert len(sent) >= 26
    told = sketch.told()
    assert told[:2] == ["attach 9", "attach 10"]
    assert told[-2:] == ["detach 9", "detach 10"]
    pans = [int(text.split()[2]) for text in told if text.startswith("pulse 9")]
    assert pans[-1] == 1500 + int(round(100 * sent[-1][1]) * 11.1 / 100)
    assert max(pans) == pytest.approx(1500 + 8 * 11.1, abs=2)


def test_its_watchdog_holds_it(sketch: Sketch) -> None:
    head = Hobby(HobbySettings(port=sketch.path, watchdog_ms=20), Limits())
    head.open()
    head.send(3.0, 0.0)
    until(lambda: "pulse 9 1533" in sketch.told())
    end = time.monotonic() + 0.05
    until(lambda: time.monotonic() > end)
    head.send(9.0, 0.0)
    with pytest.raises(DeviceError, match="nothing had reached it for 20 ms, so it holds still"):
        until(lambda: False, head.poll)
    assert "pulse 9 1599" not in sketch.told()
    head.close()


def test_what_it_refuses(sketch: Sketch) -> None:
    assert sketch.say(line("1 G 0 0")) == ["1", "err", "off"]
    assert sketch.say(line("2 L -100 100 -100 100")) == ["2", "ok"]
    assert sketch.say(line("3 A")) == ["3", "ok"]
    assert sketch.say(line("4 G 101 0")) == ["4", "err", "limit"]
    assert sketch.say(line("5 G 100 -100")) == ["5", "ok"]
    assert sketch.say(line("6 P")) == ["6", "ok", "100", "-100"]
    assert sketch.say(line("7 G 1")) == ["7", "err", "syntax"]
    assert sketch.say(line("8 G 1 x")) == ["8", "err", "syntax"]
    assert sketch.say(line("9 G 1 2 3 4 5")) == ["9", "err", "syntax"]
    assert sketch.say(line("10 HH")) == ["10", "err", "syntax"]
    assert sketch.say(line("11")) == ["-", "err", "syntax"]
    assert sketch.say(b"12 P*00\n") == ["-", "err", "checksum"]
    assert sketch.say(b"no star\n") == ["-", "err", "checksum"]
    for n in (62, 63, 64, 65, 66, 500):
        found = sketch.say(b"x" * n + b"\n")
        assert found == ["-", "err", "checksum" if n < 64 else "syntax"], n
    assert sketch.say(b"\r\n\n" + line("13 S")) == ["13", "ok"]
    assert sketch.say(line("14 Q")) == ["14", "ok", "stopped"]
    assert sketch.say(line("15 G 0 0")) == ["15", "err", "stopped"]

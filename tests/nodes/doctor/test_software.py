"""Python, PyTorch, Qt, OpenGL, extras, cores and disk, each amiss in turn."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import pytest

from nodes.camera.inivation import Inivation
from nodes.doctor import cameras, machine, software
from pipeline.errors import DeviceError


def test_python() -> None:
    assert software.python((3, 12)).state == "ok"
    old = software.python((3, 9))
    assert (old.state, "3.9 is not 3.11 to 3.13" in old.what) == ("wrong", True)
    assert old.mend.startswith("sudo apt-get install -y python3")


def fake_torch(monkeypatch: pytest.MonkeyPatch, available: bool, cuda: str | None) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: "H100")
    monkeypatch.setattr(torch.version, "cuda", cuda)


def card(root: Path) -> None:
    device = root / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030000\n")


def test_no_gpu_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_torch(monkeypatch, available=False, cuda=None)
    assert [f.state for f in software.torch(tmp_path)] == ["ok", "note"]


def test_a_gpu_that_pytorch_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_torch(monkeypatch, available=True, cuda="12.6")
    finding = software.torch(tmp_path)[1]
    assert (finding.state, finding.what) == ("ok", "H100, CUDA 12.6")


def test_a_gpu_and_a_pytorch_without_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_torch(monkeypatch, available=False, cuda=None)
    card(tmp_path)
    finding = software.torch(tmp_path)[1]
    assert finding.state == "wrong"
    assert finding.mend == f"{sys.executable} -m pip install --force-reinstall torch"


def test_a_gpu_whose_driver_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_torch(monkeypatch, available=False, cuda="12.6")
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").touch()
    finding = software.torch(tmp_path)[1]
    assert (finding.state, finding.mend) == ("wrong", "sudo ubuntu-drivers install")


def test_no_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (finding,) = software.torch(tmp_path)
    assert (finding.state, finding.mend) == ("wrong", software.pip("torch"))


def test_qt_without_a_display() -> None:
    findings = software.qt({})
    assert [f.name for f in findings] == ["qt offscreen", "display"]
    assert findings[1].state == "note"


def test_qt_that_lacks_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def loadable(platforms: list[str]) -> str:
        if platforms == ["xcb"]:
            raise DeviceError(
                "Qt cannot be loaded (libxcb-cursor.so.0 is missing): sudo apt-get install -y x y"
            )
        return platforms[0]

    monkeypatch.setattr("nodes.view.qt.loadable", loadable)
    findings = software.qt({"DISPLAY": ":0"})
    assert [f.state for f in findings] == ["wrong", "ok"]
    assert findings[0].what == "Qt cannot be loaded (libxcb-cursor.so.0 is missing)"
    assert findings[0].mend == "sudo apt-get install -y x y"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="sound from Python 3.12 on")
def test_the_pyside_that_crashes_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "6.12.0")
    (finding,) = software.qt({})
    assert finding.state == "wrong"
    assert "<6.12" in finding.mend


def test_opengl() -> None:
    def load(name: str) -> Any:
        if name.startswith("libGL"):
            raise OSError

    assert software.opengl(lambda name: None).state == "ok"
    finding = software.opengl(load)
    assert (finding.state, finding.what) == ("wrong", "libGL.so.1 cannot be loaded")


def test_extras() -> None:
    findings = {f.name: f for f in software.extras(lambda module: module != "h5py")}
    assert findings["extra hdf5"].state == "note"
    assert findings["extra hdf5"].mend.endswith('pip install "silicon-retina[hdf5]"')
    assert {f.state for name, f in findings.items() if name != "extra hdf5"} == {"ok"}


def test_every_extra_is_one_of_the_packages() -> None:
    offered = importlib.metadata.metadata("silicon-retina").get_all("Provides-Extra") or []
    assert set(software.EXTRAS) <= set(offered)


def test_cores_memory_and_disk(tmp_path: Path) -> None:
    assert machine.cores(8).state == "ok"
    assert machine.cores(1).state == "note"
    assert machine.memory(tmp_path).state == "note"
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 4194304 kB\n")
    assert machine.memory(tmp_path).what == "4.0 GiB free"
    assert machine.disk(tmp_path, 100 * 2**30).state == "ok"
    full = machine.disk(tmp_path, 2**29)
    assert full.state == "wrong"
    assert "0.5 GiB free" in full.what


def test_drivers_and_their_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    from nodes.camera.standin.inivation import Port

    findings = cameras.check([Inivation(1000, Port())])
    assert [(f.name, f.state) for f in findings] == [
        ("driver dv-processing", "ok"),
        ("camera DVXplorer virtual", "ok"),
    ]
    monkeypatch.setitem(sys.modules, "dv_processing", None)
    (finding,) = cameras.check([Inivation(1000)])
    assert (finding.state, finding.mend) == ("wrong", software.pip("dv-processing"))

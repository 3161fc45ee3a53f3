"""Where a network runs, without and with a driver that says there is a GPU."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from models import device
from pipeline.errors import DeviceError, SettingError


def test_cpu_is_always_there() -> None:
    assert device.pick("cpu") == "cpu"


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_devices", lambda: 0)
    assert device.pick("auto") == "cpu"
    with pytest.raises(DeviceError, match="no NVIDIA driver sees a GPU") as raised:
        device.pick("cuda")
    assert "\n" not in str(raised.value)


def test_with_a_gpu_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_devices", lambda: 1)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert device.pick("auto") == "cpu"
    with pytest.raises(DeviceError, match="built without CUDA"):
        device.pick("cuda")


def test_with_a_gpu_that_torch_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_devices", lambda: 1)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.pick("auto") == device.pick("cuda") == "cuda"


def test_another_word() -> None:
    with pytest.raises(SettingError, match="'gpu', expected auto, cpu or cuda"):
        device.pick("gpu")


def test_no_torch_is_loaded_to_find_no_gpu() -> None:
    code = (
        "import sys, models.device as d\n"
        "d.cuda_devices = lambda: 0\n"
        "assert d.pick('auto') == 'cpu'\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

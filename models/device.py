"""Which device a network runs on, found out without loading torch where there is no GPU."""

from __future__ import annotations

import ctypes
from typing import Literal

from pipeline.errors import DeviceError, SettingError

Device = Literal["cpu", "cuda"]


def cuda_devices() -> int:
    """Return how many CUDA devices the driver sees; 0 where there is no driver.

    Asks the driver itself (``cuInit``, ``cuDeviceGetCount``): loading torch would take seconds.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def pick(asked: str = "auto") -> Device:
    """Return the device to run on for ``auto``, ``cpu`` or ``cuda``.

    Raises DeviceError where ``cuda`` is asked for and cannot be had, SettingError for another
    word. ``auto`` takes CUDA where a device and a torch built for it are there.
    """
    if asked == "cpu":
        return "cpu"
    if asked not in ("auto", "cuda"):
        raise SettingError(f"device is {asked!r}, expected auto, cpu or cuda")
    why = _why_not_cuda()
    if why is None:
        return "cuda"
    if asked == "cuda":
        raise DeviceError(f"device cuda: {why}; expected a CUDA GPU, or device = cpu")
    return "cpu"


def _why_not_cuda() -> str | None:
    if cuda_devices() == 0:
        return "no NVIDIA driver sees a GPU on this machine"
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} (CUDA {torch.version.cuda}) cannot use the driver"
    return None

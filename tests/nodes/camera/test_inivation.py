"""iniVation's cameras: settings asked for and in force, on stand-ins that match the library."""

from __future__ import annotations

import inspect
import re
from typing import Any

import dv_processing
import numpy as np
import pytest

from nodes.camera.device import Gone, Wanted, plain
from nodes.camera.inivation import Inivation, InivationDevice
from nodes.camera.standin import inivation as standin
from nodes.camera.tuning import CURRENTS, THRESHOLDS, scaled, towards
from nodes.camera.wishes import READOUTS, SENSITIVITIES
from pipeline.errors import DeviceError

VENDOR = dv_processing.io.camera
ORDER = list(SENSITIVITIES)


class Clock:
    def __init__(self) -> None:
        self.us = 1_000_000

    def __call__(self) -> int:
        return self.us


def opened(kind: str) -> tuple[InivationDevice, standin.Port, Clock]:
    clock = Clock()
    port = standin.Port(kind, serial=kind, now_us=clock)
    driver = Inivation(1000, port)
    (found,) = driver.discover()
    device = driver.open(found)
    assert isinstance(device, InivationDevice)
    return device, port, clock


def signature(doc: str, name: str) -> list[str]:
    """Return the names of the arguments that a docstring of pybind11's gives, without self."""
    match = re.search(rf"{name}\((.*?)\) ->", doc.replace("\n", " "))
    assert match is not None, doc
    inside = re.sub(r"\[[^\]]*\]", "", match[1])
    return [part.split(":")[0].strip() for part in inside.split(",") if part.strip()][1:]


@pytest.mark.parametrize("name", ["DVXplorer", "DAVIS", "DVS128"])
def test_a_stand_in_has_nothing_that_the_library_has_not(name: str) -> None:
    """Every method has the library's name and arguments; every enumeration its members."""
    ours, theirs = getattr(standin, name), getattr(VENDOR, name)
    public = [key for key in dir(ours) if not key.startswith("_") and key != "model"]
    assert len(public) > 15
    for key in public:
        member = getattr(ours, key)
        assert hasattr(theirs, key), f"{name}.{key} is no part of dv-processing"
        if inspect.isclass(member):
            for value in member.__members__:
                assert value in getattr(theirs, key).__members__, f"{name}.{key}.{value}"
        elif key != "isRunning":
            arguments = list(inspect.signature(member).parameters)[1:]
            got = signature(getattr(theirs, key).__doc__ or "", key)
            # What the library leaves without a name is 'arg0'.
            assert [a for a in got if a != "arg0"] == arguments or got == ["arg0"], key


def test_what_the_module_and_descriptors_have_is_the_librarys_too() -> None:
    for name in ("discover", "open"):
        assert callable(getattr(VENDOR, name))
    for name in standin.DeviceDescriptor.__dataclass_fields__:
        assert hasattr(VENDOR.USBDevice.DeviceDescriptor, name)
    for name in standin.CameraModel.__members__:
        assert name in VENDOR.CameraModel.__members__
    for name in standin.LibusbSpeed.__members__:
        assert name in VENDOR.libusb_speed.__members__


@pytest.mark.parametrize("name", ["DVXplorer", "DVXplorerM", "DAVIS", "DVS128"])
def test_everything_that_is_asked_of_a_real_camera_exists(name: str) -> None:
    """The methods that the adapter calls, by the class that it calls them of."""
    theirs = getattr(VENDOR, name)
    asked = {"getNextEventBatch", "isRunning", "getEventResolution", "setTimeInterval"}
    asked |= {"getCropArea", "setCropArea", "getFirmwareVersion", "getConnectionSpeed"}
    asked |= {f"{do}{what}" for do in ("get", "set") for what in ("FlipHorizontal", "FlipVertical")}
    if name.startswith("DVXplorer"):
        asked |= {f"{d}ContrastThreshold{p}" for d in ("get", "set") for p in ("On", "Off")}
        asked |= {"getReadoutFPS", "setReadoutFPS"}
    if name == "DVS128":
        asked |= {"getBias", "setBias", "Bias"}
    if name == "DAVIS":
        for set_of in ("Davis346", "CDavis", "Davis240"):
            asked |= {f"{set_of}BiasCF", f"get{set_of}BiasCoarseFine", f"set{set_of}BiasCoarseFine"}
        for set_of in ("Davis346", "CDavis"):
            asked |= {f"{set_of}BiasVDAC", f"get{set_of}BiasVoltage", f"set{set_of}BiasVoltage"}
        for filter_of in ("BackgroundActivityFilter", "RefractoryPeriodFilter"):
            asked |= {f"get{filter_of}", f"set{filter_of}"}
        asked |= {"getSensorModel"}
    missing = sorted(key for key in asked if not hasattr(theirs, key))
    assert missing == []


def test_the_davis_has_the_currents_that_presets_change() -> None:
    for name in ("Davis346BiasCF", "Davis240BiasCF", "CDavisBiasCF"):
        assert {"On", "Off"} <= set(getattr(VENDOR.DAVIS, name).__members__)
    assert {"DIFF_ON", "DIFF_OFF"} <= set(VENDOR.DVS128.Bias.__members__)


def test_the_readouts_are_the_librarys() -> None:
    theirs = {name.replace("_", "-").lower() for name in VENDOR.DVXplorer.ReadoutFPS.__members__}
    assert set(READOUTS) - {"default"} == theirs


def test_discovery_without_cameras_is_an_empty_list() -> None:
    if VENDOR.discover():
        pytest.skip("a camera is plugged in")
    assert Inivation().discover() == []


def test_batches_are_of_a_millisecond_and_none_when_idle() -> None:
    device, _, clock = opened("dvxplorer")
    assert device.read() is None
    clock.us += 400_000
    spans, times = [], []
    while (batch := device.read()) is not None:
        t = batch.events["t"]
        spans.append(int(t[-1] - t[0]))
        times.append(t)
        assert batch.reached_us == t[-1]
    assert max(spans) < 1000
    assert (np.diff(np.concatenate(times)) >= 0).all()
    assert np.concatenate(times)[0] >= 1_000_000
    assert device.read() is None


@pytest.mark.parametrize("kind", standin.KINDS)
def test_presets_are_in_order(kind: str) -> None:
    device, port, _ = opened(kind)
    camera: Any = port.plugged
    on, off = [], []
    for preset in ORDER:
        assert device.apply(Wanted(sensitivity=preset)) == []
        if kind == "dvxplorer":
            on.append(camera.getContrastThresholdOn())
            off.append(camera.getContrastThresholdOff())
        elif kind == "dvs128":
            on.append(camera.getBias(camera.Bias.DIFF_ON))
            off.append(-camera.getBias(camera.Bias.DIFF_OFF))
        else:
            coarse, fine = camera.getDavis346BiasCoarseFine(camera.Davis346BiasCF.On)
            on.append(8**coarse * fine)
            coarse, fine = camera.getDavis346BiasCoarseFine(camera.Davis346BiasCF.Off)
            off.append(-(8**coarse) * fine)
    # From very low to very high sensitivity the thresholds fall.
    assert on == sorted(on, reverse=True)
    assert off == sorted(off, reverse=True)
    assert len(set(on)) == 5
    assert len(set(off)) == 5


@pytest.mark.parametrize("kind", standin.KINDS)
def test_default_is_what_the_camera_came_with(kind: str) -> None:
    device, _, _ = opened(kind)
    before = device.actual()
    device.apply(Wanted(sensitivity="very-high", roi=(1, 2, 3, 4), flip_vertical=True))
    assert device.actual() != before
    assert device.apply(Wanted()) == []
    assert device.actual() == before


def test_biases_go_before_presets() -> None:
    device, _, _ = opened("dvxplorer")
    assert device.apply(Wanted(sensitivity="very-low", biases=(("off", "3"),))) == []
    assert device.actual()["biases"] == "on=13,off=3"
    device, _, _ = opened("davis")
    wanted = Wanted(biases=(("on", "6/100"), ("apscascode", "30")))
    assert device.apply(wanted) == []
    biases = str(device.actual()["biases"]).split(",")
    assert "on=6/100" in biases
    assert "apscascode=30" in biases


@pytest.mark.parametrize(
    ("of", "bias", "word"),
    [
        ("dvxplorer", ("on", "18"), "dvxplorer: bias on=18 is not possible (expected 0 to 17)"),
        ("dvxplorer", ("on", "x"), "bias on=x is not possible"),
        ("dvxplorer", ("refr", "1"), "has no bias 'refr' (it has: on, off)"),
        ("davis", ("on", "3"), "bias on=3 is not possible (expected coarse/fine)"),
        ("davis", ("on", "8/3"), "(expected 0 to 7)"),
        ("davis", ("apscascode", "64"), "(expected 0 to 63)"),
        ("dvs128", ("pr", "16777216"), "(expected 0 to 16777215)"),
    ],
)
def test_a_bias_that_cannot_be_is_said(of: str, bias: tuple[str, str], word: str) -> None:
    device, _, _ = opened(of)
    before = device.actual()
    (said,) = device.apply(Wanted(biases=(bias,)))
    assert word in said
    assert device.actual() == before


def test_filters_of_a_davis_in_steps_of_250_us() -> None:
    device, port, _ = opened("davis")
    assert device.apply(Wanted(noise_us=2000, refractory_us=300)) == []
    actual = device.actual()
    assert (actual["noise_us"], actual["refractory_us"]) == (2000, 500)
    camera: Any = port.plugged
    assert (camera._noise, camera._refractory) == (8, 2)
    device.apply(Wanted(noise_us=0))
    assert device.actual()["noise_us"] == 0


def test_what_a_camera_has_not_is_said_and_what_does_it_instead() -> None:
    device, _, _ = opened("dvs128")
    words = device.apply(
        Wanted(noise_us=1000, refractory_us=1000, rate_limit=1e6, readout="constant-100")
    )
    assert [word.split(":")[0] for word in words] == [
        "DVS128 dvs128 has no noise_us in hardware",
        "DVS128 dvs128 has no refractory_us in hardware",
        "DVS128 dvs128 has no readout in hardware",
        "DVS128 dvs128 has no rate_limit in hardware",
    ]
    assert words[0].endswith("a node 'filter' removes noise")


def test_readout_of_a_dvxplorer() -> None:
    device, _, _ = opened("dvxplorer")
    assert device.apply(Wanted(readout="constant-lossy-5000")) == []
    assert device.actual()["readout"] == "constant-lossy-5000"
    device.apply(Wanted())
    assert device.actual()["readout"] == "variable-5000"


def test_a_region_off_the_sensor_is_said() -> None:
    device, _, _ = opened("dvxplorer")
    (word,) = device.apply(Wanted(roi=(30, 0, 10, 10)))
    assert word == "DVXplorer dvxplorer: roi (30, 0, 10, 10) does not fit 34×34 pixels"


def test_an_unplugged_camera_gives_what_it_had_then_is_gone() -> None:
    device, port, clock = opened("dvxplorer")
    clock.us += 50_000
    port.unplug()
    clock.us += 50_000
    seen = 0
    while seen < len(standin.Scene("samples").until(50_000)):
        batch = device.read()
        assert batch is not None
        seen += len(batch.events)
    with pytest.raises(Gone, match=r"DVXplorer dvxplorer: is gone \(unplugged, or without power\)"):
        device.read()
    with pytest.raises(Gone):
        device.apply(Wanted(sensitivity="low"))


def test_a_camera_that_somebody_else_has_is_one_line() -> None:
    _, port, _ = opened("dvxplorer")
    driver = Inivation(1000, port)
    with pytest.raises(DeviceError, match=r"already in use by another running program\.$"):
        driver.open(driver.discover()[0])


@pytest.mark.parametrize("kind", standin.KINDS)
def test_facts_of_each_kind(kind: str) -> None:
    device, _, _ = opened(kind)
    facts = device.facts()
    assert facts["firmware"] == "8"
    assert facts["usb"] == "super"
    assert ("logic" in facts) == (kind == "dvxplorer")
    device.close()
    with pytest.raises(Gone, match="is closed"):
        device.read()


def test_the_librarys_own_words_without_its_paths_and_stack() -> None:
    if VENDOR.discover():
        pytest.skip("a camera is plugged in")
    with pytest.raises(RuntimeError) as caught:
        VENDOR.open("no such serial")
    assert plain(caught.value) == "Could not find device with given serial number"
    assert plain(RuntimeError("")) == "RuntimeError"


@pytest.mark.parametrize("preset", ORDER)
def test_the_tables_hold_every_preset(preset: str) -> None:
    assert -1 <= THRESHOLDS[preset] <= 1
    assert CURRENTS[preset] > 0
    assert 0 <= towards(8, 0, 17, THRESHOLDS[preset]) <= 17


def test_a_current_is_scaled_across_coarse_steps() -> None:
    assert scaled(4, 39, 1) == (4, 39)
    assert scaled(5, 255, 2.5) == (6, 80)
    assert scaled(4, 1, 1 / 2.5) == (1, 205)
    assert scaled(7, 255, 2.5) == (7, 255)
    assert scaled(0, 1, 0.1) == (0, 1)

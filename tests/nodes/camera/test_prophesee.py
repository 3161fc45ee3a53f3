"""Prophesee's cameras: the library's own configurations, filled as asked."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nodes.camera.device import Gone, Wanted
from nodes.camera.prophesee import Prophesee, PropheseeDevice
from nodes.camera.standin.prophesee import Evk4, Evk4Port
from nodes.camera.wishes import SENSITIVITIES
from pipeline.errors import DeviceError

nd = pytest.importorskip("neuromorphic_drivers", reason="needs the extra 'prophesee'")


class Clock:
    us = 1_000_000

    def __call__(self) -> int:
        return self.us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def port(clock: Clock) -> Evk4Port:
    return Evk4Port(now_us=clock)


@pytest.fixture
def device(port: Evk4Port) -> Iterator[PropheseeDevice]:
    driver = Prophesee(port)
    (found,) = driver.discover()
    device = driver.open(found)
    assert isinstance(device, PropheseeDevice)
    yield device
    device.close()


def camera(port: Evk4Port) -> Evk4:
    assert port.plugged is not None
    return port.plugged


def test_the_stand_in_has_the_librarys_methods_and_arguments() -> None:
    protocol = nd.prophesee_evk4.PropheseeEvk4DeviceOptional
    theirs = {key for key in vars(protocol) if not key.startswith("_")}
    ours = {key for key in dir(Evk4) if not key.startswith("_")}
    # 'clear_backlog' is nothing that the adapter asks for.
    assert theirs - ours == {"clear_backlog"}
    assert ours <= theirs
    for key in ours:
        expected = list(inspect.signature(getattr(protocol, key)).parameters)
        assert list(inspect.signature(getattr(Evk4, key)).parameters) == expected, key
    ours_open = list(inspect.signature(Evk4Port.open).parameters)[1:]
    assert ours_open == list(inspect.signature(nd.open).parameters)


def test_the_real_library_without_usb_or_cameras_is_an_empty_list() -> None:
    assert isinstance(Prophesee().discover(), list)


def test_what_libusb_says_passes_in_one_line() -> None:
    def fail() -> None:
        raise RuntimeError("Access denied (insufficient permissions)")

    library = SimpleNamespace(list_devices=fail)
    with pytest.raises(
        DeviceError,
        match=r"^neuromorphic-drivers cannot look for cameras: Access denied \(insufficient",
    ):
        Prophesee(library).discover()


def test_inivations_are_left_to_dv_and_problems_are_kept() -> None:
    def listed() -> list[Any]:
        common = {"connection": nd.Connection.USB_HIGH, "address": ""}
        return [
            SimpleNamespace(name=nd.Name.INIVATION_DAVIS346, serial="1", error=None, **common),
            SimpleNamespace(name=nd.Name.PROPHESEE_EVK3_HD, serial=None, error="busy", **common),
        ]

    (found,) = Prophesee(SimpleNamespace(list_devices=listed)).discover()
    assert (found.model, found.serial, found.problem) == ("Prophesee EVK3 HD", "", "busy")
    assert found.usb == "USB 2.0 High Speed (480 Mb/s)"


def test_events_are_ours_and_time_comes_in_silence(
    device: PropheseeDevice, clock: Clock, port: Evk4Port
) -> None:
    assert device.read() is None
    clock.us += 200_000
    batch = device.read()
    assert batch is not None
    events = batch.events
    assert len(events) > 100
    assert batch.reached_us == 200_000
    assert set(np.unique(events["p"]).tolist()) == {0, 1}
    assert events["x"].max() < 34
    assert events["t"][-1] < 200_000
    # Between two recordings nothing fires; the camera's time is told all the same.
    silent = 0
    for k in range(1, 401):
        clock.us += 1000
        batch = device.read()
        assert batch is not None
        assert batch.reached_us == 200_000 + k * 1000
        silent += not len(batch.events)
    assert silent > 40


def test_presets_are_in_order_and_within_the_chips_bounds(
    device: PropheseeDevice, port: Evk4Port
) -> None:
    seen = []
    for preset in SENSITIVITIES:
        assert device.apply(Wanted(sensitivity=preset)) == []
        biases = camera(port).configuration.biases
        seen.append((biases.diff_on, biases.diff_off))
    # The first is the least sensitive: the highest thresholds.
    assert [on for on, _ in seen] == sorted((on for on, _ in seen), reverse=True)
    assert [off for _, off in seen] == sorted((off for _, off in seen), reverse=True)
    assert seen[2] == (0, 0)
    assert len(set(seen)) == 5
    assert all(-85 <= on <= 140 and -35 <= off <= 190 for on, off in seen)


@pytest.mark.parametrize("module", [nd.prophesee_evk3_hd, nd.centuryarks_vga])
def test_older_sensors_have_their_off_threshold_the_other_way_round(module: Any) -> None:
    bounds = module.BiasesBounds(
        diff_on=module.Bounds(0, 255) if module is nd.prophesee_evk3_hd else module.Bounds(0, 1800),
        diff_off=module.Bounds(0, 255)
        if module is nd.prophesee_evk3_hd
        else module.Bounds(0, 1800),
    )
    sent: list[Any] = []
    fake = SimpleNamespace(
        properties=module.Properties,
        biases_bounds=lambda: bounds,
        update_configuration=lambda configuration: sent.append(configuration.serialize()),
    )
    configuration = module.Configuration()
    found = SimpleNamespace(name="x")
    device = PropheseeDevice(fake, found, nd, module, configuration)  # type: ignore[arg-type]
    device.apply(Wanted())
    on, off = configuration.biases.diff_on, configuration.biases.diff_off
    assert on > configuration.biases.diff > off
    device.apply(Wanted(sensitivity="low", roi=(0, 0, 64, 32), rate_limit=1e6))
    # Both move away from diff.
    assert configuration.biases.diff_on > on
    assert configuration.biases.diff_off < off
    assert sent[0] != sent[1]


def test_biases_by_name(device: PropheseeDevice, port: Evk4Port) -> None:
    assert device.apply(Wanted(biases=(("diff_on", "-20"), ("fo", "10")))) == []
    biases = camera(port).configuration.biases
    assert (biases.diff_on, biases.fo) == (-20, 10)
    assert "diff_on=-20" in str(device.actual()["biases"])
    words = device.apply(Wanted(biases=(("diff_on", "141"), ("amp", "1"), ("hpf", "x"))))
    assert words == [
        "Prophesee EVK4 virtual-evk4: bias diff_on=141 is not a whole number from -85 to 140",
        "Prophesee EVK4 virtual-evk4 has no bias 'amp' (it has: pr, fo, hpf, diff_on, diff, "
        "diff_off, inv, refr, reqpuy, reqpux, sendreqpdy, unknown_1, unknown_2)",
        "Prophesee EVK4 virtual-evk4: bias hpf=x is not a whole number from 0 to 120",
    ]
    assert camera(port).configuration.biases.diff_on == 0


def test_the_region_is_what_the_librarys_own_picture_of_the_mask_shows() -> None:
    """A mask's rows count from below: held to the picture that the library draws of one."""
    drawn: list[np.ndarray[Any, Any]] = []

    class Mask(nd.RowColumnMask):  # type: ignore[misc]
        def y_mask(self) -> Any:
            drawn.append(self.pixels())
            return super().y_mask()

    port = Evk4Port()
    library: Any = SimpleNamespace(RowColumnMask=Mask)
    raw = port.open(configuration=nd.prophesee_evk4.Configuration())
    found = SimpleNamespace(name="x")
    device = PropheseeDevice(raw, found, library, nd.prophesee_evk4, raw.configuration)  # type: ignore[arg-type]
    assert device.apply(Wanted(roi=(3, 5, 10, 7))) == []
    # The picture is white where pixels are alive.
    alive = np.argwhere(drawn[0])
    assert (alive.min(axis=0).tolist(), alive.max(axis=0).tolist()) == ([5, 3], [11, 12])
    assert len(alive) == 70
    assert device.apply(Wanted(roi=(30, 0, 10, 5))) == [
        "x: roi (30, 0, 10, 5) does not fit 34×34 pixels"
    ]
    device.apply(Wanted())
    assert not any(raw.configuration.x_mask + raw.configuration.y_mask)


def test_the_rate_limit_is_a_number_for_each_millisecond(
    device: PropheseeDevice, clock: Clock, port: Evk4Port
) -> None:
    device.apply(Wanted(rate_limit=5000.0))
    limiter = camera(port).configuration.rate_limiter
    assert (limiter.reference_period_us, limiter.maximum_events_per_period) == (1000, 5)
    assert device.actual()["rate_limit"] == 5000.0
    clock.us += 300_000
    batch = device.read()
    assert batch is not None
    _, counts = np.unique(batch.events["t"] // 1000, return_counts=True)
    assert counts.max() == 5
    device.apply(Wanted())
    assert device.actual()["rate_limit"] == "off"


def test_mirrors_are_ours(device: PropheseeDevice, clock: Clock, port: Evk4Port) -> None:
    clock.us += 100_000
    plain = device.read()
    twin = Prophesee(Evk4Port(now_us=clock))
    other = twin.open(twin.discover()[0])
    other.apply(Wanted(flip_horizontal=True, flip_vertical=True))
    clock.us += 100_000
    mirrored = other.read()
    assert plain is not None
    assert mirrored is not None
    assert len(plain.events) == len(mirrored.events)
    assert np.array_equal(33 - plain.events["x"], mirrored.events["x"])
    assert np.array_equal(33 - plain.events["y"], mirrored.events["y"])


def test_what_the_driver_cannot_is_said(device: PropheseeDevice) -> None:
    words = device.apply(Wanted(noise_us=1, refractory_us=1, readout="constant-100"))
    assert [word.removeprefix("Prophesee EVK4 virtual-evk4") for word in words] == [
        ": its driver sets no noise_us: a node 'filter' does the like",
        ": its driver sets no refractory_us: a node 'filter' does the like",
        " has no readout to set",
    ]


def test_drops_and_facts(device: PropheseeDevice, clock: Clock, port: Evk4Port) -> None:
    port.dropped, port.overflows = 3, np.array([1, 2])
    clock.us += 10_000
    device.read()
    clock.us += 10_000
    device.read()
    assert device.dropped() == {"dropped_usb_packets": 3, "overflows": 2}
    facts = device.facts()
    assert facts["usb"] == "USB 3.0 SuperSpeed (5.0 Gb/s)"
    assert (facts["temperature_celsius"], facts["illuminance"]) == (31.5, 120.0)


def test_gone_is_what_the_library_says(device: PropheseeDevice, port: Evk4Port) -> None:
    port.unplug()
    with pytest.raises(Gone, match=r"is gone \(PropheseeEvk4\(Usb\(Rusb\(NoDevice\)\)\)\)"):
        device.read()
    device.close()
    with pytest.raises(Gone, match="is closed"):
        device.read()


def test_a_camera_that_somebody_else_has(port: Evk4Port, device: PropheseeDevice) -> None:
    driver = Prophesee(port)
    with pytest.raises(DeviceError, match="the device is already used by another program"):
        driver.open(driver.discover()[0])

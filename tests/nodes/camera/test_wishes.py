"""The settings of camera as text, and what they ask for."""

from __future__ import annotations

import pytest

from nodes.camera.device import Wanted
from nodes.camera.drivers import drivers_for
from nodes.camera.network import Network, address
from nodes.camera.node import Camera
from nodes.camera.wishes import LIVE, CameraSettings, serial_of, wanted
from pipeline.errors import SettingError
from pipeline.settings import settings_from, table


def test_nothing_asked_is_nothing_wanted() -> None:
    assert wanted(CameraSettings()) == Wanted()


def test_everything_from_text() -> None:
    settings = settings_from(
        CameraSettings,
        {
            "sensitivity": "very-low",
            "biases": " On = 5/3 , off=2",
            "roi": "1, 2,30,40",
            "noise_us": "2000",
            "refractory_us": "0",
            "rate_limit": "1e6",
            "readout": "variable-5000",
            "flip_vertical": "true",
        },
        "camera",
        text=True,
    )
    assert wanted(settings) == Wanted(
        sensitivity="very-low",
        biases=(("on", "5/3"), ("off", "2")),
        roi=(1, 2, 30, 40),
        noise_us=2000,
        refractory_us=0,
        rate_limit=1e6,
        readout="variable-5000",
        flip_vertical=True,
    )


@pytest.mark.parametrize("roi", ["1,2", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "1,2,3,4,5"])
def test_a_region_that_is_none(roi: str) -> None:
    with pytest.raises(SettingError, match="is not 'x0,y0,width,height' in pixels"):
        wanted(CameraSettings(roi=roi))


@pytest.mark.parametrize("biases", ["on", "on=", "=5", "on=1,off"])
def test_biases_that_are_none(biases: str) -> None:
    with pytest.raises(SettingError, match="is not 'name=value'"):
        wanted(CameraSettings(biases=biases))


def test_sources() -> None:
    assert serial_of("camera:") == ""
    assert serial_of("camera:DXA00093") == "DXA00093"
    assert serial_of("camera:127.0.0.1:7777") == "127.0.0.1:7777"
    for source in ("camera", "x.aedat4", "dv://h:1", ""):
        with pytest.raises(SettingError, match="is no camera, expected 'camera:'"):
            serial_of(source)


def test_addresses() -> None:
    assert address("127.0.0.1:7777") == ("127.0.0.1", 7777)
    assert address("DXA00093") is None
    assert address("a:b") is None
    (driver,) = drivers_for("127.0.0.1:7777")
    assert isinstance(driver, Network)


def test_what_is_live_is_a_setting_and_the_rest_is_not() -> None:
    names = {row[0] for row in table(CameraSettings)}
    assert names >= LIVE
    assert names - LIVE == {"source", "packet_us", "wait_s", "scene"}
    assert Camera.live == LIVE

"""Images before a moving retina, live: the same events as offline, and where the retina was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.calibration import nmnist
from models.images import read
from models.retina import PRESETS
from models.simulator import simulate
from nodes.saccade import Saccade
from nodes.saccade.simulate import Simulate
from pipeline import EventPacket, GazePacket, ImagePacket, Packet
from pipeline.errors import DeviceError, RecordingError, SettingError
from pipeline.events import EVENT, Events


def made(**settings: object) -> list[Packet]:
    return list(Simulate(**{"pace": "fast", "gap_ms": 0, **settings}))


def digits(folder: Path, n: int = 2) -> Path:
    """Make a folder of ``n`` images, each a bar of its own, with labels."""
    for i in range(n):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[4:24, 6 + 5 * i : 10 + 5 * i] = 255
        (folder / str(i)).mkdir(parents=True)
        Image.fromarray(pixels).save(folder / str(i) / f"{i + 1:05d}.png")
    return folder


def events_of_image(packets: list[Packet], sample: str) -> Events:
    own = [p for p in packets if isinstance(p, EventPacket) and p.header.sample == sample]
    out = np.zeros(sum(p.header.n for p in own), EVENT)
    at = 0
    for p in own:
        out[at : at + p.header.n] = p.events
        at += p.header.n
    out["t"] -= own[0].header.t_begin
    return out


@pytest.mark.parametrize("packet_us", [1000, 7000, 50_000])
def test_the_stream_holds_the_events_of_the_offline_simulation(
    tmp_path: Path, packet_us: int
) -> None:
    folder = digits(tmp_path)
    packets = made(images=str(folder), packet_us=packet_us, duration_ms=350)
    for i in range(2):
        name = f"{i}/{i + 1:05d}"
        expected = simulate(
            read(folder / f"{name}.png"), nmnist(), PRESETS["atis"], noise_seed=i,
            duration_us=350_000,
        )  # fmt: skip
        found = events_of_image(packets, name)
        assert len(expected) > 500
        np.testing.assert_array_equal(found, expected)


def test_every_image_is_a_sample_with_its_label_and_its_picture(tmp_path: Path) -> None:
    packets = made(images=str(digits(tmp_path, 3)), gap_ms=5, duration_ms=20)
    shown = [p for p in packets if isinstance(p, ImagePacket)]
    assert [(p.header.sample, p.header.label) for p in shown] == [
        ("0/00001", 0), ("1/00002", 1), ("2/00003", 2),
    ]  # fmt: skip
    np.testing.assert_array_equal(
        np.asarray(shown[1].payload).reshape(28, 28),
        np.asarray(Image.open(tmp_path / "1" / "00002.png")),
    )
    events = [p for p in packets if isinstance(p, EventPacket)]
    assert [p.header.t_begin for p in events] == list(range(0, 75_000, 1000))
    assert [p.header.t_begin for p in events if p.header.reset] == [0, 25_000, 50_000]
    # After each image comes silence.
    assert not any(p.header.n for p in events if p.header.t_begin % 25_000 >= 20_000)


def test_the_gaze_tells_where_the_retina_was(tmp_path: Path) -> None:
    packets = made(images=str(digits(tmp_path)), packet_us=4000, duration_ms=40)
    gaze = [p for p in packets if isinstance(p, GazePacket) and p.header.label == 1]
    samples = np.concatenate([p.gaze for p in gaze])
    times = np.arange(1000, 40_001, 1000)
    np.testing.assert_array_equal(samples["t"], times + 40_000)
    expected = nmnist().at(times)
    np.testing.assert_allclose(samples["x"], expected[:, 0], atol=1e-5)
    np.testing.assert_allclose(samples["y"], expected[:, 1], atol=1e-5)


def test_the_same_seed_gives_the_same_stream(tmp_path: Path) -> None:
    folder = str(digits(tmp_path, 1))
    runs = [
        events_of_image(made(images=folder, duration_ms=150, seed=seed), "0/00001")
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_limit_and_another_sensor(tmp_path: Path) -> None:
    packets = made(
        images=str(digits(tmp_path, 3)), limit=1, retina="ideal", width=20, height=10,
        duration_ms=3,
    )  # fmt: skip
    events = [p for p in packets if isinstance(p, EventPacket)]
    assert [(p.header.width, p.header.height) for p in events] == [(20, 10)] * 3


def test_what_ships_can_be_shown() -> None:
    photograph = made(images="photograph", retina="ideal", duration_ms=2)
    assert isinstance(photograph[0], ImagePacket)
    labelled = made(images="samples", limit=1, duration_ms=1)
    assert labelled[0].header.label == int(labelled[0].header.sample.split("/")[-2])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"retina": "davies"}, SettingError, "simulate: retina: no retina 'davies'"),
        ({"trajectory": "nmist"}, SettingError, "simulate: trajectory: no trajectory 'nmist'; did"),
        ({"packet_us": 1500}, SettingError, "simulate: packet_us = 1500 is no multiple or part"),
        ({"images": "nowhere.png"}, RecordingError, "nowhere.png: no such file or folder"),
    ],
)
def test_settings_that_cannot_be_met(
    settings: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match="^" + message):
        made(**settings)


def test_a_screen_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeviceError, match=r"^simulate: the screen cannot be grabbed: "):
        made(images="screen")


def test_a_webcam_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(DeviceError, match=r"^simulate: a webcam needs OpenCV: pip install"):
        made(images="camera:0")


def test_each_mode_is_a_class_of_its_own() -> None:
    for mode in ("simulate", "drive", "stabilise"):
        found = Saccade.variant(Saccade.settings_type(mode=mode))
        assert found.__name__.lower() == mode

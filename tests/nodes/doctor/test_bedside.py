"""The checklist for a camera, on stand-ins, with hands that a test lends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodes.camera.device import Wanted
from nodes.camera.inivation import Inivation
from nodes.camera.prophesee import Prophesee
from nodes.camera.standin.inivation import Port
from nodes.camera.standin.prophesee import Evk4Port
from nodes.doctor import bedside
from nodes.doctor.bedside import Bedside, Step, examine
from pipeline.errors import DeviceError


def desk(kind: str) -> tuple[Any, Any]:
    if kind == "evk4":
        port: Any = Evk4Port()
        return port, Prophesee(port)
    port = Port(kind)
    return port, Inivation(1000, port)


def hands(port: Any) -> bedside.Ask:
    """Do what the checklist asks for."""

    def ask(what: str) -> bool:
        if what == "Pull the plug.":
            port.unplug()
        if what == "Put it back.":
            port.plug()
        return what != "Cover the lens." and not what.startswith("Was something")

    return ask


def outcomes(steps: list[Step]) -> dict[str, str]:
    return {step.name: step.outcome for step in steps}


@pytest.mark.parametrize("kind", ["dvxplorer", "davis", "dvs128", "evk4"])
def test_a_sound_camera_passes_every_step_that_it_has(kind: str) -> None:
    port, driver = desk(kind)
    run = Bedside([driver], "", hands(port), look_s=0.4)
    steps = run.run()
    found = outcomes(steps)
    # How the machine is loaded shows in the length of batches alone.
    batches = "they come in short batches"
    failed = [step for step in steps if step.outcome == "failed" and step.name != batches]
    assert failed == []
    assert found["a pulled plug is noticed, and put back again it goes on"] == "passed"
    assert found["the region of interest holds"] == "passed"
    skipped = {name for name, outcome in found.items() if outcome == "skipped"}
    lacks = {
        "dvxplorer": {"noise_us is obeyed", "refractory_us is obeyed", "the rate limit holds"},
        "davis": {"the rate limit holds"},
        "dvs128": {"noise_us is obeyed", "refractory_us is obeyed", "the rate limit holds"},
        "evk4": {"noise_us is obeyed", "refractory_us is obeyed"},
    }[kind]
    assert skipped == {"a covered lens is quiet"} | lacks
    assert port.plugged is None or kind != "evk4", "it lets go"


def test_what_is_amiss_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    port, driver = desk("dvxplorer")
    run = Bedside([driver], "", lambda what: False, look_s=0.3)
    device = run._find()
    assert device is not None
    camera = port.plugged
    # A camera that takes a region and does not hold to it, and events whose time steps back.
    monkeypatch.setattr(type(camera), "setCropArea", lambda self, area: None)
    run._region(device)
    assert run.steps[-1].outcome == "failed"
    read, flip = device.read, iter(range(10**9))

    def backwards() -> Any:
        batch = read()
        if batch is not None and next(flip) % 5 == 4:
            batch.events["t"] -= 1_000_000
        return batch

    monkeypatch.setattr(device, "read", backwards)
    run._moving(device)
    assert outcomes(run.steps)["their times never step back"] == "failed"
    monkeypatch.setattr(device, "apply", lambda wanted: [])
    run._sensitivity(device)
    assert run.steps[-1].outcome == "failed"
    run._mirrors(device)
    assert run.steps[-1].outcome == "failed"


def test_a_dead_camera_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    _, driver = desk("dvxplorer")
    run = Bedside([driver], "", lambda what: False, look_s=0.1)
    device = run._find()
    assert device is not None
    monkeypatch.setattr(device, "read", lambda: None)
    run._moving(device)
    assert (run.steps[-1].name, run.steps[-1].outcome) == ("events come", "failed")


def test_a_camera_that_goes_in_the_middle_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    port, driver = desk("dvxplorer")

    def pull(what: str) -> bool:
        port.unplug()
        return True

    steps = Bedside([driver], "", pull, look_s=0.1).run()
    assert steps[-2].name == "the camera stays"
    assert steps[-2].outcome == "failed"


def test_drops_are_a_failure() -> None:
    port, driver = desk("evk4")
    port.dropped = 5
    run = Bedside([driver], "", lambda what: False, look_s=0.3)
    device = run._find()
    assert device is not None
    device.apply(Wanted())
    run._moving(device)
    assert outcomes(run.steps)["nothing is lost"] == "failed"
    device.close()


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.json"
    assert not examine("camera:127.0.0.1:1", file, attended=False)
    report = json.loads(file.read_text())
    assert report["passed"] is False
    assert report["steps"] == [
        {
            "name": "it is found and opens",
            "outcome": "failed",
            "seen": "no camera '127.0.0.1:1' is plugged in",
        }
    ]
    assert set(report["environment"]) >= {"python", "kernel", "dv-processing"}
    assert f"report: {file}" in capsys.readouterr().out
    with pytest.raises(DeviceError, match="is no file"):
        examine("camera:virtual", tmp_path, attended=False)

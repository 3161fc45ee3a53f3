"""USB and udev, on machines that a test lays out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nodes.doctor.finding import Finding
from nodes.doctor.usb import RULES, cameras, check, maker_of, rule_command


def plug(root: Path, name: str, **values: object) -> None:
    """Lay out one USB device as the kernel's sysfs does."""
    device = root / "sys/bus/usb/devices" / name
    device.mkdir(parents=True)
    for key, value in values.items():
        (device / key).write_text(f"{value}\n")


def dvxplorer(root: Path, **changes: object) -> None:
    values: dict[str, object] = {
        "idVendor": "152a", "idProduct": "8419", "product": "DVXplorer", "serial": "DXA00093",
        "speed": 5000, "version": " 3.00", "busnum": 2, "devnum": 7,
    }  # fmt: skip
    plug(root, "2-1", **{**values, **changes})


def rules(root: Path, *lines: str) -> None:
    folder = root / "etc/udev/rules.d"
    folder.mkdir(parents=True)
    (folder / "65-event-cameras.rules").write_text("\n".join(lines) + "\n")


def states(findings: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.state for finding in findings}


def test_a_machine_without_usb(tmp_path: Path) -> None:
    (finding,) = check(tmp_path)
    assert (finding.state, finding.mend) == ("note", "")
    assert "no USB" in finding.what


def test_nothing_plugged_in_and_no_rules(tmp_path: Path) -> None:
    plug(tmp_path, "1-1", idVendor="046d", idProduct="c534", speed=12, version="2.00")
    found = {finding.name: finding for finding in check(tmp_path)}
    assert set(found) == {"usb", "udev rules"}
    assert "no event camera" in found["usb"].what
    assert found["udev rules"].state == "note", "not wrong while there is no camera"
    assert found["udev rules"].mend == rule_command()


def test_a_camera_on_a_good_port_that_may_be_opened(tmp_path: Path) -> None:
    dvxplorer(tmp_path)
    rules(tmp_path, *RULES)
    findings = check(tmp_path, may_open=lambda node: True)
    assert set(states(findings).values()) == {"ok"}
    assert findings[0].what.endswith("dev/bus/usb/002/007")


def test_a_camera_that_may_not_be_opened(tmp_path: Path) -> None:
    dvxplorer(tmp_path)
    asked: list[Path] = []

    def may_open(node: Path) -> bool:
        asked.append(node)
        return False

    findings = check(tmp_path, may_open)
    assert asked == [tmp_path / "dev/bus/usb/002/007"]
    assert findings[0].state == "wrong"
    assert findings[0].name == "usb access, DVXplorer DXA00093"
    assert findings[0].mend == rule_command()


def test_who_may_open_a_node_is_asked_of_the_system(tmp_path: Path) -> None:
    dvxplorer(tmp_path)
    assert check(tmp_path)[0].state == "wrong", "there is no such node"
    node = tmp_path / "dev/bus/usb/002/007"
    node.parent.mkdir(parents=True)
    node.touch()
    assert check(tmp_path)[0].state == "ok"


@pytest.mark.parametrize(
    ("product", "speed", "version", "state"),
    [
        ("8419", 5000, " 3.20", "ok"),
        ("8419", 10000, " 3.20", "ok"),
        # A USB 3 device on a USB 2 port says 2.10 there.
        ("8419", 480, " 2.10", "wrong"),
        # A DVS128 speaks nothing but USB 2.
        ("8400", 480, " 2.00", "ok"),
    ],
)
def test_the_speed_of_the_port(
    tmp_path: Path, product: str, speed: int, version: str, state: str
) -> None:
    dvxplorer(tmp_path, idProduct=product, speed=speed, version=version)
    finding = check(tmp_path, may_open=lambda node: True)[1]
    assert finding.name.startswith("usb speed")
    assert finding.state == state
    assert bool(finding.mend) == (state == "wrong")


def test_rules_for_some_makers_only(tmp_path: Path) -> None:
    dvxplorer(tmp_path)
    rules(tmp_path, RULES[0])
    finding = check(tmp_path, may_open=lambda node: True)[-1]
    assert finding.what == "none for Prophesee, CenturyArks: only root may open such a camera"


def test_files_that_are_no_numbers_are_no_camera(tmp_path: Path) -> None:
    plug(tmp_path, "usb1", idVendor="", idProduct="zz")
    plug(tmp_path, "1-0:1.0")
    dvxplorer(tmp_path, speed="unknown", version="")
    found = cameras(tmp_path)
    assert found is not None
    assert [(camera.maker, camera.mbit_s, camera.version) for camera in found] == [
        ("iniVation", 0.0, 0.0)
    ]


def test_makers() -> None:
    assert maker_of(0x152A, 0x8400) == maker_of(0x152A, 0x841F) == "iniVation"
    assert maker_of(0x152A, 0x8420) == ""
    assert maker_of(0x04B4, 0x00F4) == "Prophesee"
    assert maker_of(0x04B4, 0x8613) == "", "any other chip of Cypress's"
    assert maker_of(0x31F7, 0x0003) == "CenturyArks"


def test_the_command_writes_the_rules(tmp_path: Path) -> None:
    """All but what needs root is run."""
    file = tmp_path / "65.rules"
    write = rule_command().split(" && ")[0]
    assert "/etc/udev/rules.d/65-event-cameras.rules" in write
    command = write.replace("sudo ", "").replace(
        "/etc/udev/rules.d/65-event-cameras.rules", str(file)
    )
    subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)
    assert file.read_text().splitlines() == list(RULES)


def test_the_rules_are_what_the_library_installs() -> None:
    udev = pytest.importorskip("neuromorphic_drivers.udev", reason="needs the extra 'prophesee'")
    published = Path(udev.__file__).read_text()
    for rule in RULES:
        assert rule in published

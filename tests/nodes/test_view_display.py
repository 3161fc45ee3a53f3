"""view: whether a window can be shown is known before Qt is asked, and told in one line."""

from __future__ import annotations

import ctypes
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.view.display import check_display, platforms
from nodes.view.node import View
from nodes.view.qt import loadable
from pipeline.errors import DeviceError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have a display")

NOBODY = ":4711"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XAUTHORITY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def rude_server() -> Iterator[str]:
    """An X server that shows everyone the door."""
    with socket.socket(socket.AF_UNIX) as listener:
        number = next(n for n in range(4712, 5000) if _bound(listener, n))
        listener.listen()

        def serve() -> None:
            try:
                while True:
                    listener.accept()[0].close()
            except OSError:
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f":{number}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _bound(listener: socket.socket, number: int) -> bool:
    try:
        listener.bind(f"\0/tmp/.X11-unix/X{number}")
    except OSError:
        return False
    return True


def test_no_display() -> None:
    with pytest.raises(DeviceError, match=r"^no display: set DISPLAY, or run with --headless$"):
        View().start()


@pytest.mark.parametrize(
    ("display", "problem"),
    [
        (NOBODY, f"nobody answers at DISPLAY = {NOBODY}"),
        ("nonsense", "is no display"),
        (":99999999999", "is no display"),
        ("/nowhere/socket:0", "nobody answers"),
        ("127.0.0.1:4711", "nobody answers"),
    ],
)
def test_a_display_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, display: str, problem: str
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(DeviceError, match=problem) as told:
        check_display()
    assert "--headless" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_server_that_does_not_admit(monkeypatch: pytest.MonkeyPatch, rude_server: str) -> None:
    monkeypatch.setenv("DISPLAY", rude_server)
    with pytest.raises(DeviceError, match="does not admit this user"):
        check_display()


def test_wayland_is_taken_where_it_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")
    with pytest.raises(DeviceError, match="nobody answers at WAYLAND_DISPLAY = wayland-9"):
        platforms()
    with socket.socket(socket.AF_UNIX) as compositor:
        compositor.bind(str(tmp_path / "wayland-9"))
        compositor.listen()
        assert platforms() == ["wayland"]


def test_the_users_choice_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb;offscreen")
    monkeypatch.setenv("DISPLAY", NOBODY)
    assert platforms() == ["offscreen"]
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    with pytest.raises(DeviceError, match="nobody answers"):
        platforms()


def test_a_platform_that_qt_has_not() -> None:
    with pytest.raises(DeviceError, match=r"no platform 'paper'.*offscreen"):
        loadable(["paper"])
    assert loadable(["paper", "offscreen:size=1"]) == "offscreen:size=1"


def test_a_missing_library_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError("libxcb-cursor.so.0: cannot open shared object file: No such file")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(DeviceError) as told:
        loadable(["xcb"])
    line = str(told.value)
    assert line.startswith("Qt cannot be loaded (libxcb-cursor.so.0 is missing): sudo apt-get")
    assert " libxcb-cursor0 " in line
    assert "\n" not in line


def test_the_module_is_imported_without_qt() -> None:
    code = "import sys, nodes.view.node; print(*(m for m in sys.modules if 'PySide' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_to_look_at_a_graph_needs_no_compiled_code() -> None:
    code = (
        "import sys; from pipeline.graph import build\n"
        "edges = [{'from': 'source', 'to': 'view'}]\n"
        "build({'edges': edges, 'nodes': {'source': {}, 'view': {}}}, '')\n"
        "print(*({'numba', 'PySide6', 'pyqtgraph', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

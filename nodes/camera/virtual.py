"""A virtual camera: a recording, without an end, served by dv-processing's own NetworkWriter.

``python -m nodes.camera.virtual SCENE PORT`` prints the address and serves until standard input
ends. It is a process of its own for two reasons: an idle NetworkWriter keeps a core busy, and one
that is deleted while a client is connected can wait for ever, so the process ends without.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from nodes.camera.standin.scene import Scene
from pipeline.errors import DeviceError, RetinaError

if TYPE_CHECKING:
    from pipeline.events import Events

STEP_US = 1000
_MOST_QUEUED = 500


def serve(scene: Scene, host: str, port: int, name: str = "DVXplorer_virtual") -> None:
    """Serve ``scene`` in real time until the process ends; never returns.

    Where a client does not keep up, 0.5 s of packets wait for it and later ones are left out.
    Raises DeviceError where the port is taken.
    """
    import dv_processing as dv

    _check_free(host, port)
    stream = dv.io.Stream.EventStream(0, "events", name, (scene.width, scene.height))
    writer = dv.io.NetworkWriter(host, port, stream)
    sys.stdout.write(f"dv://{host}:{port}\n")
    sys.stdout.flush()
    begin = time.time_ns() // 1000
    k = 0
    while True:
        k += 1
        time.sleep(max(0.0, (begin + k * STEP_US) / 1e6 - time.time()))
        events = scene.until(k * STEP_US)
        if len(events) and writer.getQueuedPacketCount() < _MOST_QUEUED:
            writer.writeEvents(_store(dv, events, begin))


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _store(dv: Any, events: Events, begin_us: int) -> Any:
    store = dv.EventStore()
    for t, x, y, p in events.tolist():
        store.push_back(begin_us + t, x, y, bool(p))
    return store


def _check_free(host: str, port: int) -> None:
    """Raise DeviceError where somebody listens there: the writer would only say so in C++."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DeviceError(
                f"virtual camera: port {port} of {host} cannot be had ({error.strerror}),"
                " choose another with --port"
            ) from None


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> int:
    """Serve what the command line names."""
    scene, port = sys.argv[1], int(sys.argv[2])
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        serve(Scene(scene), "127.0.0.1", port)
    except RetinaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

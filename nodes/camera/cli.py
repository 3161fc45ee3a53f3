"""The commands around cameras: ``retina devices`` and ``retina virtual-camera``."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from types import FrameType

    from nodes.camera.device import Found


def devices(
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the list ('-': here).")
    ] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="List the stand-ins that need no hardware too.")
    ] = False,
) -> None:
    """List the cameras that are plugged in, and what each can do."""
    from nodes.camera.drivers import VIRTUAL, discover, drivers_for
    from pipeline.errors import DeviceError

    found, problems = discover(drivers_for(""))
    cameras = [camera for _, camera in found]
    if virtual:
        for serial in VIRTUAL:
            try:
                cameras += [camera for _, camera in discover(drivers_for(serial))[0]]
            except DeviceError as error:
                problems.append(str(error))
    if json_file is not None:
        text = json.dumps(
            {"cameras": [_row(camera) for camera in cameras], "problems": problems}, indent=2
        )
        if json_file == "-":
            typer.echo(text)
        else:
            with open(json_file, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(text + "\n")
        return
    _show(cameras, problems)


def virtual_camera(
    scene: Annotated[
        str, typer.Argument(help="What it sees: a recording, a folder or 'samples'.")
    ] = "samples",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it is served.")] = 7777,
    host: Annotated[str, typer.Option(help="The address to serve at.")] = "127.0.0.1",
) -> None:
    """Serve a recording as a DV server does, without an end: a camera without hardware.

    'retina view camera:127.0.0.1:7777' takes it for a camera, 'retina view dv://127.0.0.1:7777'
    and DV's own viewer for a server. Ctrl-C ends it.
    """
    from nodes.camera.standin.scene import Scene
    from nodes.camera.virtual import serve

    def end(number: int, frame: FrameType | None) -> None:
        # A writer that is deleted while a client is connected can wait for ever.
        sys.stdout.flush()
        os._exit(0 if number == signal.SIGTERM else 130)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    serve(Scene(scene), host, port)


def _row(camera: Found) -> dict[str, object]:
    return {
        "source": f"camera:{camera.serial}",
        "model": camera.model,
        "serial": camera.serial,
        "firmware": camera.firmware,
        "usb": camera.usb,
        "driver": camera.driver,
        "can": list(camera.can),
        "problem": camera.problem,
    }


def _show(cameras: list[Found], problems: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    if cameras:
        table = Table(box=None, pad_edge=False)
        for title in ("SOURCE", "camera", "firmware", "USB", "driver", "sets in hardware"):
            table.add_column(title, overflow="fold")
        for camera in cameras:
            table.add_row(
                f"camera:{camera.serial}",
                camera.model,
                camera.firmware or "-",
                camera.usb or "-",
                camera.driver,
                ", ".join(camera.can) if not camera.problem else camera.problem,
            )
        Console(width=None if sys.stdout.isatty() else 140).print(table)
    else:
        typer.echo("no camera is plugged in")
    for problem in problems:
        typer.echo(problem)
    if not cameras:
        typer.echo("check the cable and its port, then 'retina doctor'")
        typer.echo("without a camera: 'retina view camera:virtual', 'retina virtual-camera'")

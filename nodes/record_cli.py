"""The command ``retina record``: a source and a recorder as a graph of two nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def record(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="camera:, a recording, dv://HOST:PORT, aer-udp://HOST:PORT, tcp:// or ipc://",
        ),
    ],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The file; its ending tells the format")
    ],
    duration: Annotated[
        float | None, typer.Option(min=0.0, metavar="S", help="End after S seconds")
    ] = None,
    rotate_mb: Annotated[
        int, typer.Option("--rotate-mb", min=0, metavar="MB", help="A new file after so much")
    ] = 0,
    rotate_s: Annotated[
        float, typer.Option("--rotate-s", min=0.0, metavar="S", help="A new file after so long")
    ] = 0.0,
    compression: Annotated[
        str | None,
        typer.Option(help="AEDAT4: none, lz4, zstd; NPZ: none, deflate; HDF5: none, gzip"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NODE.KEY=VALUE", help="Change a setting of source, record"),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option("--report", metavar="FILE.json", help="All final figures ('-': here)"),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks")] = False,
) -> None:
    """Record a source until it ends or Ctrl-C; the file is whole either way."""
    from pipeline.commands import run_built
    from pipeline.errors import RetinaError
    from pipeline.graph import build
    from recordings.write_file import check_way
    from recordings.writing import writer_of

    node: dict[str, Any] = {
        "path": file, "rotate_mb": rotate_mb, "rotate_s": rotate_s, "overwrite": overwrite,
    }  # fmt: skip
    if compression is not None:
        node["compression"] = compression
    data = {
        "name": "record",
        "nodes": {"source": {"path": source}, "record": node},
        "edges": [{"from": "source", "to": "record", "policy": "lossless"}],
    }
    # What is wrong with the file is said before anything is started.
    writer_of(Path(file))
    if not (rotate_mb or rotate_s):
        check_way(Path(file), overwrite)
    graph = build(data, "retina record", changes or [])
    found = run_built(graph, duration, report, debug)
    for entry in found.recordings:
        if entry["missing"]:
            raise RetinaError(f"{file}: INCOMPLETE: {'; '.join(entry['missing'])}")

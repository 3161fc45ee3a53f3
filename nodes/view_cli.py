"""The command ``retina view``: a window on a source, on a running pipeline, or one picture."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_KINDS = {"classifier": "infer", "reconstructor": "reconstruct"}


def view(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="camera:, a recording or a folder, dv://HOST:PORT, aer-udp://HOST:PORT, tcp:// or"
            " ipc:// of a running node; none: the pipeline that runs on this host",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Show what this model makes of the events, too"),
    ] = None,
    cleaned: Annotated[
        bool,
        typer.Option(
            "--filter", help="Have a filter node, off at first (--model has one in any case)"
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.aedat4", help="Have a recorder that misses nothing; a button starts it"
        ),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Save one picture and end, without a window"),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Snapshot: when, such as 120ms or 1.5s")
    ] = None,
    mode: Annotated[
        Literal["decay", "surface", "count", "last-n", "last-t"] | None,
        typer.Option(help="How events are shown"),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NODE.KEY=VALUE", help="Change a setting of source, view..."),
    ] = None,
    keys: Annotated[
        str | None, typer.Option(metavar="DIR", help="CURVE keys for tcp links")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow tcp links beyond this host without keys")
    ] = False,
    duration: Annotated[
        float | None, typer.Option(min=0.0, metavar="S", help="End after S seconds")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks")] = False,
) -> None:
    """Watch a camera, a recording or a running pipeline; or save one picture of it."""
    from pipeline.errors import UsageError

    if at is not None and snapshot is None:
        raise UsageError("retina view --at: goes with --snapshot FILE.png")
    if snapshot is not None:
        _snapshot(source, snapshot, at, mode)
        return
    attached = source is None or source.startswith(("tcp://", "ipc://"))
    if attached:
        for option, given in (
            ("--model", model), ("--filter", cleaned), ("--record", record),
            ("--duration", duration),
        ):  # fmt: skip
            if given:
                raise UsageError(f"retina view {option}: the pipeline runs already, without it")
        _attach(source, changes or [], mode, keys, insecure)
        return
    from pipeline.commands import run_built
    from pipeline.graph import build

    while source is not None:
        graph = graph_of(source, model or [], mode, keys, insecure=insecure, cleaned=cleaned,
                         record=record)  # fmt: skip
        report = run_built(build(graph, "retina view", changes or []), duration, None, debug)
        # The user has opened another one, or closed the window.
        source = report.instead
        # What was said of the one before does not hold for it.
        of_before = ("source.path=", "source.begin_s=", "source.end_s=")
        changes = [change for change in changes or [] if not change.startswith(of_before)]
        record = None if record is None else _free(record)


def _free(path: Path) -> Path:
    """Return ``path``, or one like it that is not there yet."""
    free = (path.with_stem(f"{path.stem}-{n}") for n in itertools.count(2))
    return path if not path.exists() else next(p for p in free if not p.exists())


def graph_of(
    source: str,
    models: list[str],
    mode: str | None,
    keys: str | None,
    *,
    insecure: bool = False,
    cleaned: bool = False,
    record: Path | None = None,
) -> dict[str, Any]:
    """Return the graph, as its file would have it, of a viewer on ``source``."""
    from pipeline.errors import UsageError

    view = {"title": f"{source} – retina", "opens": True}
    nodes: dict[str, Any] = {"source": {"path": source}, "view": view}
    live = source.startswith(("camera:", "dv://", "aer-udp://"))
    if not live:
        # At its end a recording waits to be sent back; the window is what ends the run.
        nodes["source"]["hold"] = True
    if mode is not None:
        nodes["view"]["mode"] = mode
    if source == "samples":
        nodes["view"]["targets"] = "samples"
    # What is watched is what the network gets, noise included.
    watched = "filter" if models or cleaned else "source"
    edges = [_to_view(watched, 64)]
    if watched == "filter":
        nodes["filter"] = {"group": "front"}
        edges.append({"from": "source", "to": "filter"})
    if record is not None:
        nodes["record"] = {"path": str(record), "recording": False}
        edges.append({"from": watched, "to": "record"})
    for name in models:
        # Most often there is none: models bring compiled code with them, which takes its time.
        from models.store import load

        found = load(name)
        kind = _KINDS[found.task]
        if kind in nodes:
            raise UsageError(f"--model {name}: one {found.task} at a time")
        bins = nodes.setdefault("bins", {"bin_us": found.bin_us, "group": "front"})
        if bins["bin_us"] != found.bin_us:
            raise UsageError(
                f"--model {name}: takes bins of {found.bin_us} µs, the other model {bins['bin_us']}"
            )
        if found.task == "classifier":
            bins["height"], bins["width"] = found.network.input_shape[1:]
        nodes[kind] = {"model": name}
        edges += [{"from": "bins", "to": kind}, _to_view(kind, 64)]
    if models:
        edges += [{"from": "filter", "to": "bins"}, _to_view("bins", 64)]
    data: dict[str, Any] = {"name": "view", "nodes": nodes, "edges": edges, "insecure": insecure}
    if keys is not None:
        data["keys"] = keys
    return data


def _to_view(node: str, capacity: int) -> dict[str, Any]:
    return {"from": node, "to": "view", "policy": "latest", "capacity": capacity}


def _attach(
    source: str | None, changes: list[str], mode: str | None, keys: str | None, insecure: bool
) -> None:
    """Watch a pipeline that runs, as a guest whose packets are dropped where it is slow."""
    from pipeline import spares
    from pipeline.commands import run_node
    from pipeline.errors import SettingError

    # The window is this process's own.
    spares.dismiss()

    addresses = [source] if source is not None else _running()
    own = []
    for change in changes:
        node, dot, rest = change.partition(".")
        if node != "view" or not dot:
            raise SettingError(f"--set {change}: expected view.KEY=VALUE (the others run already)")
        own.append(rest)
    if mode is not None:
        own.append(f"mode={mode}")
    own.append("on_close=stop")
    run_node("view", own, addresses, [], None, "latest", keys, insecure)


def _running() -> list[str]:
    """Return the addresses of every node of the one run on this host; raises UsageError."""
    from pipeline.errors import UsageError
    from pipeline.runs import runs

    found = [run for run in runs() if run.endpoints]
    if not found:
        raise UsageError(
            "retina view: nothing runs on this host; name a SOURCE, such as samples or camera:"
        )
    if len(found) > 1:
        places = ", ".join(f"{run.graph} ({next(iter(run.endpoints.values()))})" for run in found)
        raise UsageError(f"retina view: {len(found)} runs, name the address of one: {places}")
    return list(found[0].endpoints.values())


def _snapshot(source: str | None, path: Path, at: str | None, mode: str | None) -> None:
    from nodes.view.snapshot import moment_us, snapshot
    from nodes.view.tracks.show import Show
    from pipeline.errors import UsageError

    if source is None:
        raise UsageError("retina view --snapshot: needs a SOURCE, such as a recording")
    show = Show() if mode is None else Show(mode=mode)  # type: ignore[arg-type]
    us, events = snapshot(source, path, None if at is None else moment_us(at), show)
    print(f"{path}: {source} after {us / 1000:g} ms, {events:,} events so far")

"""The front door: the command ``retina``. It reaches the other rooms, and only when asked."""

from __future__ import annotations

import os
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import RetinaError

app = typer.Typer(
    name="retina",
    help="Event-camera streams through spiking networks, live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
graph_app = typer.Typer(help="Graph files.", no_args_is_help=True)
app.add_typer(graph_app, name="graph")

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NODE.KEY=VALUE", help="Change a setting.")
]
ReportFile = Annotated[
    str | None, typer.Option("--report", metavar="FILE.json", help="All final figures ('-': here).")
]
Headless = Annotated[bool, typer.Option("--headless", help="Leave out nodes that need a display.")]
Duration = Annotated[
    float | None, typer.Option("--duration", min=0.0, metavar="S", help="End after S seconds.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", envvar="RETINA_DEBUG")]


@app.command()
def demo(
    headless: Headless = False,
    changes: Set = None,
    report: ReportFile = None,
    duration: Duration = None,
    debug: Debug = False,
) -> None:
    """Replay the shipped real recordings through the whole graph and watch the digits named.

    In the viewer where there is a display, else in the terminal.
    """
    from pipeline.commands import run_graph, shows_windows

    no_window = headless or not shows_windows()
    run_graph("nmnist", changes or [], no_window, duration, report, debug)


@app.command()
def run(
    graph: Annotated[str, typer.Argument(help="A graph file, or a shipped graph's name.")],
    changes: Set = None,
    headless: Headless = False,
    duration: Duration = None,
    report: ReportFile = None,
    debug: Debug = False,
) -> None:
    """Run a graph, each node a process; Ctrl-C drains and ends it."""
    from pipeline.commands import run_graph

    run_graph(graph, changes or [], headless, duration, report, debug)


@graph_app.command("check")
def graph_check(
    graph: Annotated[str, typer.Argument(help="A graph file, or a shipped graph's name.")],
    changes: Set = None,
) -> None:
    """Check a graph file without running it."""
    from pipeline.graph import load

    found = load(graph, changes or [])
    typer.echo(f"{graph}: {len(found.nodes)} nodes, {len(found.edges)} edges, sound")


@graph_app.command("kinds")
def graph_kinds(
    kind: Annotated[str | None, typer.Argument(help="Show this kind's settings.")] = None,
) -> None:
    """List the kinds of node, or the settings of one."""
    from pipeline.commands import show_kinds

    show_kinds(kind)


@app.command()
def node(
    kind: Annotated[str, typer.Argument(help="A kind of node, or 'file.py:Class'.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")
    ] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--in", metavar="ENDPOINT", help="Take packets from here.")
    ] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--out", metavar="ENDPOINT", help="Give packets here.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The node's name.")] = None,
    policy: Annotated[
        str, typer.Option("--policy", help="How to be served: lossless or latest.")
    ] = "lossless",
    keys: Annotated[
        str | None, typer.Option("--keys", metavar="DIR", help="CURVE keys for tcp links.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow tcp links beyond this host without keys.")
    ] = False,
    control: Annotated[
        bool, typer.Option("--control/--no-control", help="Others may change its live settings.")
    ] = True,
    debug: Debug = False,
) -> None:
    """Run one node headless, on this or another host; Ctrl-C ends it."""
    from pipeline.commands import run_node

    run_node(
        kind,
        changes or [],
        inputs or [],
        outputs or [],
        name,
        policy,
        keys,
        insecure,
        control,
    )


Keys = Annotated[
    str | None, typer.Option("--keys", metavar="DIR", help="CURVE keys for tcp links.")
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Allow tcp links beyond this host without keys.")
]


@app.command()
def status(
    endpoint: Annotated[
        str | None,
        typer.Argument(help="Address of any node of a run (default: the runs on this host)."),
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", help="This node's settings, facts and words.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Until it ends.")] = False,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write it ('-': here).")
    ] = None,
    keys: Keys = None,
    insecure: Insecure = False,
    debug: Debug = False,
) -> None:
    """Show how the nodes of a running pipeline are, without slowing it."""
    from pipeline.channel.endpoints import Security
    from pipeline.watch_commands import show_status

    show_status(endpoint, node, watch, json_file, Security(keys=keys, insecure=insecure))


@app.command()
def ask(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[ENDPOINT] NODE.KEY=VALUE...",
            help="Address of any node of the run (default: the run on this host); the wishes.",
        ),
    ],
    keys: Keys = None,
    insecure: Insecure = False,
    debug: Debug = False,
) -> None:
    """Change live settings of a running pipeline's nodes, or have them act (NODE.ACTION)."""
    from pipeline.channel.endpoints import Security
    from pipeline.watch_commands import ask_nodes

    ask_nodes(words, Security(keys=keys, insecure=insecure))


@app.command()
def keys(
    folder: Annotated[Path, typer.Argument(help="Folder for the keys.")] = Path("keys"),
) -> None:
    """Make the CURVE key pairs for links between hosts."""
    from pipeline.channel.endpoints import make_keys

    for path in make_keys(folder):
        typer.echo(path)
    typer.echo(
        "Keep server.key_secret on the sending host; copy server.key, client.key and"
        " client.key_secret to the receiving hosts."
    )


@cache
def _mount() -> None:
    """Add the commands of the rooms that need torch or the benchmarks, without importing them."""
    from models.cli import train_app
    from models.evaluate_cli import evaluate
    from models.models_cli import models_app
    from models.simulate_cli import simulate
    from nodes.camera.cli import devices, virtual_camera
    from nodes.doctor.cli import doctor
    from nodes.plot_cli import plot_app
    from nodes.record_cli import record
    from nodes.view_cli import view
    from recordings.cli import convert, info

    app.add_typer(train_app, name="train", help="Train a model.")
    app.command()(evaluate)
    app.command()(simulate)
    app.add_typer(models_app, name="models")
    app.command()(devices)
    app.command("virtual-camera")(virtual_camera)
    app.command()(doctor)
    app.command()(info)
    app.command()(convert)
    app.command()(record)
    app.command()(view)
    app.add_typer(plot_app, name="plot")


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="Which benchmark (default: all).")] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the figures ('-': here).")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter runs.")] = False,
) -> None:
    """Measure the figures that the README quotes, peers in the same run."""
    from benchmarks.harness import run_benchmarks

    run_benchmarks(name, json_file, quick=quick)


def main() -> None:
    """Run the command; what goes wrong is one line on standard error and an exit status."""
    if os.environ.get("RETINA_DEBUG") or "--debug" in sys.argv:
        os.environ["RETINA_DEBUG"] = "1"
    try:
        _mount()
        app()
    except RetinaError as error:
        if os.environ.get("RETINA_DEBUG"):
            traceback.print_exc()
        print(f"retina: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)

"""The front door: the command ``retina``. It reaches the other rooms, and only when asked."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from pipeline import spares
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


_ROOMS = {
    "train": "models.cli:train_app",
    "evaluate": "models.evaluate_cli:evaluate",
    "simulate": "models.simulate_cli:simulate",
    "models": "models.models_cli:models_app",
    "devices": "nodes.camera.cli:devices",
    "virtual-camera": "nodes.camera.cli:virtual_camera",
    "doctor": "nodes.doctor.cli:doctor",
    "info": "recordings.cli:info",
    "convert": "recordings.cli:convert",
    "record": "nodes.record_cli:record",
    "view": "nodes.view_cli:view",
    "plot": "nodes.plot_cli:plot_app",
}
"""The commands of the other rooms."""


def _mount(words: Sequence[str]) -> None:
    """Add the command that ``words`` name, or all where they name none that there is.

    Only what is asked for is imported: a window is to be there soon.
    """
    named = next((word for word in words if not word.startswith("-")), "")
    if named not in _names():
        for name in (
            [named] if named in _ROOMS else [room for room in _ROOMS if room not in _names()]
        ):
            _add(name)


def _names() -> set[str]:
    """Return the commands that there are."""
    commands = {c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands}
    return commands | {str(group.name) for group in app.registered_groups}


def _add(name: str) -> None:
    module, _, attribute = _ROOMS[name].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


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
        _mount(sys.argv[1:])
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
    finally:
        spares.dismiss()

"""What the commands around graphs and nodes do."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence

import zmq
from rich.console import Console
from rich.table import Table

from pipeline.board import Board
from pipeline.channel.endpoints import Security
from pipeline.channel.inlet import Inlet
from pipeline.channel.outlet import Outlet
from pipeline.channel.protocol import Policy
from pipeline.errors import RetinaError, SettingError, UsageError
from pipeline.graph import Graph, load, parse_setting
from pipeline.kinds import find, known
from pipeline.launcher import Launcher
from pipeline.memory import keep_freed_memory
from pipeline.node import Node, SourceNode
from pipeline.priority import give_way
from pipeline.report import Report
from pipeline.runtime import Control, Runner
from pipeline.settings import settings_from, table


def shows_windows() -> bool:
    """Whether a window could be shown here."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in names)


def run_graph(
    path: str,
    changes: Sequence[str],
    headless: bool,
    duration_s: float | None,
    report_file: str | None,
    debug: bool,
) -> None:
    """Run a graph file in the terminal, see ``run_built``."""
    graph = load(path, changes)
    run_built(graph.headless() if headless else graph, duration_s, report_file, debug)


def run_built(
    graph: Graph, duration_s: float | None, report_file: str | None, debug: bool
) -> Report:
    """Run a graph in the terminal; write its report where one is asked for, also when it fails."""
    from pipeline.table import LiveTable

    console = Console(stderr=report_file == "-")
    report: Report | None = None
    failed = False
    try:
        with LiveTable(console) as live:
            launcher = Launcher(
                graph, duration_s=duration_s, say=live.say, tick=live.tick, debug=debug
            )
            report = launcher.run()
    except RetinaError as error:
        report, failed = getattr(error, "report", None), True
        raise
    finally:
        if report is not None:
            if report_file:
                report.write(report_file)
            # Where nothing ever went over an edge, the line that says why is all there is to say.
            if not failed or any(edge.sent_packets for edge in report.edges):
                summarise(report, console)
    return report


def summarise(report: Report, console: Console) -> None:
    """Print what went over each edge, the latency and the accuracy."""
    grid = Table(box=None, header_style="bold", padding=(0, 1))
    grid.add_column("edge")
    for title in ("sent", "delivered", "dropped", "events", "p50 ms", "p99 ms"):
        grid.add_column(title, justify="right")
    for edge in report.edges:
        ms = edge.latency_ms
        grid.add_row(
            f"{edge.source} → {edge.target}",
            f"{edge.sent_packets:,}",
            f"{edge.delivered_packets:,}",
            f"{edge.dropped_packets:,}",
            f"{edge.delivered_events:,}",
            "" if ms.p50 is None else f"{ms.p50:.2f}",
            "" if ms.p99 is None else f"{ms.p99:.2f}",
        )
    console.print(grid)
    if report.accuracy is not None:
        n = sum(p.get("label") is not None for p in report.predictions)
        right = round(report.accuracy * n)
        console.print(f"accuracy {right}/{n} = {100 * report.accuracy:.1f} %", highlight=False)


def show_kinds(kind: str | None) -> None:
    """List the kinds of node, or the settings of one."""
    console = Console()
    grid = Table(box=None, header_style="bold", padding=(0, 1))
    if kind is None:
        for title in ("kind", "takes", "gives", "what it does"):
            grid.add_column(title)
        for name in sorted(known()):
            cls = find(name, "retina graph kinds")
            doc = (sys.modules[cls.__module__].__doc__ or "").split("\n")[0]
            grid.add_row(
                name,
                ", ".join(k.kind for k in cls.accepts),
                ", ".join(k.kind for k in cls.emits),
                doc.partition(": ")[2],
            )
    else:
        for title in ("setting", "may be", "default", "meaning"):
            grid.add_column(title)
        for row in table(find(kind, "retina graph kinds").settings_type):
            grid.add_row(*row)
    console.print(grid)


def run_node(
    kind: str,
    changes: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str | None,
    policy: str,
    keys: str | None,
    insecure: bool,
    control: bool = True,
) -> None:
    """Run one node in this process until its inputs end or a signal comes."""
    cls = find(kind, "retina node")
    values = dict(parse_setting(text) for text in changes)
    settings = settings_from(cls.settings_type, values, f"retina node {kind}", text=True)
    try:
        cls = cls.variant(settings)
    except RetinaError as error:
        raise type(error)(f"retina node {kind}: {error}") from None
    if policy not in ("lossless", "latest"):
        raise SettingError(f"--policy {policy}: expected lossless or latest")
    checked: Policy = "lossless" if policy == "lossless" else "latest"
    if cls.accepts and not inputs:
        raise UsageError(f"retina node {kind}: needs --in ENDPOINT (where packets come from)")
    if inputs and not cls.accepts:
        raise UsageError(f"retina node {kind}: takes no packets, so it has no --in")
    if outputs and not cls.emits:
        raise UsageError(f"retina node {kind}: gives no packets, so it has no --out")
    keep_freed_memory()
    node = cls(settings)
    give_way([node])
    node.name = name or (kind if kind in known() else cls.__name__.lower())
    _run_alone(node, inputs, outputs, checked, Security(keys=keys, insecure=insecure), control)


def _run_alone(
    node: Node,
    inputs: Sequence[str],
    outputs: Sequence[str],
    policy: Policy,
    security: Security,
    obeys: bool,
) -> None:
    control = Control()
    control.go.set()

    def interrupt(*_: object) -> None:
        # The first signal ends sources in order; whoever has inputs, or is impatient, stops.
        if control.drain.is_set() or not isinstance(node, SourceNode):
            control.stop.set()
        control.drain.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    board = Board()
    outlet = None
    try:
        if outputs:
            outlet = Outlet(
                node.name, context, board=board, stop=control.stop.is_set, security=security
            )
            for endpoint in outputs:
                print(f"{node.name}: gives at {outlet.bind(endpoint)}", file=sys.stderr, flush=True)
        # Two consumers of one output must not share a name.
        guest = f"{node.name}-{os.getpid()}-{secrets.token_hex(2)}"
        inlets = [
            Inlet(
                guest,
                endpoint,
                endpoint,
                context,
                board=board,
                kinds=node.accepts,
                policy=policy,
                security=security,
            )
            for endpoint in inputs
        ]
        runner = Runner(
            node, inlets, outlet, board, control, wait_for_consumer=outlet is not None, obeys=obeys,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
        _run(runner, node)
    finally:
        if outlet is not None:
            outlet.close()
        context.destroy(linger=500)


def _run(runner: Runner, node: Node) -> None:
    if node.main_thread is None:
        runner.run()
        return
    failed: list[BaseException] = []
    over = threading.Event()

    def work() -> None:
        try:
            runner.run()
        except BaseException as error:
            failed.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        node.main_thread(over)
    finally:
        if node.wants_stop:
            runner.control.stop.set()
        thread.join()
    if failed:
        raise failed[0]

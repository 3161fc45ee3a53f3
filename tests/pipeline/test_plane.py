"""Statuses and Asks between nodes on real sockets: how far they go, what is refused, what ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.remote import Remote
from pipeline import Node
from pipeline.board import Board, EdgeSlot, NodeSlot
from pipeline.channel import protocol
from pipeline.channel.protocol import Ask
from pipeline.clock import DrivenClock
from pipeline.plane import MOST_NODES, Plane
from pipeline.status import Answer, NodeStatus
from tests.pipeline.ends import BOUND_S, Wire, exact, kill, numbered, until
from tests.pipeline.planes import Dialled, Nodes, Sink, Ticking, named


@pytest.fixture
def nodes(wire: Wire) -> Iterator[Nodes]:
    made = Nodes(wire)
    yield made
    made.stop()


def answer_of(node: Node, number: int) -> Answer | None:
    found = [a for s in node.statuses().values() for a in s.answers if a.number == number]
    return found[0] if found else None


def chain(nodes: Nodes, folder: Path, **options: object) -> tuple[Ticking, Dialled, Sink, Sink]:
    """A source, one that passes on, one that takes; beside them one that takes from the source."""
    source, middle = named(Ticking(), "source"), named(Dialled(), "middle")
    last, beside = named(Sink(), "last"), named(Sink(), "beside")
    first_at, second_at = f"ipc://{folder}/first", f"ipc://{folder}/second"
    nodes.run(source, first_at)
    nodes.run(middle, second_at, (f"source@{first_at}",), **options)
    nodes.run(last, None, (f"middle@{second_at}",))
    nodes.run(beside, None, (f"source@{first_at}",))
    return source, middle, last, beside


def test_every_node_knows_every_other_within_a_second(nodes: Nodes, tmp_path: Path) -> None:
    made = chain(nodes, tmp_path)
    until(lambda: all(len(node.statuses()) == 4 for node in made))
    until(lambda: all(node.statuses()["last"].state == "running" for node in made))
    # And what is new reaches the far end within a second, a sink's beside it too.
    _, _, last, beside = made
    before = beside.statuses()["last"].mark
    begun = time.monotonic()
    until(lambda: beside.statuses()["last"].mark > before)
    assert time.monotonic() - begun < 1.5
    status = last.statuses()["middle"]
    assert {(e.peer, e.direction) for e in status.edges} == {("source", "in"), ("last", "out")}
    assert status.edges[0].delivered_packets > 0
    assert status.packets_out > 0
    assert {s.name: s.live for s in status.settings} == {"dial": True, "fixed": False}


@pytest.mark.parametrize("asker", [1, 2, 3], ids=["middle", "last", "beside"])
@pytest.mark.parametrize("asked", [0, 1, 2, 3], ids=["source", "middle", "last", "beside"])
def test_an_ask_reaches_any_node_and_is_answered(
    nodes: Nodes, tmp_path: Path, asker: int, asked: int
) -> None:
    made = chain(nodes, tmp_path)
    who, whom = made[asker], made[asked]
    until(lambda: len(who.statuses()) == 4)
    number = who.ask(whom.name, "dial", "7")
    until(lambda: answer_of(who, number))
    assert whom.settings.dial == 7
    until(lambda: who.statuses()[whom.name].setting("dial").actual == "7")
    refused = who.ask(whom.name, "dial", "700")
    until(lambda: answer_of(who, refused))
    assert answer_of(who, refused).refused == (
        f'{whom.name}: dial = "700" is not a whole number at least 0 and at most 100'
    )
    status = who.statuses()[whom.name]
    assert status.setting("dial").refused == answer_of(who, refused).refused
    assert any("700" in word for word in status.words)
    assert whom.settings.dial == 7


def test_what_nobody_has_is_refused_by_whoever_knows_no_further(
    nodes: Nodes, tmp_path: Path
) -> None:
    source, _, last, _ = chain(nodes, tmp_path)
    until(lambda: len(last.statuses()) == 4)
    number = last.ask("nobody", "dial", "7")
    until(lambda: answer_of(last, number))
    assert answer_of(last, number).refused == "source: knows no node 'nobody'"
    number = source.ask("nobody", "dial", "7")
    until(lambda: answer_of(source, number))


def test_an_action_that_comes_two_ways_is_done_once(nodes: Nodes, tmp_path: Path) -> None:
    """Over both arms of a diamond, while nobody has yet told where its addressee is."""
    top, left, right = (named(Dialled(), name) for name in ("top", "left", "right"))
    at = {name: f"ipc://{tmp_path}/{name}" for name in ("source", "top", "left", "right")}
    nodes.run(named(Ticking(), "source"), at["source"])
    nodes.run(top, at["top"], (f"source@{at['source']}",))
    nodes.run(left, at["left"], (f"top@{at['top']}",))
    nodes.run(right, at["right"], (f"top@{at['top']}",))
    foot = named(Sink(), "foot")
    runner = nodes.run(foot, None, (f"left@{at['left']}", f"right@{at['right']}"))
    until(lambda: all(inlet.greeted for inlet in runner.inlets) and foot.count)
    runner.plane._known.clear()
    number = foot.ask("top", "ring", "once")
    until(lambda: answer_of(foot, number))
    for _ in range(3):
        last = foot.ask("top", "ring", "again")
    until(lambda: answer_of(foot, last))
    assert top.rung == ["once", "again", "again", "again"]


def test_control_can_be_forbidden(nodes: Nodes, tmp_path: Path) -> None:
    source, middle, last, beside = chain(nodes, tmp_path, obeys=False)
    until(lambda: all(len(node.statuses()) == 4 for node in (last, beside)))
    for whom in ("middle", "source"):
        number = last.ask(whom, "dial", "3")
        until(lambda number=number: answer_of(last, number))
        assert answer_of(last, number).refused == "middle: control = false: nothing is granted"
    assert (source.settings.dial, middle.settings.dial) == (0, 0)
    assert not last.statuses()["middle"].control
    # Who need not pass by it is heard, and it may ask for itself.
    number = beside.ask("source", "dial", "4")
    until(lambda: answer_of(beside, number))
    assert source.settings.dial == 4


def test_a_row_of_wishes_takes_the_last_that_can_be(nodes: Nodes, tmp_path: Path) -> None:
    _, middle, last, _ = chain(nodes, tmp_path)
    until(lambda: len(last.statuses()) == 4)
    numbers = [last.ask("middle", "dial", str(i)) for i in range(40)]
    numbers.append(last.ask("middle", "dial", "4000"))
    until(lambda: answer_of(last, numbers[-1]))
    assert answer_of(last, numbers[-1]).refused
    until(lambda: middle.settings.dial == 39)
    assert middle.turned == sorted(middle.turned)
    assert len(middle.turned) <= 41


def test_a_flood_of_asks_does_not_stop_the_stream(nodes: Nodes, tmp_path: Path) -> None:
    source, _, last, _ = chain(nodes, tmp_path)
    until(lambda: len(last.statuses()) == 4 and last.count)
    flooder = nodes.wire.taker(f"ipc://{tmp_path}/second", "flooder", "middle", kinds=())
    over = threading.Event()

    def flood() -> None:
        # One socket, one thread.
        inlet, i = flooder.inlet, 0
        while not over.is_set():
            inlet.take()
            inlet.socket.send(protocol.encode(Ask(i + 1, "middle", "dial", str(i % 100))))
            i += 1

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    until(lambda: any("came too fast" in word for word in last.statuses()["middle"].words))
    taken = last.count
    until(lambda: last.count > taken + 300)
    # Nor others' wishes, while it goes on.
    number = last.ask("source", "dial", "9")
    until(lambda: answer_of(last, number))
    over.set()
    thread.join(BOUND_S)
    assert source.settings.dial == 9


def test_the_sums_are_exact_whatever_goes_beside(nodes: Nodes, tmp_path: Path) -> None:
    source, _, last, beside = chain(nodes, tmp_path)
    until(lambda: len(last.statuses()) == 4)
    for i in range(80):
        last.ask("source", "dial", str(i))
        beside.ask("last", "ring", str(i))
    until(lambda: source.settings.dial == 79 and last.count > 200)
    nodes.control.drain.set()
    for thread in nodes.threads:
        thread.join(BOUND_S)
    for name in ("source", "middle"):
        for edge in nodes.boards[name].edges():
            if edge.direction == 1:
                exact(edge)
                assert edge[EdgeSlot.DROPPED_PACKETS] == edge[EdgeSlot.REJECTED_PACKETS] == 0
    assert nodes.boards["last"].edges()[0][EdgeSlot.DELIVERED_PACKETS] == last.count


def test_a_run_beyond_a_relay_is_known_and_asked(nodes: Nodes, tmp_path: Path) -> None:
    """The relay has the name of the node that it relays, which is then called otherwise."""
    far_at, near_at = f"ipc://{tmp_path}/far", f"ipc://{tmp_path}/near"
    far = named(Ticking(), "source")
    nodes.run(far, far_at)
    relay, last = named(Remote(address=far_at), "source"), named(Sink(), "last")
    nodes.run(relay, near_at)
    nodes.run(last, None, (f"source@{near_at}",))
    until(lambda: {"source", "source@beyond"} <= set(last.statuses()) and last.count > 10)
    assert last.statuses()["source"].kind == "remote"
    number = last.ask("source@beyond", "dial", "8")
    until(lambda: answer_of(last, number))
    assert far.settings.dial == 8
    until(lambda: last.statuses()["source@beyond"].setting("dial").actual == "8")
    until(lambda: "last" in far.statuses())


# One plane alone, its clock driven by hand.


def alone(wire: Wire, ipc: str, clock: DrivenClock) -> tuple[Plane, Node]:
    outlet, _ = wire.outlet(ipc, clock=clock)
    node = named(Dialled(), "p")
    return Plane(node, [], outlet, outlet.board, clock=clock), node


def tell(plane: Plane, **fields: object) -> None:
    status = NodeStatus(**fields)
    plane._hear_status(status, protocol.encode(status), object())


def test_the_newest_counts_and_who_falls_silent_is_forgotten(wire: Wire, ipc: str) -> None:
    clock = DrivenClock(10**9)
    plane, _ = alone(wire, ipc, clock)
    tell(plane, name="a", incarnation=1, time_ns=5, pid=1)
    tell(plane, name="a", incarnation=1, time_ns=4, pid=2)
    assert plane.statuses()["a"].pid == 1
    tell(plane, name="a", incarnation=2, time_ns=1, pid=3)
    tell(plane, name="a", incarnation=1, time_ns=9, pid=4)
    assert plane.statuses()["a"].pid == 3
    clock.advance(4_900_000_000)
    assert "a" in plane.statuses()
    clock.advance(200_000_000)
    assert "a" not in plane.statuses()
    # Its time is over: whoever comes now is believed, whatever his clock says.
    tell(plane, name="a", incarnation=0, time_ns=0, pid=5)
    assert plane.statuses()["a"].pid == 5


def test_no_more_nodes_are_kept_than_there_can_be(wire: Wire, ipc: str) -> None:
    clock = DrivenClock(10**9)
    plane, _ = alone(wire, ipc, clock)
    for i in range(3 * MOST_NODES):
        tell(plane, name=f"n{i}")
    assert len(plane.statuses()) == MOST_NODES
    clock.advance(6_000_000_000)
    tell(plane, name="late")
    assert set(plane.statuses()) == {"late"}
    tell(plane, name="p", pid=7)
    assert "p" not in plane.statuses(), "nobody else speaks for this node"


def test_nothing_piles_up_for_who_has_stopped(wire: Wire, ipc: str) -> None:
    clock = DrivenClock(10**9)
    outlet, at = wire.outlet(ipc, clock=clock)
    taker = wire.taker(at, clock=clock)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    sent: list[bytes] = []
    reception = outlet._reception
    reception._send = lambda identity, frame: not sent.append(frame)  # type: ignore[method-assign]
    outlet.tell_aside(outlet.edges[0], b"x")
    assert sent == [b"x"]
    clock.advance(2_100_000_000)
    outlet.tell_aside(outlet.edges[0], b"y")
    assert sent == [b"x"]
    kill(taker)


def test_words_beside_the_packets_overtake_them(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    taker = wire.taker(at, window=8)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    for i in range(8):
        outlet.send(numbered(i, 5000))
    status = NodeStatus(name="p")
    outlet.tell_aside(outlet.edges[0], protocol.encode(status))
    heard: list[object] = []
    taker.inlet.aside = lambda word, frame: heard.append(word)
    until(lambda: heard, taker.inlet.listen)
    assert heard == [status]
    assert taker.seqs == []
    until(lambda: len(taker.seqs) == 8, lambda: (taker.take(1), outlet.service(1)))
    assert taker.seqs == list(range(8))


def test_who_only_watches_is_no_consumer(wire: Wire, ipc: str) -> None:
    outlet, at = wire.outlet(ipc)
    for i in range(3):
        watcher = wire.taker(at, f"w{i}", kinds=())
        until(lambda w=watcher: w.inlet.greeted, lambda w=watcher: (outlet.service(5), w.take()))
        assert not outlet.has_consumer
        watcher.inlet.close()
        until(lambda: all(edge.left for edge in outlet.edges), lambda: outlet.service(5))
    assert len(outlet.edges) == 1, "those who have left are not kept"
    assert outlet.board.edges() == []
    begun = time.monotonic()
    held = wire.taker(at, "held", kinds=())
    until(lambda: any(not e.left for e in outlet.edges), lambda: outlet.service(5))
    outlet.end()
    assert time.monotonic() - begun < 5, "nobody waits for one that takes nothing"
    until(lambda: held.inlet.ended, held.take)


def test_a_status_tells_the_boards_figures(wire: Wire, ipc: str) -> None:
    clock = DrivenClock(10**9)
    outlet, at = wire.outlet(ipc, clock=clock)
    taker = wire.taker(at, clock=clock, window=4, policy="latest")
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))
    board = outlet.board
    board[NodeSlot.CPU_NS], board[NodeSlot.RSS_BYTES] = 5, 6
    board[NodeSlot.PACKETS_OUT], board[NodeSlot.EVENTS_OUT] = 7, 8
    plane = Plane(named(Dialled(), "p"), [], outlet, board, clock=clock)
    for i in range(3):
        outlet.send(numbered(i, 10))
    plane.gossip()
    status = plane.statuses()["p"]
    assert (status.cpu_ns, status.rss_bytes, status.packets_out, status.events_out) == (5, 6, 7, 8)
    (edge,) = status.edges
    assert (edge.peer, edge.direction, edge.policy) == ("c", "out", "latest")
    assert (edge.sent_packets, edge.sent_events, edge.delivered_packets) == (3, 30, 0)
    assert edge.backlog_ms == 3.0
    plane.close()
    kill(taker)


def test_latency_is_told_of_late_only(wire: Wire, ipc: str) -> None:
    clock = DrivenClock(10**9)
    outlet, at = wire.outlet(ipc, clock=clock)
    board = Board()
    taker = wire.taker(at, clock=clock, board=board)
    plane = Plane(named(Sink(), "c"), [taker.inlet], None, board, clock=clock)
    until(lambda: outlet.has_consumer, lambda: outlet.service(5))

    def send(seq: int, age_ms: int) -> None:
        outlet.send(numbered(seq, born_ns=clock.now_ns() - age_ms * 1_000_000))
        outlet.flush()
        until(lambda: len(taker.seqs) == seq + 1, taker.take)

    def p99() -> float | None:
        clock.advance(250_000_000)
        plane.gossip()
        return plane.statuses()["c"].edges[0].p99_ms

    send(0, 500)
    assert p99() == pytest.approx(500, rel=0.05)
    send(1, 2)
    for _ in range(7):
        assert p99() == pytest.approx(500, rel=0.05)
    send(2, 2)
    assert p99() == pytest.approx(2, rel=0.05)
    for _ in range(10):
        last = p99()
    assert last is None

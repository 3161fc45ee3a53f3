"""Where channels live: private, guarded, and refused in one line where they cannot be."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from pipeline.channel import Inlet, Outlet, Security, run_directory
from pipeline.channel.endpoints import base_directory, check_endpoint, make_keys
from pipeline.errors import ChannelError
from tests.pipeline.ends import Producer, Wire, numbered, until

OPEN = Security()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Directories of runs.


def test_only_its_user_can_enter_a_run(private_runs: Path) -> None:
    run = run_directory()
    assert mode(run) == mode(run.parent) == 0o700
    assert run.parent.parent == private_runs
    assert run_directory() != run


def test_an_open_directory_is_closed(private_runs: Path) -> None:
    base_directory().chmod(0o777)
    run_directory()
    assert mode(base_directory()) == 0o700


@pytest.mark.parametrize("what", ["link", "dangling link", "file"])
def test_what_is_no_directory_of_the_users_is_refused(private_runs: Path, what: str) -> None:
    path = base_directory()
    path.rmdir()
    elsewhere = private_runs / "elsewhere"
    if what == "link":
        elsewhere.mkdir()
    if what == "file":
        path.touch()
    else:
        path.symlink_to(elsewhere)
    with pytest.raises(ChannelError, match=f"{path}: not a directory of this user"):
        run_directory()


def test_a_directory_of_another_user_is_refused(
    private_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = base_directory()
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    path.rename(path.with_name(f"silicon-retina-{other}"))
    with pytest.raises(ChannelError, match="not a directory of this user"):
        run_directory()


def test_no_place_for_runs_is_one_line(private_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(private_runs / "none"))
    with pytest.raises(ChannelError, match=r"none/silicon-retina-\d+: cannot be made: no such"):
        run_directory()


def test_directories_of_dead_runs_are_swept(private_runs: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    base = base_directory()
    left = base / f"run-{dead.pid}-abc"
    left.mkdir()
    (left / "source.board").write_bytes(b"old")
    mine, foreign = base / f"run-{os.getpid()}-abc", base / "run-what"
    mine.mkdir()
    foreign.mkdir()
    run_directory()
    assert not left.exists()
    assert mine.exists()
    assert foreign.exists()


# Addresses.


@pytest.mark.parametrize(
    "endpoint",
    [
        "ipc:///tmp/x",
        "inproc://x",
        "tcp://127.0.0.1:5555",
        "tcp://localhost:0",
        "tcp://[::1]:5555",
        "tcp://127.0.0.1:*",
        "tcp://127.9.9.9:65535",
    ],
)
def test_addresses_within_this_host(endpoint: str) -> None:
    check_endpoint(endpoint, OPEN)


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://192.168.1.5:80", "tcp://example.org:80",
     "tcp://[::]:80", "tcp://eth0:80", "tcp://127.0.0.1.example.org:80",
     "tcp://127.0.0.1;10.0.0.1:80"],
)  # fmt: skip
def test_addresses_beyond_this_host_need_keys_or_a_word(endpoint: str) -> None:
    with pytest.raises(ChannelError, match=r"reaches beyond this host: give keys .* insecure"):
        check_endpoint(endpoint, OPEN)
    check_endpoint(endpoint, Security(insecure=True))
    check_endpoint(endpoint, Security(keys="somewhere"))


@pytest.mark.parametrize(
    "endpoint",
    ["", "tcp", "tcp://", "ipc://", "inproc://", "udp://x:1", "tcp://localhost", "tcp://:80",
     "tcp://localhost:", "tcp://localhost:65536", "tcp://localhost:-1", "tcp://localhost:http",
     "tcp://localhost:²", "tcp://localhost:" + "9" * 5000, "/tmp/x", "file:///x",
     "ipc:///tmp/a\0b"],
)  # fmt: skip
def test_malformed_addresses(endpoint: str) -> None:
    with pytest.raises(ChannelError, match="expected"):
        check_endpoint(endpoint, OPEN)


def test_a_path_that_is_too_long_for_a_socket(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    with pytest.raises(ChannelError, match="the path is longer than 107 bytes"):
        check_endpoint("ipc:///" + "x" * 107, OPEN)
    with pytest.raises(ChannelError, match="the path is longer"):
        Inlet("c", "p", "ipc:///" + "x" * 107, context)


def test_a_port_in_use_is_one_line(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ChannelError, match=f"^p: cannot open {at}: in use$"):
            wire.outlet(at)


def test_an_address_of_another_host_is_one_line(wire: Wire) -> None:
    with pytest.raises(ChannelError, match=r"^p: cannot open tcp://192.0.2.1:5555: .*$"):
        wire.outlet("tcp://192.0.2.1:5555", security=Security(insecure=True))


def test_a_socket_in_use_is_one_line(wire: Wire, ipc: str) -> None:
    wire.outlet(ipc)
    with pytest.raises(ChannelError, match=f"^q: cannot open {ipc}: in use$"):
        wire.outlet(ipc, "q")


def test_a_name_in_use_is_one_line(wire: Wire) -> None:
    wire.shared = zmq.Context()
    wire.outlet("inproc://x")
    with pytest.raises(ChannelError, match=r"^q: cannot open inproc://x: in use$"):
        wire.outlet("inproc://x", "q")


def test_a_stale_socket_is_replaced(wire: Wire, ipc: str) -> None:
    path = Path(ipc[6:])
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    outlet, at = wire.outlet(ipc)
    taker = wire.taker(at)
    producer = Producer(outlet, [numbered(0)], wait=True)
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == [0]
    outlet.close()
    assert not path.exists()


def test_a_file_in_the_way_is_left_alone(wire: Wire, ipc: str) -> None:
    path = Path(ipc[6:])
    path.write_text("precious")
    with pytest.raises(ChannelError, match=f"^p: cannot open {ipc}: a file is in the way$"):
        wire.outlet(ipc)
    wire.close()
    assert path.read_text() == "precious"


def test_a_directory_that_is_not_there_is_one_line(wire: Wire, tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match=r"^p: cannot open ipc://.*/none/x: no such file"):
        wire.outlet(f"ipc://{tmp_path}/none/x")


# Keys.


def test_keys_are_private_and_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = make_keys(folder)
    assert sorted(path.name for path in made) == [
        "client.key",
        "client.key_secret",
        "server.key",
        "server.key_secret",
    ]
    assert mode(folder) == 0o700
    for path in made:
        if path.suffix == ".key_secret":
            assert mode(path) == 0o600
    before = [path.read_bytes() for path in made]
    with pytest.raises(ChannelError, match="exists; keys are not overwritten"):
        make_keys(folder)
    assert [path.read_bytes() for path in made] == before


@pytest.mark.parametrize("name", ["server.key", "client.key", "client.key_secret"])
def test_a_single_key_is_not_overwritten_either(tmp_path: Path, name: str) -> None:
    """A client's folder holds the server's public key alone."""
    (tmp_path / name).write_text("precious")
    with pytest.raises(ChannelError, match=f"{name} exists; keys are not overwritten"):
        make_keys(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_keys_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ChannelError, match=r"file/keys: cannot write keys: Not a directory"):
        make_keys(tmp_path / "file" / "keys")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Security:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return Security(keys=str(folder))


def passes(wire: Wire, outlet: Outlet, at: str, security: Security, name: str = "c") -> None:
    """Packets go from an outlet to a consumer."""
    taker = wire.taker(at, name, security=security)
    producer = Producer(outlet, (numbered(i) for i in range(20)), wait=True)
    taker.take_all(producer)
    producer.over()
    assert taker.seqs == list(range(20))


def test_an_encrypted_link(wire: Wire, keys: Security) -> None:
    outlet, at = wire.outlet("tcp://127.0.0.1:*", security=keys)
    passes(wire, outlet, at, keys)


def test_a_client_needs_no_more_than_its_own_keys(
    wire: Wire, keys: Security, tmp_path: Path
) -> None:
    assert keys.keys is not None
    for name in ("client.key_secret", "server.key"):
        shutil.copy(Path(keys.keys) / name, tmp_path)
    outlet, at = wire.outlet("tcp://127.0.0.1:*", security=keys)
    passes(wire, outlet, at, Security(keys=str(tmp_path)))


@pytest.mark.parametrize("stranger", ["foreign client", "foreign keys", "no keys"])
def test_a_stranger_gets_nothing(
    wire: Wire, keys: Security, tmp_path: Path, ipc: str, stranger: str
) -> None:
    if stranger == "no keys":
        security = OPEN
    else:
        make_keys(tmp_path)
        security = Security(keys=str(tmp_path))
        if stranger == "foreign client":
            assert keys.keys is not None
            shutil.copy(Path(keys.keys) / "server.key", tmp_path)
    outlet, at = wire.outlet("tcp://127.0.0.1:*", security=keys)
    # An unguarded door for neighbours leaves the guarded one shut.
    outlet.bind(ipc)
    outside = wire.taker(at, "stranger", security=security)
    inside = wire.taker(at, "friend", security=keys)
    producer = Producer(outlet, (numbered(i) for i in range(20)), wait=True)

    def both() -> None:
        outside.take()
        inside.take()

    until(lambda: inside.inlet.ended, both)
    inside.inlet.close()
    producer.over()
    assert len(inside.seqs) == 20
    assert outside.seqs == []
    assert not outside.inlet.greeted
    assert [edge.name for edge in outlet.edges] == ["friend"]


@pytest.mark.parametrize("order", ["tcp first", "ipc first"])
def test_keys_guard_tcp_and_leave_the_rest_alone(
    wire: Wire, keys: Security, ipc: str, order: str
) -> None:
    """A node listens for other hosts and has neighbours on this one."""
    outlet, ends = wire.outlet(ipc if order == "ipc first" else "tcp://127.0.0.1:*", security=keys)
    other = outlet.bind("tcp://127.0.0.1:*" if order == "ipc first" else ipc)
    by = {address.partition(":")[0]: address for address in (ends, other)}
    near = wire.taker(by["ipc"], "near", security=keys)
    far = wire.taker(by["tcp"], "far", security=keys)
    until(lambda: len(outlet.edges) == 2, lambda: outlet.service(5))
    producer = Producer(outlet, (numbered(i) for i in range(20)))

    def both() -> None:
        near.take()
        far.take()

    until(lambda: near.inlet.ended and far.inlet.ended, both)
    near.inlet.close()
    far.inlet.close()
    producer.over()
    assert near.seqs == far.seqs == list(range(20))


def test_two_guarded_nodes_share_a_process(wire: Wire, keys: Security) -> None:
    wire.shared = zmq.Context()
    outlets = [wire.outlet("tcp://127.0.0.1:*", name, security=keys) for name in "pq"]
    for outlet, at in outlets:
        passes(wire, outlet, at, keys)


@pytest.mark.parametrize("what", ["no folder", "empty folder", "nonsense", "file"])
def test_keys_that_are_none_are_one_line(wire: Wire, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "keys"
    if what == "file":
        folder.touch()
    elif what != "no folder":
        folder.mkdir()
    if what == "nonsense":
        for name in ("server.key", "server.key_secret", "client.key_secret"):
            (folder / name).write_text('metadata\ncurve\n    public-key = "short"\n')
    security = Security(keys=str(folder))
    for open_one in (
        lambda: wire.outlet("tcp://127.0.0.1:*", security=security),
        lambda: wire.taker("tcp://127.0.0.1:5555", security=security),
    ):
        with pytest.raises(ChannelError, match=f"^{folder}") as caught:
            open_one()
        assert "\n" not in str(caught.value)
    # The consumer has closed what it had begun: else this would wait for ever.
    wire.contexts[-1].term()

"""Where channels live: private directories for ``ipc``, guarded addresses for ``tcp``."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import stat
import tempfile
import threading
from pathlib import Path

import msgspec
import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from pipeline.errors import ChannelError

_IPC_LIMIT = 107
_DOMAIN = b"silicon-retina"


class Security(msgspec.Struct, kw_only=True, frozen=True):
    """How links beyond this host are guarded.

    keys      folder that ``retina keys`` made; links are then encrypted and both ends proven
    insecure  allow links beyond loopback without keys
    """

    keys: str | None = None
    insecure: bool = False


def base_directory() -> Path:
    """Return the directory of this user's runs, made so that only the user can enter it."""
    parent = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    path = Path(parent) / f"silicon-retina-{os.getuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        info = path.lstat()
    except OSError as error:
        raise ChannelError(f"{path}: cannot be made: {(error.strerror or '').lower()}") from None
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise ChannelError(f"{path}: not a directory of this user; remove it and start again")
    if info.st_mode & 0o077:
        path.chmod(0o700)
    return path


def run_directory() -> Path:
    """Make a fresh private directory for one run, and sweep those of runs that were killed."""
    base = base_directory()
    for old in base.glob("run-*"):
        pid = old.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(old, ignore_errors=True)
    try:
        return Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=base))
    except FileNotFoundError:
        # The last run of another process just took the empty directory away.
        return Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=base_directory()))


def check_endpoint(endpoint: str, security: Security) -> None:
    """Raise ChannelError where an endpoint is malformed, or open to the network unguarded."""
    scheme, _, rest = endpoint.partition("://")
    if "\0" in endpoint:
        raise ChannelError(f"endpoint {endpoint!r}: expected no zero bytes")
    if scheme == "inproc" and rest:
        return
    if scheme == "ipc" and rest:
        if len(rest.encode()) > _IPC_LIMIT:
            raise ChannelError(f"{endpoint}: the path is longer than {_IPC_LIMIT} bytes")
        return
    if scheme != "tcp" or not rest:
        raise ChannelError(
            f"endpoint {endpoint!r}: expected ipc://PATH or tcp://HOST:PORT (or inproc://NAME)"
        )
    host, colon, port = rest.rpartition(":")
    number = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536
    if not colon or not host or not (port == "*" or number):
        raise ChannelError(f"endpoint {endpoint!r}: expected tcp://HOST:PORT, port 0 to 65535")
    if not (_is_loopback(host) or security.keys or security.insecure):
        raise ChannelError(
            f"endpoint {endpoint!r} reaches beyond this host: give keys (made by 'retina keys DIR')"
            " or set insecure = true"
        )


def _is_loopback(host: str) -> bool:
    host = host.strip("[]")
    if host in ("localhost", "lo"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secure(socket: zmq.Socket[bytes], endpoint: str, security: Security, *, server: bool) -> None:
    """Give a socket its CURVE keys where its endpoint is tcp and keys are configured."""
    if not security.keys:
        return
    if not endpoint.startswith("tcp://"):
        if server:
            # An endpoint takes over what the socket is when it is opened: this one is not guarded.
            socket.curve_server = False
        return
    folder = Path(security.keys)
    own = "server" if server else "client"
    try:
        public, secret = zmq.auth.load_certificate(folder / f"{own}.key_secret")
        server_public, _ = zmq.auth.load_certificate(folder / "server.key")
    except (OSError, ValueError) as error:
        raise ChannelError(
            f"{folder}: no usable {own} key ({error}); make keys with 'retina keys {folder}'"
        ) from None
    if secret is None:
        raise ChannelError(f"{folder / own}.key_secret holds no secret key")
    socket.curve_publickey = public
    socket.curve_secretkey = secret
    if server:
        socket.curve_server = True
        socket.zap_domain = _DOMAIN
    else:
        socket.curve_serverkey = server_public


class Guard:
    """Admits only clients whose public key lies in the keys folder; one for all of a context."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: str) -> None:
        self.users = 0
        self._context = context
        self._thread = ThreadAuthenticator(context)
        self._thread.start()
        self._thread.configure_curve(domain=_DOMAIN.decode(), location=keys)

    def stop(self) -> None:
        """End the guard when nobody needs it any more."""
        with _guarding:
            self.users -= 1
            if self.users == 0:
                del _guards[id(self._context)]
                self._thread.stop()


_guards: dict[int, Guard] = {}
_guarding = threading.Lock()


def authenticator(context: zmq.Context[zmq.Socket[bytes]], security: Security) -> Guard | None:
    """Return the guard of a context, started where there was none; ``stop`` it after use."""
    if not security.keys:
        return None
    with _guarding:
        guard = _guards.get(id(context))
        if guard is None:
            guard = _guards[id(context)] = Guard(context, security.keys)
        guard.users += 1
    return guard


def make_keys(folder: Path) -> list[Path]:
    """Make a server and a client key pair in ``folder``; never overwrite one."""
    made = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("server", "client"):
            for path in (folder / f"{name}.key", folder / f"{name}.key_secret"):
                if path.exists():
                    raise ChannelError(f"{path} exists; keys are not overwritten")
        for name in ("server", "client"):
            public, secret = zmq.auth.create_certificates(folder, name)
            Path(secret).chmod(0o600)
            made += [Path(public), Path(secret)]
    except OSError as error:
        raise ChannelError(f"{folder}: cannot write keys: {error.strerror}") from None
    return made


def open_endpoint(socket: zmq.Socket[bytes], owner: str, endpoint: str) -> str:
    """Bind a socket to an endpoint that was checked and secured; return it resolved.

    A socket file that a killed process left is replaced. Raises ChannelError, which names the
    ``owner``, where the endpoint is in use or cannot be made.
    """
    if endpoint.startswith("tcp://"):
        socket.heartbeat_ivl = 1000
        socket.heartbeat_timeout = 3000
    try:
        if endpoint.startswith("ipc://"):
            path = Path(endpoint[6:])
            if path.exists():
                # libzmq would bind over the socket of one that lives, too.
                _refuse_live(path)
                path.unlink()
        socket.bind(endpoint)
    except ChannelError as error:
        raise ChannelError(f"{owner}: cannot open {endpoint}: {error}") from None
    except zmq.ZMQError as error:
        why = "in use" if error.errno == zmq.EADDRINUSE else (error.strerror or "").lower()
        raise ChannelError(f"{owner}: cannot open {endpoint}: {why}") from None
    except OSError as error:
        raise ChannelError(f"{owner}: cannot open {endpoint}: {error.strerror}") from None
    resolved = socket.getsockopt(zmq.LAST_ENDPOINT)
    return resolved.rstrip(b"\0").decode() if isinstance(resolved, bytes) else endpoint


def _refuse_live(path: Path) -> None:
    """Raise ChannelError unless a path is a socket that nobody listens on."""
    import socket as plain

    if not path.is_socket():
        raise ChannelError("a file is in the way")
    with plain.socket(plain.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise ChannelError("in use")

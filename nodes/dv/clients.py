"""The clients of a DV server: a thread of its own serves them, so that nobody waits for one."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from nodes.dv.address import Address
from pipeline.errors import ChannelError
from pipeline.packets import Buffer

_REMEMBERED = 8
_CHUNK = 1 << 20


class _Client:
    """One connection: what waits for it, and what was dropped for it."""

    def __init__(self, link: socket.socket, name: str) -> None:
        self.link = link
        self.name = name
        self.greeted = False
        self.waiting: deque[tuple[Sequence[memoryview], int, int]] = deque()
        """Whole packets: (buffers, bytes, events)."""
        self.waiting_bytes = 0
        self.under_way: deque[memoryview] = deque()
        """What is left of the packet that is being sent."""
        self.dropped_packets = 0
        self.dropped_events = 0
        self.wants = False

    def put(
        self, packet: Sequence[memoryview], size: int, events: int, most: int
    ) -> tuple[int, int]:
        """Queue a packet; return how many (packets, events) were dropped for it."""
        self.waiting.append((packet, size, events))
        self.waiting_bytes += size
        packets = lost = 0
        while self.waiting_bytes > most and len(self.waiting) > 1:
            _, old_size, old_events = self.waiting.popleft()
            self.waiting_bytes -= old_size
            packets += 1
            lost += old_events
        self.dropped_packets += packets
        self.dropped_events += lost
        return packets, lost

    def push(self) -> None:
        """Send as much as the kernel takes now; raises OSError where the client is gone."""
        with contextlib.suppress(BlockingIOError):
            while self.under_way or self.waiting:
                if not self.under_way:
                    buffers, size, _ = self.waiting.popleft()
                    self.waiting_bytes -= size
                    self.under_way.extend(buffers)
                part = self.under_way[0]
                n = self.link.send(part[:_CHUNK])
                if n == len(part):
                    self.under_way.popleft()
                else:
                    self.under_way[0] = part[n:]


class Clients:
    """Listens, greets each client with the header, and sends every packet to all.

    ``most_bytes`` may wait for one client; then its oldest packets are dropped. Every method may
    be called from any thread but ``close``, which is for the one that made it.
    """

    def __init__(self, address: Address, where: str, most: int, most_bytes: int) -> None:
        self.dropped_packets = 0
        self.dropped_events = 0
        self.turned_away = 0
        self._most = most
        self._most_bytes = most_bytes
        self._header = b""
        self._clients: list[_Client] = []
        self._slow: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._over = False
        self._number = 0
        self._listener = _listen(address, where)
        self.address = address
        if not address.path:
            self.address = address._replace(port=int(self._listener.getsockname()[1]))
        self._wake_read, self._wake_write = socket.socketpair()
        for end in (self._wake_read, self._wake_write, self._listener):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve, name="dv-server", daemon=True)
        self._thread.start()

    def names(self) -> list[str]:
        """Return who is connected and greeted."""
        with self._lock:
            return [client.name for client in self._clients if client.greeted]

    def slow(self) -> list[tuple[str, int, int]]:
        """Return (name, packets, events) of clients for which any were dropped, the latest last."""
        with self._lock:
            return [(name, *counts) for name, counts in self._slow.items()]

    def greet(self, header: bytes) -> None:
        """Set the header that clients begin with; those that had another are sent away."""
        with self._lock:
            if header == self._header:
                return
            self._header = header
            for client in self._clients:
                if client.greeted:
                    # Its reader learns a sensor's size from a header alone: it has to come again.
                    with contextlib.suppress(OSError):
                        client.link.shutdown(socket.SHUT_RDWR)
                else:
                    self._welcome(client)
        self._wake()

    def send(self, packet: Sequence[Buffer], events: int) -> None:
        """Queue a packet for every client that is greeted. The buffers must not change any more."""
        buffers = [memoryview(part).cast("B") for part in packet]
        size = sum(len(part) for part in buffers)
        with self._lock:
            for client in self._clients:
                if not client.greeted:
                    continue
                packets, lost = client.put(buffers, size, events, self._most_bytes)
                if packets:
                    self.dropped_packets += packets
                    self.dropped_events += lost
                    self._slow.pop(client.name, None)
                    self._slow[client.name] = (client.dropped_packets, client.dropped_events)
                    if len(self._slow) > _REMEMBERED:
                        del self._slow[next(iter(self._slow))]
        self._wake()

    def drain(self, seconds: float) -> bool:
        """Wait until all is sent, at most so long; return whether it is."""
        end = time.monotonic() + seconds
        with self._idle:
            while any(client.waiting or client.under_way for client in self._clients):
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._idle.wait(left)
        return True

    def close(self) -> None:
        """Close every connection and remove the socket's file."""
        self._over = True
        self._wake()
        self._thread.join()
        for client in self._clients:
            client.link.close()
        self._listener.close()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
        if self.address.path:
            Path(self.address.path).unlink(missing_ok=True)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_write.send(b"w")

    def _serve(self) -> None:
        while not self._over:
            for key, events in self._selector.select():
                if key.fileobj is self._wake_read:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                elif key.fileobj is self._listener:
                    self._accept()
                elif events & selectors.EVENT_READ:
                    self._hear(key.data)
            with self._lock:
                for client in list(self._clients):
                    self._push(client)
                self._idle.notify_all()

    def _accept(self) -> None:
        try:
            link, peer = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # No descriptors are left, it may be: the client still waits, so do not look at once.
            time.sleep(0.05)
            return
        link.setblocking(False)
        with self._lock:
            if len(self._clients) >= self._most:
                self.turned_away += 1
                link.close()
                return
            self._number += 1
            name = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else f"client {self._number}"
            if isinstance(peer, tuple):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = _Client(link, name)
            self._clients.append(client)
            self._selector.register(link, selectors.EVENT_READ, client)
            if self._header:
                self._welcome(client)

    def _welcome(self, client: _Client) -> None:
        client.greeted = True
        client.under_way.append(memoryview(self._header))

    def _hear(self, client: _Client) -> None:
        """A client has nothing to say: what it sends is read and forgotten, or is its farewell."""
        try:
            if client.link.recv(4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        with self._lock:
            self._part(client)

    def _push(self, client: _Client) -> None:
        try:
            client.push()
        except OSError:
            self._part(client)
            return
        wants = bool(client.under_way or client.waiting)
        if wants != client.wants:
            client.wants = wants
            mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if wants else 0)
            self._selector.modify(client.link, mask, client)

    def _part(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client.link)
            client.link.close()


def _listen(address: Address, where: str) -> socket.socket:
    listener = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        if address.path:
            _clear(Path(address.path), where)
            # Nobody but its user may connect; the mask is the process's, and set for a moment.
            mask = os.umask(0o177)
            try:
                listener.bind(address.path)
            finally:
                os.umask(mask)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address.target)
        listener.listen()
    except ChannelError:
        listener.close()
        raise
    except OSError as error:
        listener.close()
        why = (error.strerror or str(error)).lower()
        raise ChannelError(f"{where}: cannot serve at {address}: {why}") from None
    return listener


def _clear(path: Path, where: str) -> None:
    """Remove a socket's file that a server left behind when it was killed."""
    if not path.exists():
        return
    if not path.is_socket():
        raise ChannelError(f"{where}: cannot serve at dv://{path}: a file is in the way")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ChannelError(f"{where}: cannot serve at dv://{path}: in use")

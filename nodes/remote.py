"""remote: relays a running node of ours, on this or another host, as a source."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import zmq

from nodes.query import settings_at
from pipeline import Meta, Packet, Settings, SourceNode
from pipeline.channel import Inlet, Security
from pipeline.errors import SettingError
from pipeline.packets import KINDS

_TURN = 16
_BREATH_MS = 2
_SLICE_MS = 20


class RemoteSettings(Settings):
    """Settings of ``remote``."""

    address: Annotated[
        str, Meta(description="where the node gives: tcp://HOST:PORT or ipc://PATH")
    ] = "tcp://127.0.0.1:5555"
    kinds: Annotated[
        str, Meta(description="kinds of packets to relay, 'events,prediction', or 'all'")
    ] = "all"
    policy: Annotated[
        Literal["lossless", "latest"],
        Meta(description="'lossless': it waits for us; 'latest': old packets are dropped, counted"),
    ] = "lossless"
    capacity: Annotated[
        int, Meta(ge=1, le=1 << 16, description="latest: packets that may wait at the node")
    ] = 8
    keys: Annotated[
        str | None, Meta(description="folder of keys made by 'retina keys', for tcp")
    ] = None
    insecure: Annotated[bool, Meta(description="allow a host beyond this one without keys")] = False


class Remote(SourceNode):
    """Yields the packets of another node as they are: times, labels, samples, reset marks.

    A packet counts as delivered at the other node once it was sent on here. The node's end is the
    end; a node that is gone without a farewell is waited for, and its successor announces a reset.
    Statuses and Asks pass through, so the nodes beyond can be watched and changed from here.
    """

    settings_type = RemoteSettings
    blas = False
    emits = KINDS
    settings: RemoteSettings

    @classmethod
    def settings_at(cls, source: str, packet_us: int) -> RemoteSettings:  # noqa: ARG003
        """Return the settings that relay ``source``; its packets have the length they have."""
        return settings_at(RemoteSettings, source)

    def __init__(self, settings: RemoteSettings | None = None, **values: Any) -> None:
        super().__init__(settings, **values)
        self._inlet: Inlet | None = None
        self._complaint = ""
        self._packets = self._events = 0

    def open(self) -> None:
        """Make the link; raises SettingError, ChannelError. Nobody needs to be there yet."""
        s = self.settings
        wanted = [word.strip() for word in s.kinds.split(",")]
        by_name = {kind.kind: kind for kind in KINDS}
        unknown = [word for word in wanted if word not in by_name and word != "all"]
        if unknown:
            raise SettingError(
                f"{self.name}: kinds = \"{s.kinds}\": '{unknown[0]}' is no kind of packet"
                f" (known: all, {', '.join(by_name)})"
            )
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._inlet = Inlet(
                # Two consumers of one output must not share a name.
                f"{self.name}-{os.getpid()}-{secrets.token_hex(2)}",
                s.address,
                s.address,
                self._context,
                kinds=KINDS if "all" in wanted else [by_name[word] for word in wanted],
                policy=s.policy,
                capacity=s.capacity,
                security=Security(keys=s.keys, insecure=s.insecure),
            )
        except BaseException:
            self._context.term()
            raise
        self.condition = "connecting"
        if self.surroundings is not None:
            self.surroundings.adopt(self._inlet)

    def close(self) -> None:
        """Take leave of the node."""
        if self._inlet is not None:
            self._inlet.close()
            self._inlet = None
            self._context.term()

    def produce(self) -> Iterator[Packet]:
        """Yield packets until the node has ended; raises ChannelError where it refuses us."""
        inlet = self._inlet
        assert inlet is not None
        taken: list[tuple[Packet, int]] = []
        while not self.stopping():
            packet = inlet.take()
            if packet is not None:
                self.condition = ""
                arrived_ns = time.monotonic_ns()
                events = packet.size
                if packet.header.reset:
                    self.announce_reset()
                yield packet
                self._packets += 1
                self._events += events
                taken.append((packet, arrived_ns))
            if taken and (packet is None or len(taken) >= _TURN):
                inlet.done_all(taken)
                taken = []
            if packet is None and not self._rest(inlet):
                return

    def _rest(self, inlet: Inlet) -> bool:
        """Nothing is there: wait for more; False where the node has ended."""
        if inlet.complaint:
            self._complaint, inlet.complaint = inlet.complaint, None
        if inlet.ended:
            return False
        if not inlet.socket.poll(_BREATH_MS):
            inlet.receipts.grant(idle=True)
            if not inlet.socket.poll(_SLICE_MS):
                self.wait(1)
        return True

    def facts(self) -> dict[str, str | int | float]:
        """Return what has come."""
        inlet = self._inlet
        return {
            "address": self.settings.address,
            "received_packets": self._packets,
            "received_events": self._events,
            "rejected": 0 if inlet is None else inlet.rejected,
        }

    def words(self) -> list[str]:
        """Return what is wrong with the link."""
        inlet = self._inlet
        said = []
        if inlet is not None and not inlet.greeted:
            said.append(f"{self.settings.address}: no node of ours answers")
        if self._complaint:
            said.append(self._complaint)
        return said

"""Names that two consumers of one output want: who has one keeps it for as long as it answers.

A process that was restarted claims the name of one that has died, and the death may not have
been noticed yet. So a claim waits: it is granted when the holder's connection is gone or the holder
has said nothing for ten seconds, and refused when the holder says anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.channel.protocol import Hello
from pipeline.clock import Clock

_LOOK_NS = 200_000_000
_STALE_NS = 300_000_000
"""What a consumer said before it died has been read after this time."""
_MUTE_NS = 10_000_000_000


class _Claim(NamedTuple):
    """A Hello for a name that another consumer has, and when it first came."""

    hello: Hello
    since_ns: int


class Claims:
    """The claims that wait, by identity.

    ``held(identity, hello)`` says whether another consumer has the name and its connection stands.
    """

    def __init__(self, held: Callable[[bytes, Hello], bool], clock: Clock) -> None:
        self._held = held
        self._clock = clock
        self._waiting: dict[bytes, _Claim] = {}
        self._next_look_ns = 0

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._waiting

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, identity: bytes, hello: Hello) -> None:
        """Let a claim wait; its latest words count, from when the first came."""
        first = self._waiting.get(identity)
        since_ns = self._clock.now_ns() if first is None else first.since_ns
        self._waiting[identity] = _Claim(hello, since_ns)

    def withdraw(self, identity: bytes) -> None:
        """Forget the claim of a consumer that has left, if it had one."""
        self._waiting.pop(identity, None)

    def granted(self) -> Iterator[tuple[bytes, Hello]]:
        """Yield those whose name has become free; they wait no longer."""
        now = self._clock.now_ns()
        if now < self._next_look_ns:
            return
        self._next_look_ns = now + _LOOK_NS
        for identity, claim in list(self._waiting.items()):
            if now - claim.since_ns > _MUTE_NS or not self._held(identity, claim.hello):
                del self._waiting[identity]
                yield identity, claim.hello

    def refused(self, name: str) -> Iterator[bytes]:
        """Yield those who claim the name of one that has just spoken; they wait no longer."""
        now = self._clock.now_ns()
        for identity, claim in list(self._waiting.items()):
            late = now - claim.since_ns > _STALE_NS
            if claim.hello.name == name and late and self._held(identity, claim.hello):
                del self._waiting[identity]
                yield identity

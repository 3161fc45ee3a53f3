"""The bins node in its place: settings that fit, and a first event that waits for no compiler."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.bins import Bins
from pipeline import EventPacket, SpikePacket, binning
from pipeline.errors import SettingError
from pipeline.packets import EventHeader
from tests.strategies import cut, random_events


def test_what_it_takes_and_gives() -> None:
    assert Bins.accepts == (EventPacket,)
    assert Bins.emits == (SpikePacket,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bin_us": 0}, "bin_us = 0 is not a whole number at least 1 and at most 10000000"),
        ({"mode": "sum"}, 'mode = "sum" is not one of "count", "binary"'),
        ({"pool": 65}, "pool = 65 is not a whole number at least 1 and at most 64"),
        ({"width": 0}, "width = 0 is not a whole number at least 1"),
        ({"height": 2**15 + 1}, "height = 32769 is not"),
        ({"x0": 10**30}, "is not a whole number at least -32768"),
        ({"window_us": 2**40}, "window_us = 1099511627776 is not a whole number at least 1"),
    ],
)
def test_settings_out_of_range(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Bins(**values)


def test_a_window_is_a_number_of_bins() -> None:
    node = Bins(bin_us=1000, window_us=2500)
    with pytest.raises(
        SettingError, match=r"^bins: window_us = 2500 is no multiple of bin_us = 1000$"
    ):
        node.start()


def test_several_bins_go_together() -> None:
    events = random_events(500, 9, 7, 20_000)
    bounds = list(range(1000, 20_001, 1000))
    alone = list(Bins()(cut(events, bounds, 9, 7)))
    together = list(Bins(window_us=5000)(cut(events, bounds, 9, 7)))
    assert [p.header.n_bins for p in together] == [5] * 4
    assert [p.header.n_bins for p in alone] == [1] * 20
    assert np.concatenate([p.index for p in alone]).tolist() == np.concatenate(
        [p.index for p in together]
    ).tolist()  # fmt: skip
    assert alone[0].header.reset
    assert together[0].header.reset
    assert not any(p.header.reset for p in alone[1:])


@pytest.mark.parametrize("pool", [1, 2])
def test_everything_is_compiled_before_the_first_event(pool: int) -> None:
    """Packets from a socket cannot be written to, those of this process can: both are ready."""
    node = Bins(pool=pool, bin_us=700)
    node.start()
    kernels = (binning._bin, binning._bin_few)
    before = [len(kernel.signatures) for kernel in kernels]
    for n in (3, 5000):
        for packet in cut(random_events(n, 9, 7, 3000), [500, 2000, 3000], 9, 7):
            list(node.process(packet))
            received = EventPacket(packet.header, packet.wire.tobytes())
            list(node.process(received))
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_a_packet_is_not_changed() -> None:
    events = random_events(50, 9, 7, 3000)
    packets = cut(events, [500, 2000, 3000], 9, 7)
    before = [bytes(packet.payload) for packet in packets]
    list(Bins(bin_us=700)(packets))
    assert [bytes(packet.payload) for packet in packets] == before


def test_a_still_sensor_costs_no_events() -> None:
    header = EventHeader(t_begin=0, t_end=1000, width=2**15, height=2**15, n=0)
    (out,) = Bins(width=4, height=4)([EventPacket(header, b"")])
    assert out.header.n == 0

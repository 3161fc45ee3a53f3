"""A network's diagram, read and refused."""

from __future__ import annotations

import pytest

from models.network import Conv, Dense, Pool, parse


def test_slayers_network_reads_like_its_diagram() -> None:
    network = parse("2-16c5-2a-32c3-2a-64c3-10", 34, 34)
    assert network.layers == (Conv(16, 5), Pool(2), Conv(32, 3), Pool(2), Conv(64, 3), Dense(10))
    assert network.shapes == (
        (2, 34, 34),
        (16, 32, 32),
        (16, 16, 16),
        (32, 16, 16),
        (32, 8, 8),
        (64, 8, 8),
        (10, 1, 1),
    )
    assert network.weight_shapes[0] == (16, 2, 5, 5)
    assert network.weight_shapes[1] is None
    assert network.weight_shapes[-1] == (10, 4096)


def test_stride_and_padding() -> None:
    network = parse("2-4c5s2p0-3c3p2", 34, 30)
    assert network.layers == (Conv(4, 5, 2, 0), Conv(3, 3, 1, 2))
    assert network.shapes[1:] == ((4, 15, 13), (3, 17, 15))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "must begin with input channels"),
        ("2", "have a layer"),
        ("2-", "'' is no layer"),
        ("2-16x5", "'16x5' is no layer, expected"),
        ("2-0c3", "'0c3' is no layer"),
        ("2-40a-10", "'40a' does not fit an input of"),
        ("2-4c99", "'4c99' does not fit"),
    ],
)
def test_what_cannot_be_read_is_quoted(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(spec, 34, 34)

"""Event-driven training: the plain reference's spikes and gradients, on any network."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.train import kept_bytes
from models.event_layers import Room, Train, masked
from models.event_module import EventModule, InOrder
from models.module import Response, SpikingModule, dense
from models.network import Network, parse
from models.neuron import CUBA, LIF, SRM, Neuron
from models.reference import dropout
from models.stepper import Stepper
from models.store import Model
from models.surrogate import Surrogate
from pipeline.binning import Bins

STEPS = 30

layers = st.lists(
    st.one_of(
        st.builds(
            "{}c{}s{}p{}{}".format,
            st.integers(1, 5),
            st.integers(1, 5),
            st.integers(1, 3),
            st.integers(0, 3),
            st.sampled_from(["", "d", "D"]),
        ),
        st.builds("{}a".format, st.integers(1, 3)),
        st.builds("{}{}".format, st.integers(1, 7), st.sampled_from(["", "d", "D"])),
    ),
    min_size=1,
    max_size=4,
)
surrogates = st.builds(
    Surrogate,
    kind=st.sampled_from(["exponential", "fast_sigmoid", "triangle"]),
    width=st.sampled_from([0.3, 0.8, 1.5]),
    scale=st.sampled_from([1.0, 2.0]),
)


def recording(rng: np.random.Generator, size: int) -> Bins:
    n = int(rng.integers(0, 3 * size))
    times = np.sort(rng.integers(0, STEPS, n))
    offsets = np.searchsorted(times, np.arange(STEPS + 1)).astype(np.uint32)
    index = rng.integers(0, size, n).astype(np.uint32)
    return Bins(offsets, index, rng.integers(1, 3, n).astype(np.uint8))


def learned(module: SpikingModule, answer: Response, weight: Tensor, price: Tensor) -> list[Tensor]:
    """Return the gradients of a loss of output spikes and of every layer's number of spikes."""
    ((answer.out * weight).sum() + (answer.spikes * price).sum()).backward()
    found = [p.grad for p in module.parameters() if p.numel()]
    return [torch.zeros(0) if g is None else g for g in found]


def near_threshold(module: SpikingModule, batch: list[Bins], masks: list[Tensor] | None) -> bool:
    """Return whether a potential lies on the threshold but for the order of adding."""
    spikes, theta = dense(batch, module.network.input_shape), module.network.neuron.theta
    for i in range(len(module.network.layers)):
        spikes, potential = module.layer(i, spikes)
        if ((potential - theta).abs() < 2e-5 * theta).any():
            return True
        if masks is not None and i < len(masks):
            spikes = spikes * masks[i]
    return False


def drawn(parts: list[str], height: int, width: int, neuron: Neuron) -> Network:
    try:
        return parse("-".join(["2", *parts]), height, width, neuron)
    except ValueError:
        assume(False)
        raise


@given(
    parts=layers,
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    neuron=st.sampled_from([SRM(), SRM(tau_s_ms=3, tau_ref_ms=2), CUBA(), LIF()]),
    hidden=surrogates,
    last=st.one_of(st.none(), surrogates),
    drops=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_spikes_and_gradients_are_the_plain_reference_s(
    parts: list[str],
    height: int,
    width: int,
    neuron: Neuron,
    hidden: Surrogate,
    last: Surrogate | None,
    drops: bool,
    threads: int,
    seed: int,
) -> None:
    network = drawn(parts, height, width, neuron)
    # Pools alone have nothing to learn.
    assume(any(network.weight_shapes))
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    batch = [recording(rng, math.prod(network.input_shape)) for _ in range(3)]
    plain = SpikingModule(network, hidden, last=last, loop="plain")
    plain.initialise(dense(batch, network.input_shape), seed % 1000)
    others = [
        SpikingModule(network, hidden, last=last, loop="compiled"),
        EventModule(network, hidden, last=last, threads=threads),
    ]
    shapes = [(3, *shape) for shape in network.shapes[1:-1]]
    masks = [dropout(shape, 0.2, generator) for shape in shapes] if drops else None
    with torch.no_grad():
        assume(not near_threshold(plain, batch, masks))
    weight = torch.randn((STEPS, 3, *network.shapes[-1]), generator=generator)
    price = torch.randn((3, len(network.layers)), generator=generator)
    expected = plain.respond(batch, masks)
    slopes = learned(plain, expected, weight, price)
    for module in others:
        module.load_state_dict(plain.state_dict())
        answer = module.respond(batch, masks)
        assert torch.equal(answer.out, expected.out)
        assert torch.equal(answer.spikes, expected.spikes)
        for a, b in zip(learned(module, answer, weight, price), slopes, strict=True):
            limit = 1e-4 * float(b.abs().max()) + 1e-5 * float(weight.norm()) / neuron.theta
            torch.testing.assert_close(a, b, rtol=0, atol=limit)


def test_a_stride_that_skips_pixels_has_one_gradient() -> None:
    """oneDNN gave another each time where a kernel of one pixel skips some."""
    network = parse("2-1c1s2p0", 8, 2, SRM())
    rng = np.random.default_rng(0)
    batch = [recording(rng, math.prod(network.input_shape)) for _ in range(3)]
    module = SpikingModule(network, loop="plain")
    module.initialise(dense(batch, network.input_shape), 0)
    other = EventModule(network, threads=1)
    other.load_state_dict(module.state_dict())
    for _ in range(10):
        for each in (module, other):
            each.zero_grad()
            each.respond(batch).out.sum().backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(*(next(each.parameters()).grad for each in (module, other)))


@given(parts=layers, neuron=st.sampled_from([SRM(), CUBA(), LIF()]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_spikes_are_the_streams(parts: list[str], neuron: Neuron, seed: int) -> None:
    network = drawn(parts, 9, 8, neuron)
    rng = np.random.default_rng(seed)
    bins = recording(rng, math.prod(network.input_shape))
    module = EventModule(network)
    module.initialise(dense([bins], network.input_shape), seed % 1000)
    model = Model(
        network,
        tuple(w.detach().numpy() if w.numel() else None for w in module.weights),
        tuple(range(math.prod(network.shapes[-1]))),
        delays=tuple(d.detach().numpy() if d.numel() else None for d in module.delays),
    )
    stepper = Stepper(model)
    with torch.no_grad():
        answer = module.respond([bins])
    np.testing.assert_array_equal(answer.out.flatten(1).numpy(), stepper.run(*bins))
    assert int(answer.spikes.sum()) == stepper.spikes


def test_a_narrow_surrogate_keeps_less() -> None:
    network = parse("2-8c3-4", 20, 20)
    rng = np.random.default_rng(1)
    batch = [recording(rng, 800)]

    def kept(surrogate: Surrogate) -> int:
        module = EventModule(network, surrogate)
        module.initialise(dense(batch, network.input_shape), 1)
        return kept_bytes(module.respond(batch).out)

    assert kept(Surrogate("triangle", 0.2)) < kept(Surrogate("triangle", 0.9))
    assert kept(Surrogate("triangle", 0.9)) < kept(Surrogate("exponential"))


def test_recordings_of_other_lengths_are_refused() -> None:
    module = EventModule(parse("2-3", 4, 4))
    rng = np.random.default_rng(1)
    bins = recording(rng, 32)
    short = Bins(bins.offsets[:-1], bins.index[: bins.offsets[-2]], bins.count[: bins.offsets[-2]])
    with pytest.raises(ValueError, match="recording 1 has 29 bins, the first has 30"):
        module.respond([bins, short])


def test_any_number_of_threads_gives_the_same_gradient_bit_by_bit() -> None:
    network = parse("2-8c3-2a-10", 12, 12, SRM())
    rng = np.random.default_rng(0)
    batch = [recording(rng, math.prod(network.input_shape)) for _ in range(7)]
    first = EventModule(network, threads=1)
    first.initialise(dense(batch, network.input_shape), 0)
    slopes = []
    for threads in (1, 2, 3, 9):
        module = EventModule(network, threads=threads)
        module.load_state_dict(first.state_dict())
        module.respond(batch).out.square().sum().backward()  # type: ignore[no-untyped-call]
        slopes.append([p.grad for p in module.parameters() if p.grad is not None])
    assert any(float(grad.abs().max()) > 0 for grad in slopes[0])
    for other in slopes[1:]:
        assert all(torch.equal(a, b) for a, b in zip(slopes[0], other, strict=True))


@given(order=st.permutations(range(5)), arrival=st.permutations(range(5)))
def test_a_sum_in_order_does_not_depend_on_who_comes_when(
    order: list[int], arrival: list[int]
) -> None:
    parts = np.random.default_rng(3).normal(size=(5, 40)).astype(np.float32)
    total = InOrder(order)
    for who in arrival:
        total.add(who, parts[who].copy())
    expected = parts[order[0]]
    for who in order[1:]:
        expected = expected + parts[who]
    np.testing.assert_array_equal(total.total, expected)


def test_an_error_leaves_when_every_thread_is_done() -> None:
    module = EventModule(parse("2-1c1p0", 2, 2, SRM()), threads=3)
    others, done = threading.Event(), []

    def work(b: int, _room: Room) -> None:
        if b == 0:
            raise ValueError("recording 0")
        others.wait(10)
        done.append(b)

    timer = threading.Timer(0.1, others.set)
    timer.start()
    with pytest.raises(ValueError, match="recording 0"):
        module.share(work, [3, 2, 1])
    assert sorted(done) == [1, 2]
    timer.join()


def test_spikes_that_a_mask_drops_are_gone() -> None:
    train = Train(
        np.array([0, 2, 2, 5]), np.array([3, 1, 0, 3, 2], np.int32), np.ones(5, np.float32)
    )
    found = masked(train, np.array([0, 1.25, 1.25, 0], np.float32))
    np.testing.assert_array_equal(found.offsets, [0, 1, 1, 2])
    np.testing.assert_array_equal(found.index, [1, 2])
    np.testing.assert_array_equal(found.value, [1.25, 1.25])

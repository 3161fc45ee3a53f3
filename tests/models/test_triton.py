"""Triton's kernels against plain torch: on the GPU where there is one, else interpreted."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.module import SpikingModule, fused
from models.network import parse
from models.neuron import CUBA, LIF, SRM, Neuron
from models.reference import neurons
from models.surrogate import Surrogate
from pipeline.errors import SettingError

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"


@given(
    st.sampled_from([SRM(), SRM(ts_ms=0.1, tau_s_ms=1), CUBA(), LIF(gain=1.5)]),
    st.sampled_from(["exponential", "fast_sigmoid", "triangle"]),
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 300),
)
@settings(max_examples=25, deadline=None)
def test_fused_equals_plain(neuron: Neuron, kind: str, seed: int, steps: int, n: int) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    rng = np.random.default_rng(seed)
    surrogate = Surrogate(kind, 0.7, 1.5)  # type: ignore[arg-type]
    drive = rng.normal(0.05, 0.4, (steps, n)) * neuron.theta
    plain = torch.tensor(drive, dtype=torch.float32, device=DEVICE, requires_grad=True)
    quick = plain.detach().clone().requires_grad_()
    weight = torch.tensor(rng.normal(0, 1, (steps, n)), dtype=torch.float32, device=DEVICE)
    spikes, potential = neurons(plain, neuron.dynamics, surrogate)
    fast_spikes, fast_potential = fused(quick, neuron.dynamics, surrogate)
    # A potential on the threshold, but for its last digits, may fall on either side of it: the
    # neurons with one are left out.
    clear = ((potential - neuron.theta).abs() > 1e-4 * neuron.theta).all(0)
    assert torch.equal(spikes[:, clear], fast_spikes[:, clear])
    torch.testing.assert_close(
        potential[:, clear], fast_potential[:, clear], rtol=1e-3, atol=1e-4 * neuron.theta
    )
    (spikes * weight * clear).sum().backward()
    (fast_spikes * weight * clear).sum().backward()
    assert plain.grad is not None
    assert quick.grad is not None
    limit = 1e-3 * float(plain.grad.abs().max()) + 1e-9
    torch.testing.assert_close(plain.grad, quick.grad, rtol=0, atol=limit)


def test_without_triton_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "models.triton_kernels", raising=False)
    monkeypatch.delattr("models.triton_kernels", raising=False)
    with pytest.raises(SettingError, match="needs Triton"):
        SpikingModule(parse("2-3", 2, 2), loop="triton")


def test_bfloat16_weighs_and_float32_keeps_time() -> None:
    network = parse("2-4c3-2a-5", 8, 8)
    full, half = SpikingModule(network), SpikingModule(network, precision="bfloat16")
    spikes = (torch.rand(30, 2, 2, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.2).float()
    full.initialise(spikes, 1)
    half.load_state_dict(full.state_dict())
    exact, near = full.current(0, spikes).detach(), half.current(0, spikes).detach()
    assert near.dtype == torch.float32
    assert not torch.equal(exact, near)
    torch.testing.assert_close(exact, near, rtol=0.02, atol=0.02 * float(exact.abs().max()))
    half(spikes)[-1].sum().backward()
    assert all(w.grad is not None and w.grad.isfinite().all() for w in half.weights if w.numel())

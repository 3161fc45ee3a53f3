"""On a CUDA GPU: the CPU's spikes, but for a stated number that float32's last digits move."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.module import SpikingModule
from models.stepper import Stepper
from models.store import load
from models.torch_stepper import TorchStepper
from pipeline.binning import bin_events
from recordings.folder import SAMPLES_DIR, samples

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU is at hand")

MODEL = "nmnist-classifier"
MOVED = 1e-3
"""Share of spikes that may differ."""


def test_a_graph_of_a_step_gives_the_streams_spikes() -> None:
    model = load(MODEL)
    cpu, gpu = Stepper(model), TorchStepper(model, "cuda", streams=2)
    differ = fired = 0
    for sample in samples(SAMPLES_DIR, "Test")[::10]:
        bins = bin_events(sample.read(), 34, 34, model.bin_us, model.n_bins)
        cpu.reset()
        gpu.reset()
        expected = cpu.run(*bins)
        for k, row in enumerate(expected):
            part = slice(int(bins.offsets[k]), int(bins.offsets[k + 1]))
            both = gpu.step_many([(bins.index[part], bins.count[part])] * 2)
            np.testing.assert_array_equal(both[0], both[1])
            differ += int((both[0] != row).sum())
        fired += int(expected.sum())
    print(f"{differ} of {fired} output spikes differ")
    assert differ <= max(2, MOVED * fired)


@pytest.mark.parametrize("loop", ["plain", "triton"])
def test_a_whole_recording_on_the_gpu(loop: str) -> None:
    model = load(MODEL)
    network = model.network
    events = samples(SAMPLES_DIR, "Test")[0].read()
    bins = bin_events(events, 34, 34, model.bin_us, model.n_bins)
    found = []
    for device, way in (("cpu", "compiled"), ("cuda", loop)):
        module = SpikingModule(network, loop=way)  # type: ignore[arg-type]
        with torch.no_grad():
            for mine, weight in zip(module.weights, model.weights, strict=True):
                if weight is not None:
                    mine.copy_(torch.from_numpy(weight))
        module.to(device)
        answer = module.respond([bins])
        answer.out.sum().backward()
        slopes = [w.grad.cpu() for w in module.weights if w.grad is not None]
        found.append((answer.spikes.detach().cpu(), slopes))
    (spikes, slopes), (other, theirs) = found
    assert float((spikes - other).abs().sum()) <= MOVED * float(spikes.sum())
    for a, b in zip(slopes, theirs, strict=True):
        assert float((a - b).norm()) <= 0.01 * float(a.norm())

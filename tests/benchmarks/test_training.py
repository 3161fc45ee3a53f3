"""What the benchmarks of models compare is the same: losses, spikes and what is counted as kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.network import events_of, missing
from benchmarks.peers import PEERS, PeerModule, installed, stepping
from benchmarks.recording import _ours, _same, filled
from benchmarks.train import LAST, SURROGATE, kept_bytes, saved_bytes, updater
from models.event_module import EventModule
from models.frames import frames
from models.module import SpikingModule, dense
from models.network import parse
from models.store import Model
from pipeline.binning import Bins, bin_events

SPEC = "2-6c5s2-2a-10"
BINS = 60


@pytest.fixture(scope="module")
def model() -> Model:
    network = parse(SPEC, 34, 34)
    module = SpikingModule(network)
    with torch.no_grad():
        counts = frames(events_of(4), network.input_shape, BINS)
        module.initialise(torch.from_numpy(counts), seed=0)
    weights = tuple(w.detach().numpy() if w.numel() else None for w in module.weights)
    return Model(network, weights, tuple(range(10)))


@pytest.fixture(scope="module")
def recorded() -> list[Bins]:
    return [bin_events(events, 34, 34, 1000, BINS) for events in events_of(6)]


def test_updates_follow_the_loss_curve_of_plain_torch(model: Model, recorded: list[Bins]) -> None:
    ours = filled(EventModule(model.network, SURROGATE, last=LAST, threads=2), model)
    plain = filled(SpikingModule(model.network, SURROGATE, last=LAST, loop="plain"), model)
    labels = torch.arange(len(recorded))
    counts = dense(recorded, model.network.input_shape)
    updates = (
        updater(ours, lambda: ours.respond(recorded).out, labels, rate=0.05),
        updater(plain, lambda: plain(counts)[-1], labels, rate=0.05),
    )
    curves = np.array([[update() for update in updates] for _ in range(8)])
    assert curves[-1, 1] < 0.8 * curves[0, 1]
    np.testing.assert_allclose(curves[:, 0], curves[:, 1], rtol=2e-3)


def test_all_ways_of_ours_give_the_same_spikes(model: Model, recorded: list[Bins]) -> None:
    _same(_ours(model), recorded[:2])


@pytest.mark.parametrize("who", PEERS)
def test_a_peer_answers_alike_by_steps_and_as_a_whole(
    who: str, model: Model, recorded: list[Bins]
) -> None:
    if who not in installed():
        pytest.skip(f"{who} is not installed (sh setup.sh bench)")
    counts = dense(recorded[:1], model.network.input_shape)
    whole = PeerModule(PEERS[who], model.network, list(model.weights))(counts)
    with torch.no_grad():
        step = stepping(PEERS[who], model.network, model.weights)
        steps = torch.stack([step(frame).detach() for frame in counts])
    assert steps.sum() > 0
    torch.testing.assert_close(whole.detach(), steps)


def test_what_is_kept_grows_with_the_spikes(model: Model, recorded: list[Bins]) -> None:
    module = filled(EventModule(model.network, SURROGATE, last=LAST, threads=1), model)
    empty = Bins(np.zeros(BINS + 1, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.uint8))
    silent, active = module.respond([empty]), module.respond(recorded[:1])
    assert kept_bytes(silent.out) < kept_bytes(active.out) / 4
    plain = filled(SpikingModule(model.network, loop="plain"), model)
    shape = model.network.input_shape
    assert saved_bytes(lambda: plain(dense(recorded[:1], shape))[-1]) == saved_bytes(
        lambda: plain(dense([empty], shape))[-1]
    )


def test_a_peer_that_is_missing_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.network.installed", lambda: {"torch": PEERS["torch"]})
    assert {row.name for row in missing("x", "ms")} == {
        f"x, {who}: not installed" for who in PEERS if who != "torch"
    }

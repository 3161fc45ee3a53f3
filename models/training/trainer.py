"""The training loop: epochs of updates, validations between them, a checkpoint after them.

Two stages: most epochs see one saccade of each recording, drawn anew each time, which is three
times as cheap and teaches the network to answer early; the last see the whole window.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numba
import numpy as np
import torch
from numba.core.config import NUMBA_NUM_THREADS  # type: ignore[attr-defined]
from numpy.typing import NDArray
from torch import Tensor, nn

from models.dataset import Dataset
from models.event_module import EventModule
from models.module import Loop, Precision, SpikingModule, dense
from models.network import Network
from models.store import Model
from models.training import checkpoint, memory, objective, watch
from models.training.batches import Batch, Batches, whole
from models.training.config import AnyConfig, ReconstructorConfig
from models.training.objective import Objective, Score
from models.training.optimiser import Average, build, set_rate, share_of_rate
from models.training.parallel import Group
from models.training.recipe import to_toml
from pipeline.errors import SettingError

EXAMPLES = 32
"""How many recordings the initial weights are scaled on."""


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """What one epoch brought.

    window    whether it saw the whole window, not one saccade
    loss      mean over its recordings, without the penalty on spikes
    measure   mean over its recordings, as they were augmented: share of right answers, or PSNR
    spikes    mean spikes of each layer for a recording
    score     of the validation after it, where there was one
    """

    epoch: int
    epochs: int
    window: bool
    loss: float
    measure: float
    spikes: list[float]
    seconds: float
    score: Score | None = None


Told = Callable[[Epoch, SpikingModule], None]


class Trainer:
    """A training from its first epoch, or from a checkpoint, to its last."""

    def __init__(
        self,
        config: AnyConfig,
        network: Network,
        batches: Batches,
        validation: Dataset | None,
        task: Objective,
        group: Group,
    ) -> None:
        self.config, self.network, self.group = config, network, group
        self.batches, self.validation, self.task = batches, validation, task
        torch.set_num_threads(config.threads)
        numba.set_num_threads(min(config.threads, NUMBA_NUM_THREADS))
        self.module = _module(config, network, group)
        self._initialise()
        self.module.to(group.device)
        self.module.loop = _loop(group.device)
        self.responder = group.wrap(self.module)
        self.optimiser = build(self.module, config.optimiser)
        self.parameters = [p for _, p in watch.named(self.module)]
        self.average = Average(self.parameters, config.average) if config.average else None
        self.best: list[Tensor] = []
        self.history: list[Epoch] = []

    def run(self, checkpoints: Path | None, data: str, fresh: bool, told: Told) -> Model:
        """Train to the end, or on from the checkpoint in ``checkpoints``; return what is kept.

        ``data`` says which recordings these are. Raises ModelError where a checkpoint is of
        another training or cannot be written, RetinaError where numbers are not finite.
        """
        config = self.config
        recipe = to_toml(config)
        if checkpoints is not None and not fresh:
            state = checkpoint.read(checkpoints, recipe, data)
            if state is not None:
                self._restore(state)
        while len(self.history) < config.epochs and not self._stop():
            epoch = self._epoch(len(self.history))
            self.history.append(epoch)
            if not self.group.leads:
                continue
            told(epoch, self.module)
            done = len(self.history)
            if checkpoints is not None and done % config.checkpoint_every == 0:
                checkpoint.write(self._state(recipe, data), checkpoints)
        return self.model()

    def model(self) -> Model:
        """Return the model that is kept: the last weights (their mean), or those that did best."""
        config = self.config
        kept = self._values()
        if config.validation.choose == "best" and self.best:
            kept = self.best
        found = {name: t for (name, _), t in zip(watch.named(self.module), kept, strict=True)}

        def arrays(what: str) -> tuple[NDArray[np.float32] | None, ...]:
            layers = (found.get(f"layers.{i}.{what}") for i in range(len(self.network.layers)))
            return tuple(None if t is None else t.cpu().numpy().copy() for t in layers)

        common: dict[str, Any] = {
            "network": self.network,
            "weights": arrays("weight"),
            "delays": arrays("delay"),
            "bin_us": config.bin_us,
            "window_us": config.bins(config.window_ms) * config.bin_us,
            "task": config.task,
            "saccades_ms": config.saccades_ms,
        }
        if isinstance(config, ReconstructorConfig):
            return Model(**common, intensity=config.intensity)
        return Model(**common, classes=tuple(range(self.network.shapes[-1][0])))

    def _initialise(self) -> None:
        data, config = self.batches.data, self.config
        n = len(data.labels)
        chosen = [i * n // min(n, EXAMPLES) for i in range(min(n, EXAMPLES))]
        example = dense(whole(data, self.network, config, chosen), self.network.input_shape)
        self.module.initialise(example[: config.bins(config.saccade_ms)], config.seed)

    def _epoch(self, epoch: int) -> Epoch:
        started = time.monotonic()
        config = self.config
        layers = len(self.network.layers)
        sums = [0.0] * (3 + layers)
        for update, batch in enumerate(self.batches.epoch(epoch)):
            found = self._within_memory(batch, epoch, update)
            # A part that only takes its turn does not count.
            n = len(batch.bins) if batch.share else 0
            sums = [a + b * (n > 0) for a, b in zip(sums, [n, *found], strict=True)]
        count, loss, measure, *spikes = self.group.total(sums)
        due = (epoch + 1) % config.validation.every == 0 or epoch + 1 == config.epochs
        score = None
        if due and self.group.leads and self.validation is not None:
            score = self._validate(self.validation)
        return Epoch(
            epoch=epoch + 1,
            epochs=config.epochs,
            window=epoch >= config.epochs - config.full_epochs,
            loss=loss / count,
            measure=measure / count,
            spikes=[s / count for s in spikes],
            seconds=time.monotonic() - started,
            score=score,
        )

    def _within_memory(self, batch: Batch, epoch: int, update: int) -> list[float]:
        with contextlib.suppress(torch.OutOfMemoryError):
            return self._update(batch, epoch, update)
        # Outside of the handler, which would hold on to the tensors of the update.
        self.optimiser.zero_grad(set_to_none=True)
        raise memory.out_of_memory(
            self.config.batch, self.group.world, lambda: memory.measure(self.module, batch)
        )

    def _update(self, batch: Batch, epoch: int, update: int) -> list[float]:
        config, step = self.config, epoch * len(self.batches) + update
        masks = None if batch.masks is None else [m.to(self.group.device) for m in batch.masks]
        set_rate(
            self.optimiser,
            share_of_rate(config.schedule, step, config.epochs * len(self.batches)),
        )
        out, spikes = self.responder(batch.bins, masks)
        loss = self.task.loss(out, batch)
        penalty = objective.rate(self.module, spikes, len(out))
        self.optimiser.zero_grad(set_to_none=True)
        total = (loss + config.rate_penalty * penalty) * batch.share
        out.retain_grad()
        total.backward()  # type: ignore[no-untyped-call]
        where = f"training stopped at epoch {epoch + 1}, update {update + 1}"
        watch.gradients(self.module, total.detach(), out, where)
        nn.utils.clip_grad_norm_(self.parameters, config.optimiser.clip)
        self.optimiser.step()
        self.module.clamp_delays()
        watch.weights(self.module, where)
        if self.average is not None:
            self.average.update()
        n = len(batch.bins)
        return [
            float(loss.detach()) * n,
            self.task.right(out.detach(), batch),
            *spikes.detach().sum(0).tolist(),
        ]

    def _validate(self, data: Dataset) -> Score:
        if self.average is not None:
            self.average.swap()
        self.module.eval()
        try:
            score = self.task.validate(self.module, data)
            if self.config.validation.choose == "best" and score.value > self._best_value():
                self.best = [p.detach().clone() for p in self.parameters]
        finally:
            self.module.train()
            if self.average is not None:
                self.average.swap()
        return score

    def _best_value(self) -> float:
        return max((e.score.value for e in self.history if e.score), default=-float("inf"))

    def _stop(self) -> bool:
        """Return whether the validation got no better for as long as it may."""
        values = [e.score.value for e in self.history if e.score]
        patience = self.config.validation.patience
        waited = len(values) - 1 - values.index(max(values)) if values else 0
        return self.group.agree(0 < patience <= waited)

    def _values(self) -> list[Tensor]:
        values = self.average.mean if self.average is not None else self.parameters
        return [v.detach() for v in values]

    def _state(self, recipe: str, data: str) -> checkpoint.State:
        return checkpoint.State(
            epoch=len(self.history),
            parameters=[p.detach() for p in self.parameters],
            optimiser=self.optimiser.state_dict(),
            average=self.average.mean if self.average else [],
            updates=self.average.updates if self.average else 0,
            best=self.best,
            history=msgspec.json.encode(self.history).decode(),
            recipe=recipe,
            data=data,
        )

    @torch.no_grad()
    def _restore(self, state: checkpoint.State) -> None:
        device = self.group.device
        for parameter, kept in zip(self.parameters, state.parameters, strict=True):
            parameter.copy_(kept)
        self.optimiser.load_state_dict(state.optimiser)
        if self.average is not None:
            self.average.mean = [m.to(device) for m in state.average]
            self.average.updates = state.updates
        self.best = [b.to(device) for b in state.best]
        self.history = msgspec.json.decode(state.history, type=list[Epoch])


def _module(config: AnyConfig, network: Network, group: Group) -> SpikingModule:
    surrogate, last = config.surrogate, config.last_surrogate
    if group.device.type == "cpu" and config.module == "event":
        if config.precision == "mixed":
            raise SettingError(
                'precision = "mixed" needs a CUDA device or module = "dense", here is '
                'module = "event" on the CPU'
            )
        return EventModule(network, surrogate, last=last, threads=config.threads)
    precision: Precision = "bfloat16" if config.precision == "mixed" else "float32"
    return SpikingModule(network, surrogate, last=last, precision=precision)


def _loop(device: torch.device) -> Loop:
    """Return where the time loop runs fastest on ``device``."""
    if device.type == "cpu":
        return "compiled"
    return "triton" if find_spec("triton") else "plain"

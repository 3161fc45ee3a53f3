"""What a training is made of, as typed structs: a TOML recipe and the command line fill them.

``models.training.recipe`` reads them and says what is wrong with a value.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from models.augment import Augmentation
from models.neuron import SRM, Neuron
from models.saccades import Saccades, starts
from models.store import Intensity
from models.surrogate import Surrogate

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Natural = Annotated[int, Meta(ge=1)]
Whole = Annotated[int, Meta(ge=0)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every part of a config."""


class ClassifierLoss(Part, frozen=True):
    """What a classifier is asked for (``models.training.losses``).

    kind             cross_entropy: of the output spike counts; early: the same at every moment;
                     spike_count: SLAYER's counts; van_rossum: SLAYER's spike times, of trains
                     that hold the desired counts evenly
    gain             logit of one output spike per 100 ms (cross-entropies)
    smoothing        share of the target spread over all classes (cross-entropies)
    every_ms, from_ms  the moments of ``early``
    true, false      desired spikes in 300 ms of the right and of every other class
    """

    kind: Literal["cross_entropy", "early", "spike_count", "van_rossum"] = "cross_entropy"
    gain: Positive = 0.4
    smoothing: Share = 0.02
    every_ms: Positive = 20.0
    from_ms: Positive = 40.0
    true: NotNegative = 60.0
    false: NotNegative = 10.0


class ReconstructorLoss(Part, frozen=True):
    """What a reconstructor is asked for.

    kind         error: mean square of intensities; cross_entropy: of intensities taken as
                 probabilities
    structural   weight of 1 − SSIM beside it
    """

    kind: Literal["error", "cross_entropy"] = "error"
    structural: NotNegative = 0.0


class Optimiser(Part, frozen=True):
    """How weights are updated.

    rate         step relative to the standard deviation of a layer's initial weights
    delay_rate   step of delays in ms
    clip         longest gradient; a longer one is shortened to it
    """

    kind: Literal["adam", "amsgrad", "nadam"] = "adam"
    rate: Positive = 0.05
    delay_rate: Positive = 0.1
    clip: Positive = 1e3


class Schedule(Part, frozen=True):
    """How the rate goes over the training: a linear rise, then a cosine down (or none).

    warm    share of all updates that the rise takes
    floor   what is left of the rate at the end
    """

    kind: Literal["cosine", "constant"] = "cosine"
    warm: Share = 0.05
    floor: Share = 0.0


class Validation(Part, frozen=True):
    """What is held back from training, and what it decides.

    share      of each label's recordings held back; 0: none. A fold (``--fold``) takes its place
    every      epochs between validations
    choose     last: the last weights are kept, whatever the validation says; best: those that
               did best in it
    patience   validations without a better one after which training ends; 0: never
    """

    share: Share = 0.2
    every: Natural = 5
    choose: Literal["last", "best"] = "last"
    patience: Whole = 0


class Config(Part, frozen=True):
    """What every training has.

    network        layers as in ``models.network``
    epochs         passes over the training recordings, the last ``full_epochs`` on the whole
                   window, those before on one saccade drawn from each recording
    batch          recordings an update, over all processes
    saccade_ms, window_ms   how long the short and the full recordings are
    saccades_ms    when the window's saccades begin, each of which has input channels of its own
                   (``models.saccades``); none: all share OFF and ON
    dropout        share of each hidden layer's neurons that are silenced for a recording
    rate_penalty   loss per hidden spike of a neuron and bin
    average        decay per update of a running mean of the weights, which is what is validated
                   and kept; 0: the weights themselves
    seed           of split, weights, order, augmentation and dropout
    threads        of the CPU; another number may round sums differently
    module         event: lists of spikes, on the CPU; dense: tensors. CUDA is always dense
    precision      mixed: products in bfloat16 while training (``models.training.mixed``)
    checkpoint_every   epochs between checkpoints
    cache_mb       memory for recordings that were read; more are read again in every epoch
    surrogate, last_surrogate   of the hidden layers, and of the output (none: the same)
    """

    network: str
    epochs: Natural = 100
    full_epochs: Whole = 4
    batch: Natural = 16
    saccade_ms: Natural = 100
    window_ms: Natural = 300
    saccades_ms: tuple[NotNegative, ...] = ()
    dropout: Share = 0.05
    rate_penalty: NotNegative = 0.1
    average: Share = 0.0
    seed: Whole = 1
    threads: Natural = 2
    module: Literal["event", "dense"] = "event"
    precision: Literal["float32", "mixed"] = "float32"
    checkpoint_every: Natural = 1
    cache_mb: Whole = 1024
    neuron: Neuron = SRM()
    surrogate: Surrogate = Surrogate()
    last_surrogate: Surrogate | None = None
    augmentation: Augmentation = Augmentation()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    validation: Validation = Validation()

    def __post_init__(self) -> None:
        if self.saccade_ms > self.window_ms:
            raise ValueError(
                f"saccade_ms = {self.saccade_ms} is longer than window_ms = {self.window_ms}"
            )
        begins = starts(self.saccades_ms, self.neuron.ts_ms)
        if begins and begins[-1] >= self.bins(self.window_ms):
            raise ValueError(
                f"saccades_ms = {list(self.saccades_ms)} go beyond window_ms = {self.window_ms}"
            )
        if self.validation.choose == "best" and not self.validation.share:
            raise ValueError('validation.choose = "best" needs validation.share above 0')

    @property
    def bin_us(self) -> int:
        """Length of a bin."""
        return round(self.neuron.ts_ms * 1000)

    def saccades(self, height: int, width: int) -> Saccades:
        """Return what tells a network of ``height`` × ``width`` inputs which saccade it sees."""
        begins = starts(self.saccades_ms, self.neuron.ts_ms)
        return Saccades(begins, self.bins(self.window_ms), 2 * height * width)

    def bins(self, ms: float) -> int:
        """Return how many bins ``ms`` are."""
        return max(1, math.floor(ms / self.neuron.ts_ms + 0.5))


class ClassifierConfig(Config, frozen=True):
    """How a classifier is trained."""

    task: Literal["classifier"] = "classifier"
    network: str = "2-16c5s2-32c3s2-10"
    loss: ClassifierLoss = ClassifierLoss()


class ReconstructorConfig(Config, frozen=True):
    """How a reconstructor is trained; ``intensity`` makes its spikes an image."""

    task: Literal["reconstructor"] = "reconstructor"
    network: str = "2-10c5-10c3-5c3p0-1c3p0"
    loss: ReconstructorLoss = ReconstructorLoss()
    intensity: Intensity = Intensity()
    augmentation: Augmentation = Augmentation(
        shift_px=2.0, rotate_deg=0.0, scale=0.0, shear=0.0, jitter_us=0.0, drop=0.0, add=0.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rotate_deg", "scale", "shear", "mix"):
            value = getattr(self.augmentation, name)
            if value:
                raise ValueError(
                    f"augmentation.{name} = {value}: a reconstructor's true image is moved by "
                    "whole pixels alone, expected 0"
                )


AnyConfig: TypeAlias = ClassifierConfig | ReconstructorConfig

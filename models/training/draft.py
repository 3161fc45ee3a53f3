"""The card of a freshly trained model, from what is known of its training."""

from __future__ import annotations

from pathlib import Path

from models.card import block, diagram, neuron_text
from models.evaluate import wilson
from models.store import Model
from models.training.history import Record
from models.training.objective import EARLY_MS, Score
from models.training.recipe import to_toml

_TASKS = {
    "classifier": "Names the digit (0 to 9) before which a silicon retina of 34×34 pixels moves, "
    "from its events.",
    "reconstructor": "Shows the digit before which a silicon retina of 34×34 pixels moves, as an "
    "image of 28×28 intensities, from its events.",
}

_LIMITS = {
    "classifier": "it knows no “none of them”",
    "reconstructor": "it has seen no image but digits, and draws one from other events too",
}

_CREDIT = """\
Orchard, Jayawant, Cohen, Thakor, "Converting Static Image Datasets to Spiking Neuromorphic Datasets
Using Saccades", Front. Neurosci. 9:437, 2015 (N-MNIST), CC BY-SA 4.0. The digits are MNIST's
(LeCun, Cortes, Burges). No recording is part of the model's file."""


def draft(path: Path, model: Model, record: Record) -> str:
    """Return the text of the card of the model file ``path``."""
    config = record.settings
    network = model.network
    rows = [
        ("task", model.task),
        ("network", f"`{network.spec}`: {network.neurons:,} spiking neurons, "
                    f"{sum(w.size for w in model.weights if w is not None):,} weights, no biases"),
        ("neuron", neuron_text(network.neuron)),
        ("input", f"counts of OFF (channel 0) and ON (channel 1) events per pixel in bins of "
                  f"{model.bin_us / 1000:g} ms{_saccades(model)}"),
        ("answer", _answer(model)),
    ]  # fmt: skip
    machine = ", ".join(f"{k} {v}" for k, v in record.machine.items()) or "not recorded"
    fold = f" --fold {record.fold.k}/{record.fold.n}" if record.fold else ""
    targets = " --targets TARGETS" if model.task == "reconstructor" else ""
    return f"""# {path.stem}

{_TASKS[model.task]}

| | |
| --- | --- |
{_rows(rows)}

{diagram(network)}

## Training

- Data: {record.training} recordings of N-MNIST (`{record.data}`), {_held(record)}.
- Seed {config.seed}; {len(record.epochs)} epochs in {record.seconds:,.0f} s on {record.device}, \
{record.processes} process{"es" if record.processes > 1 else ""} of {config.threads} thread\
{"s" if config.threads > 1 else ""}.
- Machine: {machine}.

![loss and accuracy over the epochs]({path.with_suffix(".svg").name})

The same by one command, with this card as the recipe:

```sh
retina train {model.task} --recipe {path.stem}.md --data DATA{targets}{fold} \
--out {path.name}
```

```toml
# recipe
{to_toml(config).strip()}
```

## Figures

| measure | figure |
| --- | --- |
{_figures(record.score)}

{_meaning(record)}

## Intended use

Research and teaching with event cameras: recordings like N-MNIST's, each answered from rest, or a
stream of them that says where a new one begins. Not for decisions about people.

## Limits

Trained on upright digits of MNIST seen by one sensor through one pattern of three saccades; \
{_LIMITS[model.task]}.

## Licence

MIT like the project. Trained on recordings of
{_CREDIT}

## Identity

{block(path)}
"""


def _saccades(model: Model) -> str:
    if not model.saccades_ms:
        return ""
    at = ", ".join(f"{ms:g}" for ms in model.saccades_ms)
    return f"; these two channels again for each saccade of a window, begun at {at} ms"


def _answer(model: Model) -> str:
    ms = model.window_us / 1000
    if model.task == "classifier":
        return f"after {ms:g} ms: the output neuron with most spikes, the lowest digit of equals"
    how = model.intensity
    a = f"spikes/{how.scale:g}" + (f" − {how.offset:g}" if how.offset else "")
    shown = f"sigmoid({a})" if how.kind == "sigmoid" else f"{a}, between 0 and 1"
    return f"after {ms:g} ms: a pixel's intensity is {shown}"


def _rows(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def _held(record: Record) -> str:
    n = len(record.validation)
    if record.fold is not None:
        return f"{n} more held back (fold {record.fold.k} of {record.fold.n}, split by label)"
    return f"{n} more held back for validation, split by label" if n else "none held back"


def _figures(score: Score | None) -> str:
    if score is None:
        return "| validation | none held back |"
    of = f"validation, {score.n} recordings"
    if score.accuracy is not None and score.early is not None:
        found = []
        for name, share in ((of, score.accuracy), (f"the same after {EARLY_MS} ms", score.early)):
            low, high = wilson(round(share * score.n), score.n)
            interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
            found.append((f"{name} ({interval})", f"{100 * share:.1f} %"))
        return _rows(found)
    return _rows([(f"{of}, PSNR", f"{score.psnr_db:.2f} dB"), ("SSIM", f"{score.ssim:.3f}")])


def _meaning(record: Record) -> str:
    if record.score is None:
        return "Nothing was held back from training, so that no figure of it is given."
    if record.settings.validation.choose == "best" and record.fold is None:
        return "The validation chose the epoch whose weights were kept, and so flatters a little."
    return "The last weights were kept: the validation chose nothing in this training."

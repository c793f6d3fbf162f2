"""The scores that lead wherever a run is summed up, and what to try where they disappoint.

A run that was trained on corrupted input is judged by that input first, then by clean input; each
beside the baselines that saw the same. Reads `metrics.json` and `replicas.json`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

Scores = Mapping[str, Any]

_ROWS = {
    "nelbo": ("negative ELBO", ".2f", " nats"),
    "niwae": ("negative IWAE bound", ".2f", " nats"),
    "log_likelihood": ("log p(x)", ".2f", " nats"),
    "mse": ("MSE", ".5f", ""),
    "psnr_db": ("PSNR", ".3g", " dB"),
    "snr_db": ("SNR", ".3g", " dB"),
    "ssim": ("SSIM", ".3g", ""),
}
NO_DENSITY = (
    "The bounds and log p(x) are no density: the likelihood is Bernoulli and the pixels are grey; "
    "data.binarize=fixed or sample makes them binary."
)
_LABEL, _OWN, _OTHER = 24, 20, 12
"""Widths of the columns; together they fit into 80 characters."""
_COLUMNS = {"pca": "PCA-{components}", "mean": "mean image", "input": "the input"}
"""The heads of the columns of the baselines."""
_BASELINES = {
    "mean": "the mean training image",
    "input": "the corrupted input itself",
    "pca": "PCA with as many dimensions",
}
"""What a run should beat, the easiest first."""
_SMALL = 1e-4
"""Scores below it are shown by their first digits, not to a fixed place."""
_STILL_IMPROVING = 0.8
"""Share of the epochs after which a best epoch says that more of them may help."""
_EARLY, _EARLY_EPOCHS = 0.5, 10
"""A best epoch in this share of the epochs, followed by at least as many others, is early."""


@dataclass(frozen=True)
class Block:
    """The scores under one kind of input."""

    own: Scores
    """Those of the run."""
    others: dict[str, Scores]
    """Those of the baselines for the same input: `pca`, `mean` and, if corrupted, `input`."""
    prefix: str = ""
    """Before the names of its scores in `replicas.json`."""
    corruption: tuple[str, str, float] | None = None
    """Of the input: its name, the name of its level, and the level; None if it is clean."""

    @property
    def name(self) -> str:
        """The input in words."""
        return "clean input" if self.corruption is None else f"{self.corruption[0]} input"

    def score(self, key: str, replicas: Scores | None = None) -> float | None:
        """A score of the run, the mean over its seeds where there are several; None without."""
        seeds = replicas["scores"].get(self.prefix + key) if replicas else None
        value = seeds["mean"] if seeds else self.own.get(key)
        return None if value is None else float(value)


def blocks(metrics: Scores) -> list[Block]:
    """The input that the run was trained for first; clean input after it, where that differs."""
    baseline = metrics.get("baseline") or {}
    mean = {"mean": baseline.get("mean")}
    clean = Block(metrics, _present({"pca": baseline.get("pca")} | mean))
    trained = metrics.get("denoising")
    if not trained:
        return [clean]
    others = {"pca": trained.get("pca")} | mean | {"input": trained.get("input")}
    level_name, level = trained.get("level_name", "level"), trained.get("level", 0.0)
    corruption = (str(trained.get("corruption", "corruption")), str(level_name), float(level))
    own = trained.get("output") or {}
    return [Block(own, _present(others), "denoising.output.", corruption), clean]


def _present(others: Mapping[str, Scores | None]) -> dict[str, Scores]:
    return {name: scores for name, scores in others.items() if scores}


@dataclass(frozen=True)
class Lead:
    """The score by which runs are ranked."""

    key: str
    clean: bool
    """Whether it is that on clean input, whatever a run was trained for."""

    @property
    def best(self) -> str:
        """Of two runs, the better one's score is: `lowest` or `highest`."""
        return "highest" if self.key == "log_likelihood" else "lowest"

    def cost(self, value: float) -> float:
        """The value, or its negative: the better of two runs has the lower cost."""
        return value if self.best == "lowest" else -value

    def block(self, metrics: Scores) -> Block:
        """The scores of a run under the input that counts."""
        found = blocks(metrics)
        return found[-1] if self.clean else found[0]

    def score(self, metrics: Scores, replicas: Scores | None = None) -> float | None:
        """That of a run, the mean over its seeds where there are several."""
        return self.block(metrics).score(self.key, replicas)


def lead(runs: Iterable[Scores]) -> Lead:
    """The score that means the same for each of several runs, by their metrics.

    Where all have a bound of the same likelihood, of grey or of binary images: log p(x), if all
    have it by as many samples, since bounds are tight to a different degree; else the negative
    ELBO. Otherwise the MSE: of the input that they were trained for, if that is the same for all,
    or of clean input.
    """
    first = [(blocks(metrics)[0], "no_density" in metrics) for metrics in runs]
    clean = len({block.corruption for block, _ in first}) > 1
    bounds = {("nelbo" in block.own, "bce" in block.own, grey) for block, grey in first}
    if clean or len(bounds) != 1 or "nelbo" not in first[0][0].own:
        return Lead("mse", clean)
    samples = {block.own.get("log_likelihood_samples") for block, _ in first}
    return Lead("log_likelihood" if len(samples) == 1 and None not in samples else "nelbo", clean)


def table(metrics: Scores, replicas: Scores | None = None) -> str:
    """Every block's scores beside its baselines', at most 80 characters wide.

    Args:
        metrics: of the run.
        replicas: over its seeds, where there are several: their mean ± standard deviation is
            shown in the place of the first seed's scores.
    """
    found = blocks(metrics)
    columns = baselines(found, metrics)
    own = f"over {len(replicas['seeds'])} seeds" if replicas else "this run"
    lines = [_line(f"test, {metrics['n']:,} images", own, list(columns.values()))]
    for block in found:
        if len(found) > 1:
            lines.append(f"{block.name}, as in training" if block is found[0] else block.name)
        for label, mine, cells in rows(block, columns, replicas):
            lines.append(_line(f"  {label}" if len(found) > 1 else label, mine, cells))
        if block is found[0] and (best := best_denoiser(metrics)):
            lines.append(best)
    lines += wrap(metrics.get("no_density", ""), _LABEL + _OWN + 3 * _OTHER)
    return "\n".join(lines)


def best_denoiser(metrics: Scores) -> str | None:
    """The PSNR of the best classical denoiser beside the run's, on the same images, as a line."""
    known = metrics.get("denoisers")
    if not known:
        return None
    best, own = known[known["best"]]["psnr_db"], known["model"]["psnr_db"]
    name = known["best"].replace("_", " ")
    text = f"PSNR {best:.3g} dB, this run {own:.3g} dB ({known['n']:,} images)"
    return f"{'  ' + name:<{_LABEL}}{text}"


def baselines(found: Sequence[Block], metrics: Scores) -> dict[str, str]:
    """The baselines of any of the blocks and their names, in the order of their columns."""
    components = (metrics.get("baseline") or {}).get("pca", {}).get("components", "")
    there = {name for block in found for name in block.others}
    return {k: v.format(components=components) for k, v in _COLUMNS.items() if k in there}


def rows(
    block: Block, names: Iterable[str], replicas: Scores | None = None
) -> Iterator[tuple[str, str, list[str]]]:
    """The name of each score, its value, and those of some baselines, empty where there is none.

    Args:
        block: of scores.
        names: of the baselines.
        replicas: see `table`.
    """
    for key, (label, form, unit) in _ROWS.items():
        if key not in block.own:
            continue
        mine = _number(block.own[key], form, unit)
        seeds = replicas["scores"].get(block.prefix + key) if replicas else None
        if seeds:
            spread = format(seeds["sd"], ".2g" if form.endswith("g") else form)
            mine = f"{seeds['mean']:{form}} ± {spread}{unit}"
        others = (block.others.get(name, {}) for name in names)
        cells = [_number(one[key], form, unit) if key in one else "" for one in others]
        yield label, mine, cells


def warnings(metrics: Scores, lr: float, epochs: int, best_epoch: int | None) -> list[str]:
    """What to try, in a line each, where a baseline beats the run or code units are dead.

    Args:
        metrics: of the run.
        lr: `train.lr`.
        epochs: that were trained.
        best_epoch: whose weights were scored.
    """
    found = _below_a_baseline(metrics, lr, epochs, best_epoch)
    if dead := metrics.get("dead_units"):
        found.append(
            f"{dead} of {metrics['latent_dim']} code units are dead, 0 for every training image: "
            f"try a smaller train.lr (now {lr:g}) or another activation of the code"
        )
    return found


def _below_a_baseline(metrics: Scores, lr: float, epochs: int, best_epoch: int | None) -> list[str]:
    block = blocks(metrics)[0]
    own = block.own["mse"]
    for name, what in _BASELINES.items():
        base = block.others.get(name, {}).get("mse")
        if base is None or own < base:
            continue
        slower = f"a smaller train.lr (now {lr:g})"
        if best_epoch is None or best_epoch >= _STILL_IMPROVING * epochs:
            advice = f"more epochs (now {epochs:,}) or {slower}"
        else:
            advice = (
                f"{slower}, more images or a smaller model (the validation score was best at "
                f"epoch {best_epoch:,} of {epochs:,})"
            )
        where = f" on {block.name}" if block.prefix else ""
        if name == "pca" and "nelbo" in metrics:
            advice += "; a variational model gives up some MSE for its bound"
        return [f"MSE {own:.4g}{where} is no better than the {base:.4g} of {what}: try {advice}"]
    return []


def notes(epochs: int, best_epoch: int | None, patience: int | None) -> list[str]:
    """How to save the epochs that did not help, in one line; empty where they did.

    Args:
        epochs: that were trained.
        best_epoch: whose weights were scored; None without validation images.
        patience: `train.patience`.
    """
    if patience is not None or best_epoch is None or best_epoch > _EARLY * epochs:
        return []
    wasted = epochs - best_epoch
    if wasted < _EARLY_EPOCHS:
        return []
    return [
        f"the best epoch was {best_epoch:,} of {epochs:,}, and its weights were scored; "
        f"train.epochs={best_epoch} saves the other {wasted:,}, and train.patience=N stops after "
        "N epochs without a better one"
    ]


def _number(value: float | None, form: str, unit: str) -> str:
    if value is not None and form == ".5f" and 0 < value < _SMALL:
        form = ".2g"
    return "-" if value is None else f"{value:{form}}{unit}"


def _line(label: str, own: str, others: list[str]) -> str:
    cells = "".join(f"{cell:>{_OTHER}}" for cell in others)
    return f"{label:<{_LABEL}}{own:>{_OWN}}{cells}".rstrip()

"""The scores that lead wherever a run is summed up, and the warning where they disappoint.

A run that was trained on corrupted input is judged by that input first, then by clean input; each
beside the baselines that saw the same. Reads `metrics.json` and `replicas.json`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Scores = Mapping[str, Any]

_ROWS = {
    "nelbo": ("negative ELBO", ".2f", " nats"),
    "mse": ("MSE", ".5f", ""),
    "psnr_db": ("PSNR", ".3g", " dB"),
    "snr_db": ("SNR", ".3g", " dB"),
    "ssim": ("SSIM", ".3g", ""),
}
_LABEL, _OWN, _OTHER = 24, 20, 12
"""Widths of the columns; together they fit into 80 characters."""
_BASELINES = {
    "mean": "the mean training image",
    "the input": "the corrupted input itself",
    "PCA": "PCA with as many dimensions",
}
"""What a run should beat, the easiest first, by how its name starts in `Block.others`."""
_STILL_IMPROVING = 0.8
"""Share of the epochs after which a best epoch says that more of them may help."""


@dataclass(frozen=True)
class Block:
    """The scores under one kind of input."""

    name: str
    own: Scores
    """Those of the run."""
    others: dict[str, Scores]
    """Those of the baselines, by name, for the same input."""
    prefix: str = ""
    """Before the names of its scores in `replicas.json`."""


def blocks(metrics: Scores) -> list[Block]:
    """The input that the run was trained for first; clean input after it, where that differs."""
    baseline = metrics["baseline"]
    pca = f"PCA-{baseline['pca']['components']}"
    others = {pca: baseline["pca"], "mean image": baseline["mean"]}
    denoising = metrics.get("denoising")
    if denoising is None:
        return [Block("clean input", metrics, others)]
    corrupted = {
        pca: denoising.get("pca", {}),
        "mean image": baseline["mean"],
        "the input": denoising["input"],
    }
    return [
        Block(
            f"{denoising['corruption']} input", denoising["output"], corrupted, "denoising.output."
        ),
        Block("clean input", metrics, others),
    ]


def table(metrics: Scores, replicas: Scores | None = None) -> str:
    """Every block's scores beside its baselines', at most 80 characters wide.

    Args:
        metrics: of the run.
        replicas: over its seeds, where there are several: their mean ± standard deviation is
            shown in the place of the first seed's scores.
    """
    found = blocks(metrics)
    names = list(found[0].others)
    own = f"over {len(replicas['seeds'])} seeds" if replicas else "this run"
    lines = [_line(f"test, {metrics['n']:,} images", own, names)]
    for block in found:
        if len(found) > 1:
            lines.append(f"{block.name}, as in training" if block is found[0] else block.name)
        for label, mine, cells in rows(block, replicas):
            lines.append(_line(f"  {label}" if len(found) > 1 else label, mine, cells))
    return "\n".join(lines)


def rows(block: Block, replicas: Scores | None = None) -> Iterator[tuple[str, str, list[str]]]:
    """The name of each score, its value, and those of `block.others`, empty where there is none.

    Args:
        block: of scores.
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
        others = [
            _number(scores[key], form, unit) if key in scores else ""
            for scores in block.others.values()
        ]
        yield label, mine, others


def warnings(metrics: Scores, lr: float, epochs: int, best_epoch: int | None) -> list[str]:
    """What to try, in one line, where a baseline beats the run; empty where none does.

    Args:
        metrics: of the run.
        lr: `train.lr`.
        epochs: that were trained.
        best_epoch: whose weights were scored.
    """
    block = blocks(metrics)[0]
    own = block.own["mse"]
    for name, what in _BASELINES.items():
        base = next((s.get("mse") for n, s in block.others.items() if n.startswith(name)), None)
        if base is None or own < base:
            continue
        improving = best_epoch is None or best_epoch >= _STILL_IMPROVING * epochs
        longer, slower = f"more epochs (now {epochs:,})", f"a smaller train.lr (now {lr:g})"
        advice = f"{longer} or {slower}" if improving else f"{slower} or {longer}"
        where = f" on {block.name}" if block.prefix else ""
        if name == "PCA" and "nelbo" in metrics:
            advice += "; a variational model gives up some MSE for its bound"
        return [f"MSE {own:.4g}{where} is no better than the {base:.4g} of {what}: try {advice}"]
    return []


def _number(value: float | None, form: str, unit: str) -> str:
    return "-" if value is None else f"{value:{form}}{unit}"


def _line(label: str, own: str, others: list[str]) -> str:
    cells = "".join(f"{cell:>{_OTHER}}" for cell in others)
    return f"{label:<{_LABEL}}{own:>{_OWN}}{cells}".rstrip()

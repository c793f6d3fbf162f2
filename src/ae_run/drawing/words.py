"""Scores and levels in words with units, as axes, captions and pages write them."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

PIXEL, NATS = "per pixel", "nats per image"

SCORES = {
    "mse": ("mean squared error", PIXEL),
    "bce": ("cross-entropy", NATS),
    "nll": ("negative log-likelihood of the pixels", NATS),
    "kl": ("KL divergence", NATS),
    "nelbo": ("negative ELBO", NATS),
    "nelbo_at_mean": ("negative ELBO at the mean code", NATS),
    "niwae": ("negative importance-weighted bound", NATS),
    "log_likelihood": ("log p(x), importance-weighted", NATS),
    "total": ("total loss", ""),
    "layer_mse": ("mean squared error of the layer", ""),
    "layer_bce": ("cross-entropy of the layer", ""),
    "psnr_db": ("PSNR", "dB"),
    "snr_db": ("SNR", "dB"),
    "ssim": ("SSIM", ""),
    "accuracy": ("accuracy", ""),
}
"""Name and unit by key."""

_LEVELS = {
    ("gaussian", "std"): "standard deviation of the noise",
    ("grayscale", "strength"): "share of grey",
    ("masking", "fraction"): "share of pixels masked",
    ("salt_pepper", "fraction"): "share of pixels black or white",
    ("occlusion", "fraction"): "share of the image covered",
    ("chain", "strength"): "strength (as configured: 1)",
}


def score(key: str) -> str:
    """A score's name; an unknown key in words."""
    return SCORES.get(key, (key.replace("_", " "),))[0]


def axis(key: str, longest: int | None = None) -> str:
    """A score's name with its unit; with `longest`, in lines of about as many letters."""
    name, unit = SCORES.get(key, (score(key), ""))
    lines = [name] if longest is None else wrap(name, longest)
    lines += [f"({unit})"] * bool(unit)
    return (" " if longest is None else "\n").join(lines)


def level(curve: Mapping[str, Any]) -> str:
    """What the levels of a curve in the metrics measure."""
    name = str(curve.get("level_name", "level"))
    return _LEVELS.get((str(curve.get("corruption", "")), name), name.replace("_", " "))


def curve_title(name: str, curve: Mapping[str, Any]) -> str:
    """The title of a curve: that of the run's own corruption names it."""
    kind = str(curve.get("corruption", "")).replace("_", " ")
    return f"{kind}, as in training" if name == "own" and kind else name.replace("_", " ")


def file_size(count: float) -> str:
    """A number of bytes in B, kB, MB or GB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"

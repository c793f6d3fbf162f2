"""The words and numbers on the page of a run."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ae_run.drawing.run_data import RunData
from ae_run.run_folder import RunFolder

_UNITS = {"mse": "per pixel", "psnr_db": "dB", "snr_db": "dB", "ssim": "", "accuracy": ""}
_NAMES = {
    "mse": "MSE",
    "psnr_db": "PSNR",
    "snr_db": "SNR",
    "ssim": "SSIM",
    "bce": "BCE",
    "kl": "KL",
    "nelbo": "negative ELBO",
    "nelbo_at_mean": "negative ELBO at the mean",
    "log_likelihood": "log p(x), importance-weighted",
}
_IN_NATS = ("bce", "kl", "nelbo", "nelbo_at_mean", "log_likelihood")
_LEADS = {
    "finished": "Finished",
    "running": "Not finished: this page was written during the run, or the run was killed",
    "failed": "Failed",
    "interrupted": "Interrupted",
}


@dataclass(frozen=True)
class Tile:
    """A headline score."""

    name: str
    value: str
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Scores in rows; the first column names the row."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]


def number(value: object, digits: int = 4) -> str:
    """A number with that many significant digits; a dash for None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:#,.{digits}g}".rstrip(".")


def seconds(value: object) -> str:
    """A duration, readable."""
    if not isinstance(value, int | float):
        return "–"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def heading(run: RunData, folder: RunFolder) -> dict[str, str]:
    """The page's title: the run's data × model."""
    data, _, model = run.label.partition("-")
    data = data or str(_get(run.config, "data", "name") or "?")
    model = model or str(_get(run.config, "model", "name") or "?")
    latent_dim = run.metrics.get("latent_dim") or _get(run.config, "model", "latent_dim")
    corruption = _get(run.config, "corruption", "name")
    parts = [f"code of {number(latent_dim)} dimensions"] if latent_dim else []
    if corruption and corruption != "none":
        parts.append(f"trained on input with {corruption} corruption")
    return {
        "data": data,
        "model": model,
        "sub": ", ".join(parts),
        "folder": folder.path.name,
        "run": shlex.quote(f"run={folder.path}"),
    }


def status(run: RunData, folder: RunFolder) -> dict[str, str]:
    """How the run ended, and how to resume it."""
    kind = str(run.run.get("status", "running"))
    text = _LEADS.get(kind, kind)
    done = run.run.get("epochs_done")
    if kind != "finished" and done is not None:
        total = _get(run.config, "train", "epochs")
        text += f", after {number(done)} of {number(total)} epochs" if total else ""
    resume = "" if kind == "finished" else shlex.join(["ae-run", f"resume={folder.path}"])
    error = str(run.run.get("error") or "")
    known = kind if kind in _LEADS else "running"
    return {"kind": known, "text": text, "error": error, "resume": resume}


def tiles(run: RunData) -> list[Tile]:
    """The headline scores on the test set."""
    if not run.metrics:
        return []
    found = []
    pca, mean = (run.score("baseline", name, "mse") for name in ("pca", "mean"))
    mse = run.score("mse")
    for key in ("nelbo", "mse", "psnr_db", "ssim", "snr_db"):
        value = run.score(key)
        if value is None:
            continue
        note = ""
        if key == "mse" and mse is not None:
            ratios = [
                f"{mse / base:.2f} × {name}"
                for name, base in (("PCA", pca), ("mean", mean))
                if base
            ]
            note = " · ".join(ratios)
        unit = "nats per image" if key in _IN_NATS else _UNITS[key]
        found.append(Tile(_NAMES[key], number(value), unit, note))
    return found


def bars(run: RunData) -> list[dict[str, Any]]:
    """Test MSE of the model and the baselines: name, value, length in percent."""
    count = _get(run.metrics, "baseline", "pca", "components") or run.metrics.get("latent_dim")
    pca = f"PCA, {count} components" if count else "PCA"
    values = {
        "this model": run.score("mse"),
        pca: run.score("baseline", "pca", "mse"),
        "the mean image": run.score("baseline", "mean", "mse"),
    }
    known = {name: value for name, value in values.items() if value is not None}
    if len(known) < 2:
        return []
    largest = max(known.values()) or 1.0
    return [
        {"name": name, "value": number(value), "share": round(100 * value / largest, 2)}
        for name, value in known.items()
    ]


def score_tables(run: RunData) -> list[Table]:
    """Every score, in tables."""
    metrics = run.metrics
    tables = [_seeds(run.replicas)] if run.replicas else []
    nats = [[_NAMES[key], number(metrics[key])] for key in _IN_NATS if key in metrics]
    if nats:
        tables.append(Table("Likelihood", "Nats per image.", ["term", "test"], nats))
    if isinstance(denoising := metrics.get("denoising"), Mapping):
        level = f"{denoising.get('level_name', 'level')} {denoising.get('level', 0):g}"
        tables.append(
            Table(
                "Denoising",
                f"{denoising.get('corruption', 'corruption')}, {level}: the corrupted input and "
                "the output, each against the clean image.",
                ["score", "input", "output"],
                [
                    [_name(key), number(_get(denoising, "input", key)), number(value)]
                    for key, value in (denoising.get("output") or {}).items()
                ],
            )
        )
    if isinstance(probe := metrics.get("probe"), Mapping) and probe:
        rows = [[str(name), number(_get(one, "accuracy"))] for name, one in probe.items()]
        note = "Test accuracy of classifiers trained on the frozen codes."
        tables.append(
            Table("Linear probe and k-NN on the codes", note, ["classifier", "accuracy"], rows)
        )
    for key, curve in (metrics.get("robustness") or {}).items():
        tables.append(_robustness(key, curve))
    return tables


def _seeds(replicas: Mapping[str, Any]) -> Table:
    seeds = replicas["seeds"]
    rows = [
        [name.replace(".", ": ").replace("_", " "), number(one["mean"]), number(one["sd"], 2)]
        for name, one in replicas["scores"].items()
    ]
    note = f"Mean and standard deviation on test over seeds {seeds[0]} to {seeds[-1]}."
    return Table(f"Over {len(seeds)} seeds", note, ["score", "mean", "sd"], rows)


def _robustness(key: str, curve: Mapping[str, Any]) -> Table:
    scores = [name for name in _UNITS if name in curve]
    header = [str(curve.get("level_name", "level"))]
    columns: list[list[object]] = [list(curve.get("levels", ()))]
    for name in scores:
        header.append(_name(name))
        columns.append(list(curve[name]))
        if f"input_{name}" in curve:
            header.append(f"{_name(name)} of the input")
            columns.append(list(curve[f"input_{name}"]))
    rows = [[f"{row[0]:g}", *map(number, row[1:])] for row in zip(*columns, strict=False)]
    note = "Against the clean image, by the level of the corruption."
    return Table(f"Robustness: {key.replace('_', ' ')}", note, header, rows)


def facts(run: RunData) -> list[tuple[str, str]]:
    """Setup, hardware, versions and times."""
    of = run.run
    device = of.get("device_name") or of.get("device")
    if device and of.get("device") and device != of["device"]:
        device = f"{of['device']} ({device})"
    versions = of.get("versions") or {}
    phases = of.get("phases") or {}
    rate = of.get("train_images_per_second")
    epochs = number(of.get("epochs_done"))
    if of.get("best_epoch") is not None:
        epochs += f", best: {of['best_epoch']}"
        epochs += f" (by {of['monitor'].replace('_', ' ')})" if of.get("monitor") else ""
    rows = {
        "seed": number(of["seed"]).replace(",", "") if "seed" in of else None,
        "device": device,
        "precision": of.get("precision"),
        "threads": of.get("threads"),
        "parameters": number(of["parameters"]) if "parameters" in of else None,
        "epochs": epochs if "epochs_done" in of else None,
        "training speed": f"{rate:,.0f} images/s" if isinstance(rate, int | float) else None,
        # A run in progress has written its phases only.
        "time": seconds(of.get("wall_seconds") or sum(phases.values())) if phases else None,
        "of which": ", ".join(f"{name} {seconds(took)}" for name, took in phases.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "git revision": of.get("git_revision"),
    }
    return [(name, str(value)) for name, value in rows.items() if value not in (None, "")]


def data_facts(run: RunData) -> list[tuple[str, str]]:
    """Size, split and classes of the data set."""
    data = run.run.get("data")
    if not isinstance(data, Mapping):
        return []
    shape = data.get("image_shape") or []
    splits = [
        f"{name} {number(data[name])}" for name in ("train", "validation", "test") if name in data
    ]
    twins = data.get("twins") or {}
    twin_text = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in twins.items())
    names = [str(name) for name in run.arrays.get("class_names", ())]
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    rows = {
        "images": number(data.get("images")),
        "split": " · ".join(splits),
        "image": " × ".join(map(str, shape)) + (" (channels × height × width)" if shape else ""),
        "classes": f"{len(names)}: {listed}" if names else "",
        "skipped files": number(len(data.get("skipped") or ())),
        "exact duplicates": twin_text,
        "fingerprint": str(data.get("fingerprint") or "")[:16],
    }
    return [(name, value) for name, value in rows.items() if value]


def skipped(run: RunData, at_most: int = 50) -> dict[str, Any]:
    """Names of the first unreadable files, and the number of further ones."""
    names = [str(name) for name in _get(run.run, "data", "skipped") or ()]
    return {"names": names[:at_most], "more": max(0, len(names) - at_most)}


def _name(key: str) -> str:
    unit = _UNITS.get(key)
    return _NAMES.get(key, key) + (f" ({unit})" if unit else "")


def _get(content: object, *path: str) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content

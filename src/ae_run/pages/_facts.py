"""The words on the page of a run: title, status, setup and data."""

import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any

from ae_run.drawing.run_data import RunData
from ae_run.drawing.words import score
from ae_run.pages._scores import number
from ae_run.run_folder import WEIGHTS, RunFolder

_LEADS = {
    "finished": "Finished",
    "running": "Not finished: this page was written during the run, or the run was killed",
    "failed": "Failed",
    "interrupted": "Interrupted",
}


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
    if path := _get(run.config, "data", "path"):
        data += f" {PurePath(str(path)).name}"
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
        "name": str(run.config.get("name") or ""),
        "tags": ", ".join(map(str, run.config.get("tags") or ())),
        "notes": str(run.config.get("notes") or ""),
        "folder": folder.path.name,
        "run": shlex.quote(f"run={folder.path}"),
    }


def status(run: RunData, folder: RunFolder) -> dict[str, Any]:
    """How the run ended, what it warns of, and how to resume it."""
    kind = str(run.run.get("status", "running"))
    text = _LEADS.get(kind, kind)
    done = run.run.get("epochs_done")
    if kind != "finished" and done is not None:
        total = _get(run.config, "train", "epochs")
        text += f", after {number(done)} of {number(total)} epochs" if total else ""
    warnings = [*_warnings(run), *(f"left out: {line}" for line in run.damaged)]
    if kind == "finished" and warnings:
        kind, text = "warned", "Finished, with a warning"
    # Without a finished epoch there is nothing to resume from.
    resume = kind not in ("finished", "warned") and len(run.history) > 0
    return {
        "kind": kind if kind in (*_LEADS, "warned") else "running",
        "text": text,
        "error": str(run.run.get("error") or ""),
        "warnings": warnings,
        "notes": [str(line) for line in run.run.get("notes") or ()],
        "stopped_early": str(run.run.get("stopped_early") or ""),
        "resume": shlex.join(["ae-run", f"resume={folder.path}"]) if resume else "",
    }


def _warnings(run: RunData) -> list[str]:
    """Those of the run; of an older one, whether it is worse than what knows nothing."""
    known = run.run.get("warnings")
    if known is not None:
        return [str(line) for line in known]
    trained = "denoising" in run.metrics
    own = run.score("denoising", "output", "mse") if trained else run.score("mse")
    others = {
        "the mean image": run.score("baseline", "mean", "mse"),
        "the corrupted input itself": run.score("denoising", "input", "mse"),
    }
    return [
        f"MSE {number(own)} is no better than that of {name}, {number(other)}: train longer, or "
        "with a smaller train.lr"
        for name, other in others.items()
        if own is not None and other is not None and own >= other
    ]


def facts(run: RunData, folder: RunFolder) -> list[tuple[str, str]]:
    """Setup, hardware, versions and times."""
    of = run.run
    device = of.get("device_name") or of.get("device")
    threads = of.get("threads")
    if device and of.get("device") and device != of["device"]:
        # The processor's name tells its threads, which have their own line.
        device = re.sub(r" \(\d+ threads?\)$", "", str(device))
        device = f"{of['device']}: {device}"
    versions = of.get("versions") or {}
    rate = of.get("train_images_per_second")
    epochs = number(of.get("epochs_done"))
    if of.get("best_epoch") is not None:
        epochs += f", best: {of['best_epoch']}"
        epochs += f" (by {_monitor(of['monitor'])})" if of.get("monitor") else ""
    rows = {
        "seed": number(of["seed"]).replace(",", "") if "seed" in of else None,
        "device": device,
        "precision": of.get("precision"),
        "threads": threads,
        "images": of.get("images"),
        "parameters": number(of["parameters"]) if "parameters" in of else None,
        "epochs": epochs if "epochs_done" in of else None,
        "training speed": f"{rate:,.0f} images/s" if isinstance(rate, int | float) else None,
        "trained": _trained(folder),
        "time": _time(of),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "git revision": of.get("git_revision"),
    }
    return [(name, str(value)) for name, value in rows.items() if value not in (None, "")]


def _monitor(column: str) -> str:
    split, _, key = column.partition("_")
    return f"{split} {score(key)}"


def _time(of: Mapping[str, Any]) -> str | None:
    """The whole time, and that of each phase that took any."""
    phases = of.get("phases") or {}
    if not phases:
        return None
    parts = [f"{name} {seconds(took)}" for name, took in phases.items() if took >= 0.05]
    # A run in progress has written its phases only.
    return f"{seconds(of.get('wall_seconds') or sum(phases.values()))}: {', '.join(parts)}"


def _trained(folder: RunFolder) -> str | None:
    """When the kept weights were written."""
    weights = folder.file(WEIGHTS)
    if not weights.is_file():
        return None
    return f"{datetime.fromtimestamp(weights.stat().st_mtime).astimezone():%Y-%m-%d %H:%M}"


def data_facts(run: RunData) -> list[tuple[str, str]]:
    """Size, split and classes of the data set."""
    data = run.run.get("data")
    if not isinstance(data, Mapping):
        return []
    shape = data.get("image_shape") or []
    splits = [
        f"{name} {number(data[name])}" for name in ("train", "validation", "test") if name in data
    ]
    names = [str(name) for name in run.arrays.get("class_names", ())]
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    rows = {
        "path": str(_get(run.config, "data", "path") or ""),
        "images": number(data.get("images")),
        "split": " · ".join(splits),
        "image": " × ".join(map(str, shape)) + (" (channels × height × width)" if shape else ""),
        "classes": f"{len(names)}: {listed}" if names else "",
        "skipped files": number(len(data.get("skipped") or ())),
        "exact duplicates": _duplicates(data),
        "fingerprint": str(data.get("fingerprint") or "")[:16],
    }
    return [(name, value) for name, value in rows.items() if value]


def _duplicates(data: Mapping[str, Any]) -> str:
    """How many images of a split are also in one that the model was fitted or chosen with."""
    texts = []
    for key, count in (data.get("twins") or {}).items():
        split, _, where = str(key).partition("_in_")
        if not count:
            continue
        of = f" of {number(data[split])}" if split in data else ""
        also = f" are also in {where.replace('_', ' ')}" if where else ""
        texts.append(f"{number(count)}{of} {split} images{also}")
    return "; ".join(texts) or ("none" if data.get("twins") else "")


def skipped(run: RunData, at_most: int = 50) -> dict[str, Any]:
    """Names of the first unreadable files, and the number of further ones."""
    names = [str(name) for name in _get(run.run, "data", "skipped") or ()]
    return {"names": names[:at_most], "more": max(0, len(names) - at_most)}


def _get(content: object, *path: str) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content

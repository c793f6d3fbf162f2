"""Upgrade the configs of older run folders to this version.

A key added since a config was saved gets the value that matches the behaviour before the key
existed, so that an older run is resumed and scored as it was started.
"""

import copy
from collections.abc import Mapping
from typing import Any

_AT_ROOT: dict[str, Any] = {
    "name": None,
    "tags": [],
    "notes": None,
    "runs": None,
    **dict.fromkeys(("format", "output")),
}
_ADDED: dict[str, dict[str, Any]] = {
    "data": {"binarize": "none", "memory": None},
    "train": {"plateau": None, "init_from": None, "loggers": None},
    "figures": {"width": None, "titles": True, "dark_page": False},
    "evaluate": {"frechet": None, "denoisers": None},
    "evaluate.latent": {"spread_steps": []},
    "evaluate.convergence": {"marks": []},
    "evaluate.probe": {
        "sgd_softmax": {"batch_size": 32, "lr": 0.01, "epochs": 10},
        "input": "clean",
        "baselines": [],
    },
    "evaluate.probe.mlp": {"standardize": True, "keep": "best", "output": "logits"},
}
_GAUSSIAN = {"fixed": False, "rescale": False}
_VAE = {"objective": "elbo", "importance_samples": 1}
_WITH_OUTPUT_BIAS = ("conv_ae", "dense_ae", "contractive", "vae")


def upgraded(saved: Mapping[str, Any]) -> dict[str, Any]:
    """A saved config with the keys added since; existing values stay."""
    config: dict[str, Any] = _with_noise_options(saved)
    for path, keys in _ADDED.items():
        group: Any = config
        for part in path.split("."):
            group = group.get(part) if isinstance(group, dict) else None
        if isinstance(group, dict):
            group.update({key: value for key, value in keys.items() if key not in group})
    # What a run folder says of code must never decide what is imported.
    config = copy.deepcopy(_AT_ROOT) | config | {"code": None}
    data = config.get("data")
    if isinstance(data, dict) and "suggested_epochs" in data:
        # Such a config has a number of epochs, so that no suggestion counts.
        del data["suggested_epochs"]
        data.setdefault("suggested_steps", 1)
    model = config.get("model")
    if isinstance(model, dict) and model.get("name") in _WITH_OUTPUT_BIAS:
        model.setdefault("output_bias", -1.5)
    if isinstance(model, dict) and model.get("name") == "vae":
        config["model"] = _VAE | model
    return config


def upgraded_texts(saved: Mapping[str, str]) -> dict[str, str]:
    """The same for a config as dotted keys and texts, of which only those that it needs are there.

    A study keeps them to tell one search from another.
    """
    texts = {key: text for key, text in saved.items() if key != "data.suggested_epochs"}
    added: dict[str, Any] = {}
    if "train.epochs" in saved:
        added |= {f"train.{key}": value for key, value in _ADDED["train"].items()}
    if saved.get("model.name") in _WITH_OUTPUT_BIAS:
        added["model.output_bias"] = -1.5
    if "data.name" in saved:
        added |= {f"data.{key}": value for key, value in _ADDED["data"].items()}
    if saved.get("model.name") == "vae":
        added |= {f"model.{key}": value for key, value in _VAE.items()}
    if saved.get("corruption.name") == "gaussian":
        added |= {f"corruption.{key}": value for key, value in _GAUSSIAN.items()}
    if "encoder" in saved:
        mlp = _ADDED["evaluate.probe.mlp"]
        added |= {f"evaluate.probe.mlp.{key}": value for key, value in mlp.items()}
    return {key: str(value) for key, value in added.items()} | texts


def _with_noise_options(content: Any) -> Any:
    """A copy in which every Gaussian corruption, at any depth, has all of its options."""
    if isinstance(content, list):
        return [_with_noise_options(item) for item in content]
    if not isinstance(content, Mapping):
        return content
    copied = {key: _with_noise_options(value) for key, value in content.items()}
    if copied.get("name") == "gaussian" and "std" in copied:
        copied = _GAUSSIAN | copied
    return copied

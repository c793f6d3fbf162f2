"""A run folder as `ae-run` writes one, made up in numpy within a fraction of a second."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ae_run.run_folder import RunFolder
from ae_run.schema import FiguresConfig

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def images_of(labels: np.ndarray, channels: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 (n, C, H, W): two blobs and a ring, placed by class, a little different each time."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle = (labels * 2.4 + rng.normal(0, 0.15, len(labels)))[:, None, None]
    radius = 0.3 + 0.25 * (labels % 3)[:, None, None] / 2 + rng.normal(0, 0.03, (len(labels), 1, 1))
    blob = np.exp(-((x - 0.6 * np.cos(angle)) ** 2 + (y - 0.6 * np.sin(angle)) ** 2) / 0.05)
    ring = np.exp(-((np.hypot(x, y) - radius) ** 2) / 0.01)
    gray = np.clip(blob + ring, 0, 1)[:, None]
    tint = np.ones((len(labels), 1, 1, 1))
    if channels == 3:
        phase = labels[:, None] * 0.7 + np.array([0, 2.1, 4.2])
        tint = (0.5 + 0.5 * np.cos(phase))[:, :, None, None]
    return (255 * gray * tint).astype(np.uint8)


def blur(images: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """What a mediocre autoencoder makes of images."""
    soft = images.astype(float)
    for axis in (-1, -2):
        soft = (np.roll(soft, 1, axis) + 2 * soft + np.roll(soft, -1, axis)) / 4
    return np.clip(soft + rng.normal(0, noise * 255, soft.shape), 0, 255).astype(np.uint8)


def corrupt(images: np.ndarray, kind: str, level: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 images with noise, or with a black square in the middle."""
    if kind == "gaussian":
        noisy = images / 255 + rng.normal(0, level, images.shape)
        return (255 * noisy.clip(0, 1)).astype(np.uint8)
    size = images.shape[-1]
    side = round(size * level**0.5)
    hidden = images.copy()
    start = (size - side) // 2
    hidden[..., start : start + side, start : start + side] = 0
    return hidden


def make(
    path: Path,
    *,
    channels: int = 1,
    size: int = 28,
    classes: int = 10,
    latent_dim: int = 10,
    epochs: int = 40,
    corrupted: bool = False,
    vae: bool = False,
    stages: int = 1,
    names: tuple[str, ...] | None = None,
) -> RunFolder:
    """A finished run's folder, without figures and page."""
    path.mkdir(parents=True)
    folder = RunFolder(path)
    rng = np.random.default_rng(0)
    names = names or (
        CLASSES[:classes] if classes <= 10 else tuple(f"class {k}" for k in range(classes))
    )
    model = "vae" if vae else "conv_ae"
    label = f"digits-{model}"
    folder.write_yaml("config.yaml", _config(model, latent_dim, epochs, corrupted))
    folder.file("overrides.txt").write_text(f"data=digits\nmodel={model}\n")
    folder.file("log.txt").write_text("epoch 1\n")
    folder.write_json("run.json", _run(label, epochs, size, channels, vae))
    folder.write_csv("history.csv", _history(epochs, stages, vae, rng))
    folder.write_json("metrics.json", _metrics(latent_dim, corrupted, vae))
    folder.write_arrays(
        "artifacts.npz",
        {
            "class_names": np.array(names),
            **_images(channels, size, classes, corrupted, rng),
            **_codes(channels, size, classes, latent_dim, rng),
            "test_mse": rng.gamma(4, 0.0015, 360).astype(np.float32),
        },
    )
    return folder


def options(*formats: str, style: str = "default", dpi: int = 50, **more: object) -> FiguresConfig:
    """Options for quick drawings."""
    look = {"style": style, "dpi": dpi, "width": None, "titles": True, "dark_page": False}
    return FiguresConfig.model_validate({"format": formats or ("png",), **look, **more})


def change_json(folder: RunFolder, name: str, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    content = json.loads(folder.file(name).read_text()) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    folder.write_json(name, kept)


def change_arrays(folder: RunFolder, **changes: np.ndarray) -> None:
    """Add or replace arrays."""
    folder.write_arrays("artifacts.npz", folder.read_arrays("artifacts.npz") | changes)


def _config(model: str, latent_dim: int, epochs: int, corrupted: bool) -> dict[str, Any]:
    corruption: dict[str, Any] = {"name": "gaussian", "mean": 0.0, "std": 0.3, "clip": True}
    return yaml.safe_load(
        yaml.safe_dump(
            {
                "task": "train",
                "seed": 0,
                "device": "auto",
                "data": {"name": "digits", "limit": None, "validation_fraction": 0.2},
                "corruption": corruption if corrupted else {"name": "none"},
                "model": {"name": model, "latent_dim": latent_dim, "channels": [8, 16, 32]},
                "train": {"epochs": epochs, "batch_size": 128, "lr": 5e-3, "optimizer": "adamw"},
                "figures": {"format": ["png"], "style": "default", "dpi": 150},
            }
        )
    )


def _run(label: str, epochs: int, size: int, channels: int, vae: bool) -> dict[str, Any]:
    return {
        "status": "finished",
        "command": "ae-run data=digits 'model.channels=[8,16,32]'",
        "label": label,
        "versions": {"ae-run": "0.1.0", "torch": "2.15.0", "python": "3.11.9", "numpy": "2.4.6"},
        "device": "cpu",
        "device_name": "Example CPU @ 2.00 GHz",
        "precision": "float32",
        "threads": 2,
        "seed": 0,
        "git_revision": "0123456789abcdef0123456789abcdef01234567",
        "data": {
            "images": 1797,
            "train": 1149,
            "validation": 288,
            "test": 360,
            "image_shape": [channels, size, size],
            "skipped": [],
            "twins": {"train": 0, "validation": 0, "test": 0},
            "fingerprint": "ab" * 32,
        },
        "parameters": 59_203,
        "epochs_done": epochs,
        "best_epoch": max(1, epochs - 3),
        "monitor": "validation_nelbo" if vae else "validation_mse",
        "wall_seconds": 14.2,
        "train_images_per_second": 12345.6,
        "phases": {"data": 0.4, "train": 11.0, "evaluate": 1.3, "figures": 1.4, "report": 0.1},
    }


def _history(epochs: int, stages: int, vae: bool, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, epochs + 1):
        fall = 0.006 + 0.06 * np.exp(-epoch / (epochs / 6)) * rng.uniform(0.95, 1.05)
        row: dict[str, Any] = {
            "epoch": epoch,
            "stage": f"layer {1 + (epoch - 1) * stages // epochs}" if stages > 1 else "all",
            "lr": 5e-3 * np.sin(np.pi * epoch / (epochs + 1)),
            "train_mse": fall,
        }
        if vae:
            kl = 18 * (1 - np.exp(-epoch / 5))
            row |= {"train_bce": 3000 * fall + 80, "train_kl": kl}
            row |= {"train_total": row["train_bce"] + kl, "validation_bce": 3000 * fall + 84}
            row |= {"validation_kl": kl + 0.2, "validation_nelbo": 3000 * fall + 84 + kl}
        else:
            row["train_total"] = fall
        row["validation_mse"] = fall * 1.1 + 0.0005 * rng.uniform()
        rows.append(row | {"train_seconds": 0.1, "validation_seconds": 0.01})
    return rows


def _metrics(latent_dim: int, corrupted: bool, vae: bool) -> dict[str, Any]:
    def scores(mse: float) -> dict[str, float]:
        psnr = -10 * float(np.log10(mse))
        return {"mse": mse, "psnr_db": psnr, "snr_db": psnr - 9, "ssim": 1 / (1 + 8 * mse)}

    metrics: dict[str, Any] = {
        "n": 360,
        "latent_dim": latent_dim,
        **scores(0.0059),
        "baseline": {"pca": {"mse": 0.0096}, "mean": {"mse": 0.0521}},
        "robustness": {},
    }
    kinds = {
        "gaussian": ("std", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0], 0.25),
        "occlusion": ("fraction", [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4], 0.3),
    }
    for key, (level_name, levels, strength) in kinds.items():
        out = [scores(0.0059 + 0.12 * level**1.5) for level in levels]
        into = [scores(1e-9 + strength * level**2) for level in levels]
        metrics["robustness"][key] = {
            "corruption": key,
            "level_name": level_name,
            "levels": levels,
            **{name: [one[name] for one in out] for name in out[0]},
            **{f"input_{name}": [one[name] for one in into] for name in into[0]},
            **{f"pca_{name}": [one[name] for one in into] for name in into[0]},
        }
    if corrupted:
        metrics["denoising"] = {
            "corruption": "gaussian",
            "curve": "gaussian",
            "level_name": "std",
            "level": 0.3,
            "input": scores(0.0225),
            "output": scores(0.0088),
        }
        metrics["denoisers"] = {
            "n": 500,
            "tuned_on": 200,
            "best": "total_variation",
            "model": scores(0.0088),
            "median": {"size": 3, **scores(0.017)},
            "total_variation": {"weight": 0.2, **scores(0.014)},
        }
    if vae:
        metrics |= {
            "bce": 92.1,
            "kl": 18.2,
            "nelbo": 110.3,
            "nelbo_at_mean": 108.0,
            "log_likelihood": -106.9,
            "kl_per_dim": (18.2 * np.exp(-np.arange(latent_dim)) * 0.632).tolist(),
        }
    return metrics


def _images(
    channels: int, size: int, classes: int, corrupted: bool, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    def some(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, classes, n)
        return images_of(labels, channels, size, rng), labels

    arrays: dict[str, np.ndarray] = {}
    arrays["samples_images"], arrays["samples_labels"] = some(40)
    target, arrays["reconstruction_labels"] = some(10)
    given = corrupt(target, "gaussian", 0.3, rng) if corrupted else target
    arrays |= {"reconstruction_target": target, "reconstruction_input": given}
    arrays["reconstruction_output"] = blur(target, 0.02, rng)
    arrays["worst_target"], _ = some(10)
    arrays["worst_output"] = blur(blur(arrays["worst_target"], 0.1, rng), 0.1, rng)
    arrays["worst_mse"] = np.linspace(0.05, 0.03, 10).astype(np.float32)
    for key, levels in {
        "gaussian": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0],
        "occlusion": [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4],
    }.items():
        inputs = np.stack([corrupt(target[:4], key, level, rng) for level in levels])
        arrays[f"robustness_{key}_inputs"] = inputs
        arrays[f"robustness_{key}_outputs"] = blur(inputs, 0.0, rng)
    return arrays


def _codes(
    channels: int, size: int, classes: int, latent_dim: int, rng: np.random.Generator, n: int = 300
) -> dict[str, np.ndarray]:
    labels = rng.integers(0, classes, n)
    centers = rng.normal(0, 3, (classes, max(2, latent_dim)))
    codes = centers[labels] + rng.normal(0, 0.6, (n, max(2, latent_dim)))
    arrays = {
        "codes": codes[:, :latent_dim].astype(np.float32),
        "codes_labels": labels,
        "codes_2d": codes[:, :2].astype(np.float32),
        "codes_2d_axes": np.array(["code 1", "code 2"]),
        "codes_thumbnails": images_of(labels, channels, size, rng),
    }
    if latent_dim > 2:
        arrays["codes_2d_axes"] = np.array(["PC 1 (34 % of variance)", "PC 2 (21 % of variance)"])
    return arrays


def add_more(folder: RunFolder) -> None:
    """Add what only a richer evaluation gives: latent space, probe, snapshots, convergence."""
    rng = np.random.default_rng(1)
    arrays = folder.read_arrays("artifacts.npz")
    classes = len(arrays["class_names"])
    channels, size = arrays["samples_images"].shape[1:3]
    every = np.arange(classes)

    def decoded(labels: np.ndarray, noise: float = 0.01) -> np.ndarray:
        flat = blur(images_of(labels.ravel(), channels, size, rng), noise, rng)
        return flat.reshape(*labels.shape, channels, size, size)

    codes, labels = arrays["codes"], arrays["codes_labels"]
    grid = np.add.outer(np.arange(12), np.arange(12)) % classes
    ends = rng.integers(0, classes, (4, 2))
    steps = np.where(np.arange(11) < 5, ends[:, :1], ends[:, 1:])
    target = images_of(every[:8] % classes, channels, size, rng)
    frames = [target]
    for _ in range(15):
        frames.append(blur(frames[-1], 0.0, rng))
    more = {
        "centroids_images": decoded(every),
        **{f"paths_{kind}_images": decoded(steps) for kind in ("centroids", "images", "spherical")},
        **{f"paths_{kind}_labels": ends for kind in ("centroids", "images", "spherical")},
        "centroid_samples_images": decoded(np.tile(every, (5, 1)), 0.1),
        "centroid_samples_variances": np.array([0, 2.5, 5, 7.5, 10]),
        "random_samples_images": decoded(rng.integers(0, classes, 40), 0.05),
        "denoisers_output": blur(arrays["reconstruction_target"], 0.1, rng),
        "nearest_samples_images": decoded(rng.integers(0, classes, 40)),
        "nearest_samples_mse": rng.uniform(0.01, 0.05, 40),
        "nearest_test_targets": decoded(rng.integers(0, classes, 40)),
        "nearest_test_images": decoded(rng.integers(0, classes, 40)),
        "nearest_test_mse": rng.uniform(0.01, 0.05, 40),
        "latent_grid_images": decoded(grid),
        "latent_grid_dims": np.array([0, 1]),
        "latent_grid_values": np.linspace(-3, 3, 12),
        "dims_variance": codes.var(0),
        "dims_correlation": np.corrcoef(codes.T).reshape(codes.shape[1], -1),
        "dims_singular_values": np.sort(rng.gamma(2, 1, (20, codes.shape[1])))[:, ::-1],
        "traversals_images": decoded(np.tile(every[:11] % classes, (codes.shape[1], 1))),
        "traversals_dims": np.arange(codes.shape[1]),
        "traversals_importance": codes.var(0),
        "traversals_values": np.linspace(-2, 2, min(11, classes)),
        "tsne_2d": codes[:, :2] * 5 + rng.normal(0, 2, (len(codes), 2)),
        "tsne_labels": labels,
        "codes_3d": np.pad(codes, ((0, 0), (0, 3)))[:, :3] + rng.normal(0, 0.5, (len(codes), 3)),
        "tsne_3d": rng.normal(0, 9, (classes, 3))[labels] + rng.normal(0, 2, (len(codes), 3)),
        "convergence_frames": np.stack(frames, axis=1),
        "convergence_steps": np.arange(16),
        "snapshots_images": np.stack([blur(target, 0.3 / e, rng) for e in (1, 2, 5, 10, 20, 40)]),
        "snapshots_epochs": np.array([1, 2, 5, 10, 20, 40]),
        "snapshots_target": target,
    }
    if codes.shape[1] == 2:
        more["path_2d_points"] = np.linspace(codes[0], codes[1], 11)
    change_arrays(folder, **more)
    confusion = 30 * np.eye(classes, dtype=int) + rng.integers(0, 3, (classes, classes))
    accuracy = float(np.trace(confusion) / confusion.sum())
    one = {"accuracy": accuracy, "confusion": confusion.tolist()}
    change_json(folder, "metrics.json", probe={"softmax": one, "mlp": one, "knn": one})

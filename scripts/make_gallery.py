"""Make the README's gallery: run the command under each picture and keep one of its figures.

`AE_RUN_DATA=… python scripts/make_gallery.py [NAME …]` writes `outputs/reference/gallery/`; a run
that already exists below `outputs/gallery/` is resumed or reused.
"""

import shlex
import shutil
import sys
from pathlib import Path

import ae_run

ROOT = Path(__file__).resolve().parent.parent
RUNS, OUT = ROOT / "outputs" / "gallery", ROOT / "outputs" / "reference" / "gallery"

# name → (the command, the figure to keep)
GALLERY = {
    "conv_ae": ("data=mnist", "reconstructions"),
    "dense_ae": ("model=dense_ae data=mnist 'evaluate.tsne=[2]'", "tsne"),
    "denoising": ("model=denoising data=mnist corruption.std=0.5", "denoising"),
    "contractive": ("model=contractive", "convergence"),
    "randomized": ("model=randomized data=mnist model.solver=ridge", "robustness_examples"),
    "vae": ("model=vae data=notmnist", "latent_grid"),
    "sparse": ("experiment=sparse_mnist", "reconstructions"),
    "wae": ("experiment=wae_mnist", "random_samples"),
    "colorization": (
        "model=denoising data=colored_digits corruption=grayscale model.latent_dim=32",
        "denoising",
    ),
}


def make(name: str) -> int:
    """Run one command, unless its run is finished, and keep its figure; return the exit code."""
    command, figure = GALLERY[name]
    folder = RUNS / name
    if not folder.exists():
        args = [*shlex.split(command), f"run_dir={folder}"]
    else:
        args = [f"resume={folder}"]
    code = ae_run.main(args)
    if code == 0:
        OUT.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "figures" / f"{figure}.png", OUT / f"{name}.png")
    return code


def main() -> int:
    """Make the named pictures, or all."""
    names = sys.argv[1:] or list(GALLERY)
    for name in names:
        if name not in GALLERY:
            print(f"{name}: no such picture; choices: {', '.join(GALLERY)}", file=sys.stderr)
            return 2
    return max(make(name) for name in names)


if __name__ == "__main__":
    sys.exit(main())

"""Ways to train the same net on MNIST; runs one of them and prints one JSON line.

`python scripts/contenders.py ours --net lab --batch 128`; `scripts/benchmark.py` calls it.

- ours: the loop that `ae-run` runs.
- hand: a hand-written loop on tensors in memory.
- reports: torchvision's MNIST, `ToTensor` and a shuffling `DataLoader`, as in the notebooks of
  the student reports.
- pythae, lightning: their trainers, if installed.
"""

import argparse
import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ae_run import data, models
from ae_run.composition import compose
from ae_run.config import validate
from ae_run.processes import peak_memory
from ae_run.run_folder import RunFolder
from ae_run.training import Run, fit, precision

NETS = {
    "lab": [],
    "wide": ["model.channels=[64,128,128]", "model.widths=[128]"],
}


class Task:
    """The training task, and the times of its events."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        overrides = [
            "data=mnist",
            f"data.limit={args.images}",
            "data.validation_fraction=0",
            f"train.epochs={args.epochs}",
            f"train.batch_size={args.batch}",
            f"train.precision={args.precision}",
            *NETS[args.net],
            *args.set,
        ]
        if args.noise:
            overrides += ["corruption=gaussian", f"corruption.std={args.noise}"]
        self.config = validate(compose(*overrides))
        self.device = torch.device(args.device)
        self.epoch_seconds: list[float] = []
        self.first_step: float | None = None

    def model(self) -> models.Autoencoder:
        """The net, the same for all contenders."""
        torch.manual_seed(0)
        model = models.build(self.config.model, (1, 28, 28))
        name = precision.choose(self.args.precision, model, self.device)
        self.bfloat16 = name == "bfloat16"
        return model.to(self.device)

    def step_begins(self) -> None:
        """Note the time of the first training step."""
        if self.first_step is None:
            self.first_step = time.time() - self.args.started

    def corrupt(self, x: Tensor) -> Tensor:
        """Add the noise, as one would write it by hand."""
        return (x + self.args.noise * torch.randn_like(x)).clamp(0, 1) if self.args.noise else x

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Autocast to bfloat16 if the net is trained in it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def wait(self) -> None:
        """Wait until the device has finished."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def ours(task: Task) -> None:
    """`ae-run`'s own loop."""
    model = task.model()
    dataset = data.load(task.config.data)
    with tempfile.TemporaryDirectory() as folder:
        chosen = precision.choose(task.args.precision, model, task.device)
        run = Run(
            task.config, model, dataset, RunFolder(Path(folder), quiet=True), task.device, chosen
        )
        for row in fit(run):
            if task.first_step is None:
                task.first_step = time.time() - task.args.started - row["train_seconds"]
            task.epoch_seconds.append(row["train_seconds"])


def plain_loop(task: Task, batches: Callable[[], Iterator[Tensor]]) -> None:
    """The usual training loop, over batches of clean images."""
    model = task.model()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    criterion = nn.MSELoss()
    for _ in range(task.args.epochs):
        task.wait()
        started = time.perf_counter()
        losses = []
        for batch in batches():
            task.step_begins()
            target = batch.to(task.device)
            with task.autocast():
                output = model.reconstruct(task.corrupt(target))
            loss = criterion(output.float(), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.stack(losses).mean().item()
        task.epoch_seconds.append(time.perf_counter() - started)


def hand(task: Task) -> None:
    """A hand-written loop on tensors in the device's memory."""
    images = torch.from_numpy(data.load(task.config.data).train.images[:])
    images = images.to(task.device).float() / 255
    size = task.args.batch

    def batches() -> Iterator[Tensor]:
        order = torch.randperm(len(images), device=task.device)
        for start in range(0, len(images), size):
            yield images[order[start : start + size]]

    plain_loop(task, batches)


def reports(task: Task) -> None:
    """torchvision, `ToTensor` and `DataLoader`, image by image."""
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms

    dataset = _torchvision_mnist(task, transforms.ToTensor())
    loader = DataLoader(
        Subset(dataset, range(min(task.args.images, len(dataset)))),
        batch_size=task.args.batch,
        shuffle=True,
        num_workers=task.args.workers,
    )
    plain_loop(task, lambda: (images for images, _ in loader))


def unpack_mnist(scratch: Path) -> None:
    """Unpack torchvision's files into a separate folder, since the root may be read-only."""
    from torchvision.datasets import MNIST

    raw = scratch / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for path in (data.root_dir(None) / "MNIST" / "raw").iterdir():
        if not (raw / path.name).exists():
            shutil.copy(path, raw)
    MNIST(str(scratch), train=True, download=True)


def _torchvision_mnist(task: Task, transform: Any) -> Any:
    from torchvision.datasets import MNIST

    if not (Path(task.args.mnist) / "MNIST").is_dir():
        unpack_mnist(Path(task.args.mnist))
    return MNIST(task.args.mnist, train=True, transform=transform)


def pythae(task: Task) -> None:
    """The `AE` of pythae with its trainer."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)
    net = task.model()

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = net.encoder

        def forward(self, x: Tensor) -> Any:
            task.step_begins()
            return ModelOutput(embedding=self.net(x))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = net.decoder

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    class Trainer(BaseTrainer):
        def train_step(self, epoch: int) -> Any:
            started = time.perf_counter()
            loss = super().train_step(epoch)
            task.wait()
            task.epoch_seconds.append(time.perf_counter() - started)
            return loss

    images = torch.from_numpy(data.load(task.config.data).train.images[:]).float() / 255
    config = AEConfig(input_dim=(1, 28, 28), latent_dim=task.config.model.latent_dim)
    model = AE(config, encoder=Encoder(), decoder=Decoder())
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=task.args.epochs,
            learning_rate=5e-3,
            per_device_train_batch_size=task.args.batch,
            optimizer_cls="AdamW",
            no_cuda=task.device.type == "cpu",
        )
        dataset = BaseDataset(images, torch.zeros(len(images)))
        Trainer(model, dataset, training_config=settings).train()


def lightning(task: Task) -> None:
    """Lightning's `Trainer` over the same `DataLoader` as `reports`."""
    import lightning as L
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms

    net = task.model()

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: Any, _: int) -> Tensor:
            task.step_begins()
            target = batch[0]
            return nn.functional.mse_loss(self.net.reconstruct(task.corrupt(target)), target)

        def on_train_epoch_start(self) -> None:
            self.started = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            task.epoch_seconds.append(time.perf_counter() - self.started)

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=5e-3)

    dataset = _torchvision_mnist(task, transforms.ToTensor())
    loader = DataLoader(
        Subset(dataset, range(task.args.images)), batch_size=task.args.batch, shuffle=True
    )
    L.Trainer(
        max_epochs=task.args.epochs,
        accelerator=task.device.type,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        precision="bf16-mixed" if task.bfloat16 else 32,
    ).fit(Module(), loader)


CONTENDERS = {f.__name__: f for f in (ours, hand, reports, pythae, lightning)}


def main() -> None:
    """Measure one contender."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--net", choices=NETS, default="lab")
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--mnist", default="outputs/benchmark", help="torchvision's MNIST folder")
    parser.add_argument("--started", type=float, default=None)
    args = parser.parse_args()
    args.started = args.started or time.time()
    warnings.filterwarnings("ignore")
    task = Task(args)
    with Path(os.devnull).open("w") as silent, contextlib.redirect_stdout(silent):
        CONTENDERS[args.contender](task)
    steady = task.epoch_seconds[1:] or task.epoch_seconds
    peak = peak_memory()
    print(
        json.dumps(
            {
                "images_per_second": args.images * len(steady) / sum(steady),
                "first_step_seconds": task.first_step,
                "total_seconds": time.time() - args.started,
                "peak_mb": None if peak is None else peak / 2**20,
            }
        )
    )


if __name__ == "__main__":
    main()

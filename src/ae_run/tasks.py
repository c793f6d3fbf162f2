"""The tasks. `train` runs all stages; the others repeat theirs from the run folder.

A stage reads what the one before it wrote, so whatever follows a repeated stage is repeated
too: `evaluate` draws the figures again, and `figures` writes the page again. `figures` and
`report` import no torch.
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ae_run import data, replicas
from ae_run.config import PLAIN_TASK, Config
from ae_run.data import Dataset
from ae_run.dispatch import Job
from ae_run.run_folder import RunFolder
from ae_run.runs import (
    Phases,
    check_fingerprint,
    drawn,
    note_drawn,
    note_scored,
    recorded,
    scored,
    start,
    trained,
    training_facts,
)

if TYPE_CHECKING:
    import torch

    from ae_run.models import Autoencoder


def train(job: Job) -> None:
    """Train or go on training, then evaluate, draw and report."""
    config, phases = job.config, Phases()
    with phases("data"):
        dataset = data.load(config.data)
    with ExitStack() as stack:
        if job.folder is not None:
            stack.enter_context(job.folder.lock())
        with phases("prepare"):
            run = start(config, dataset, job.folder, job.label, job.overrides)
        folder = run.folder
        stack.enter_context(folder.lock())
        stack.enter_context(recorded(folder, phases))
        for name in dataset.skipped:
            folder.log(f"skipped, not readable: {name}")
        others = replicas.start_others(run, job.overrides)
        with phases("train"):
            for _ in replicas.fit_all(run, others):
                pass
        if not trained(folder):
            folder.update_json("run.json", **training_facts(run))
        new = not scored(folder)
        if new:
            _evaluate(config, run.model, dataset, folder, run.device, phases)
        if others:
            with phases("evaluate seeds"):
                new |= replicas.evaluate_others(folder, config, dataset, run.device, again=False)
        if new or not drawn(folder):
            _draw(config, folder, phases)
    _say_result(folder)


def evaluate(job: Job) -> None:
    """Score a run again from its folder, then draw and report."""
    import torch

    from ae_run import devices, models
    from ae_run.training import checkpoints

    config, folder, phases = job.config, _folder(job), Phases()
    device = devices.resolve(config.device)
    with phases("data"):
        dataset = data.load(config.data)
    check_fingerprint(folder, dataset)
    if (threads := folder.read_json("run.json").get("threads")) is not None:
        torch.set_num_threads(threads)
    model = models.build(config.model, dataset.image_shape)
    checkpoints.load_weights(folder, model)
    with folder.lock(), recorded(folder, phases, training=False):
        folder.write_yaml("config.yaml", config.dump())
        _evaluate(config, model, dataset, folder, device, phases)
        replicas.evaluate_others(folder, config, dataset, device, again=True)
        _draw(config, folder, phases)
    _say_result(folder)


def search(job: Job) -> None:
    """Search for the best values, then train and score the best run."""
    from ae_run.search import task

    task.run(job)


def figures(job: Job) -> None:
    """Draw a run's figures again, and its page."""
    folder, phases = _folder(job), Phases()
    with folder.lock(), recorded(folder, phases, training=False):
        folder.write_yaml("config.yaml", job.raw | PLAIN_TASK)
        _draw(job.config, folder, phases)
    print(f"figures: {folder.file('figures')}")


def report(job: Job) -> None:
    """Write a run's page again."""
    from ae_run.pages import run as run_page

    folder = _folder(job)
    with folder.lock():
        print(f"page: {run_page.write(folder)}")


def _evaluate(
    config: Config,
    model: "Autoencoder",
    dataset: Dataset,
    folder: RunFolder,
    device: "torch.device",
    phases: Phases,
) -> None:
    from ae_run import evaluation
    from ae_run.training import checkpoints

    with phases("evaluate"):
        checkpoints.load_weights(folder, model)
        evaluation.evaluate(config, model, dataset, folder, device)
    note_scored(folder)


def _draw(config: Config, folder: RunFolder, phases: Phases) -> None:
    from ae_run import figures as drawing
    from ae_run.pages import run as run_page

    with phases("figures"):
        drawing.draw(folder, config.figures)
    # The page tells the phases' times, but for its own.
    old = folder.read_json("run.json").get("phases", {})
    ended = {"status": "finished", "error": None} if trained(folder) else {}
    folder.update_json("run.json", phases=old | phases.seconds, **ended)
    with phases("report"):
        run_page.write(folder)
    note_drawn(folder)


def _folder(job: Job) -> RunFolder:
    assert job.folder is not None  # dispatch refuses these tasks without one
    return job.folder


def _say_result(folder: RunFolder) -> None:
    """The scores beside their baselines, and what to open."""
    metrics = folder.read_json("metrics.json")
    pca, mean = metrics["baseline"]["pca"], metrics["baseline"]["mean"]
    lines = [
        "",
        f"{'test':<12}{'this run':>12}{'PCA-' + str(pca['components']):>12}{'mean image':>12}",
        f"{'mse':<12}{metrics['mse']:>12.5f}{pca['mse']:>12.5f}{mean['mse']:>12.5f}",
    ]
    for name, label in (("psnr_db", "PSNR"), ("snr_db", "SNR"), ("ssim", "SSIM")):
        value = metrics[name]
        unit = " dB" if name.endswith("_db") else ""
        lines.append(f"{label:<12}{'-' if value is None else f'{value:.3g}{unit}':>12}")
    if folder.has(replicas.SUMMARY):
        summary = folder.read_json(replicas.SUMMARY)
        mse = summary["scores"]["mse"]
        lines += [
            "",
            f"over {len(summary['seeds'])} seeds: mse {mse['mean']:.5f} ± {mse['sd']:.5f}",
        ]
    lines += ["", f"figures  {folder.file('figures')}", f"page     {folder.file('report.html')}"]
    lines += [f"folder   {folder.path}"]
    folder.say("\n".join(lines))

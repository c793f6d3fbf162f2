"""The tasks of one run: `train` runs all stages, each of the others repeats one.

A stage reads what the previous one wrote, so the stages after a repeated one are repeated too:
`evaluate` also redraws the figures, and `figures` rewrites the page. `figures` and `report` do
not import torch.
"""

from contextlib import ExitStack, closing

from ae_run import console, data, headline, loggers
from ae_run.config import Config
from ae_run.errors import UserError
from ae_run.job import Job
from ae_run.loggers import Loggers
from ae_run.progress import Parts
from ae_run.recording import Phases, recorded
from ae_run.run_folder import REPLICAS, RESUME, RunFolder


def train(job: Job) -> RunFolder:
    """Train or resume training, then evaluate, draw the figures and write the page.

    Returns:
        The run's folder.
    """
    from ae_run.scoring import score, score_seeds
    from ae_run.training import fit, replicas
    from ae_run.training.run import start, training_facts

    config, phases = job.config, Phases()
    followers = loggers.load(config.train.loggers)
    with phases("data"):
        dataset = data.load(config.data)
    with ExitStack() as stack:
        if job.folder is not None:
            stack.enter_context(job.folder.lock())
        finished = job.folder is not None and _nothing_to_resume(job.folder, config)
        with phases("prepare"):
            run = start(config, dataset, job.folder, job.label, job.overrides)
        folder = run.folder
        stack.enter_context(folder.lock())
        stack.enter_context(recorded(folder, phases))
        for name in dataset.skipped:
            folder.log(f"skipped: {name}")
        logs = stack.enter_context(closing(Loggers(followers, folder)))
        others = replicas.start_others(run, job.overrides)
        with phases("train"):
            if not finished:
                for row in replicas.fit_all(run, others) if others else fit(run):
                    logs.epoch(row)
        if not folder.is_current("trained"):
            folder.update_json("run.json", **training_facts(run))
        new = not folder.is_current("scored")
        if new:
            with phases("evaluate"):
                score(folder, config, run.model, dataset, run.device)
        if others:
            with phases("evaluate seeds"):
                new |= score_seeds(folder, config, dataset, run.device, again=False)
        if new or not folder.is_current("drawn"):
            _draw(config, folder, phases)
            logs.end()
        elif job.folder is not None:
            folder.say("already finished; nothing was left to do")
    _say_result(folder)
    return folder


def evaluate(job: Job) -> None:
    """Score a run again from its folder, then draw and report.

    Parts of `evaluate` that are switched off stay as an earlier evaluation left them.
    """
    import torch

    from ae_run import devices, models
    from ae_run.evaluation.earlier import Earlier
    from ae_run.scoring import score, score_seeds
    from ae_run.training import checkpoints
    from ae_run.training.run import check_fingerprint, say_of_code

    config, folder, phases = job.config, _folder(job), Phases()
    device = devices.resolve(config.device)
    with phases("data"):
        dataset = data.load(config.data)
    check_fingerprint(folder, dataset)
    say_of_code(folder, config)
    if (threads := folder.read_json("run.json").get("threads")) is not None:
        torch.set_num_threads(threads)
    model = models.build(config.model, dataset.image_shape)
    checkpoints.load_weights(folder, model)
    with folder.lock(), recorded(folder, phases, training=False):
        earlier = Earlier.of(folder)
        with phases("evaluate"):
            score(folder, config, model, dataset, device, earlier)
        kept = {"evaluate": earlier.kept_options(config.evaluate)} if earlier else {}
        folder.write_yaml("config.yaml", config.model_copy(update=kept).dump())
        score_seeds(folder, config, dataset, device, again=True)
        _draw(config, folder, phases)
    _say_result(folder)


def figures(job: Job) -> None:
    """Draw a run's figures again and rewrite its page."""
    folder, phases = _folder(job), Phases()
    with folder.lock(), recorded(folder, phases, training=False):
        folder.write_yaml("config.yaml", job.config.dump())
        _draw(job.config, folder, phases)
    style = job.config.figures.style
    drawn = folder.file("figures" if style == "default" else f"figures/{style}")
    console.say(f"figures  {drawn}")


def report(job: Job) -> None:
    """Write a run's page again; a new name, tags or notes are saved."""
    from ae_run.pages import run as run_page

    folder = _folder(job)
    with folder.lock():
        if (config := job.config.dump()) != folder.read_config():
            folder.write_yaml("config.yaml", config)
        console.say(f"page     {run_page.write(folder)}")


def _nothing_to_resume(folder: RunFolder, config: Config) -> bool:
    """Whether training has ended and its `resume.pt` was deleted, as `task=clean` does.

    Raises:
        UserError: more epochs are asked for.
    """
    if folder.has(RESUME) or not folder.epochs_saved() or not folder.is_current("trained"):
        return False
    if folder.read_config()["train"]["epochs"] != config.train.epochs:
        raise UserError(
            f"train.epochs={config.train.epochs}: {folder.path} has no {RESUME} any more, from "
            "which it would be trained further; start a new run"
        )
    return True


def _draw(config: Config, folder: RunFolder, phases: Phases) -> None:
    from ae_run import figures as drawing
    from ae_run.pages import run as run_page

    with phases("figures"), Parts(folder, "figures", 1) as part, part("drawing"):
        drawing.draw(folder, config.figures)
    # The page shows the time of every phase except its own.
    old = folder.read_json("run.json").get("phases", {})
    ended = {"status": "finished", "error": None} if folder.is_current("trained") else {}
    folder.update_json("run.json", phases=old | phases.seconds, **ended)
    with phases("report"):
        run_page.write(folder)
    folder.mark("drawn")


def _folder(job: Job) -> RunFolder:
    assert job.folder is not None  # `job_for` refuses these tasks without one
    return job.folder


def _say_result(folder: RunFolder) -> None:
    """The scores beside their baselines, what to try, and what to open."""
    replicas = folder.read_json(REPLICAS) if folder.has(REPLICAS) else None
    lines = ["", headline.table(folder.read_json("metrics.json"), replicas), ""]
    facts = folder.read_json("run.json")
    lines += [f"warning: {text}" for text in facts.get("warnings", ())]
    lines += [f"note: {text}" for text in facts.get("notes", ())]
    lines += [f"figures  {folder.file('figures')}", f"page     {folder.file('report.html')}"]
    folder.say("\n".join([*lines, f"folder   {folder.path}"]))

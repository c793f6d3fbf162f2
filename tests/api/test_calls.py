"""`ae_run.train`, `load`, `runs` and `search`, as they are called."""

import re
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from api_helpers import FAST
from command_line import run_process

import ae_run


def test_importing_it_imports_neither_torch_nor_numpy():
    code = (
        "import sys, ae_run\n"
        "assert {'train', 'load', 'runs', 'search', 'Run', 'UserError'} <= set(dir(ae_run))\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'hydra', 'pydantic')))"
    )
    assert run_process(["-c", code]).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        ae_run.trian  # noqa: B018


def test_a_call_prints_nothing_unless_it_is_asked_to(capfd):
    ae_run.train("model=dense_ae", *FAST)
    assert capfd.readouterr() == ("", "")
    ae_run.train("model=dense_ae", *FAST, verbose=True)
    assert "epoch 2/2" in capfd.readouterr().out
    assert len(ae_run.runs()) == 2


def test_mappings_are_overrides_with_values_of_python():
    words = {
        "model": "conv_ae",
        "model.channels": [4, np.int64(8), 8],
        "model.widths": (),
        "model.batch_norm": True,
        "train.patience": None,
        "train.lr": 2e-3,
        "data": "npz",
        "data.path": Path("my images") / "a,b.npz",
        "data.images_key": "all, of them",
        "search.space": ["model.latent_dim=int(2,8)"],
    }
    from ae_run.api import _commands

    job = _commands._job("check", _commands.words([words]))
    assert job.config.model.channels == (4, 8, 8)
    assert job.config.model.widths == ()
    assert job.config.model.batch_norm is True
    assert job.config.train.patience is None
    assert job.config.train.lr == 2e-3
    assert job.config.data.path == "my images/a,b.npz"
    assert job.config.data.images_key == "all, of them"
    assert job.config.search.space == "[model.latent_dim=int(2,8)]"


def test_a_key_is_left_out_as_on_the_command_line():
    from ae_run.api import _commands

    words = _commands.words(["corruption=chain", "~corruption.steps.occlusion"])
    assert list(_commands._job("check", words).config.corruption.steps) == ["gaussian"]


BAD = {
    "model=nope": "model=nope: no such name",
    "train.epochs=x": "train.epochs=x: must be a valid integer",
    "-m": "flags are for the command line only",
    "epochs": "must be KEY=VALUE",
    "task=search": "the task is the function that is called",
    "resume=/nowhere": "no such run folder",
}


@pytest.mark.parametrize("override", BAD)
def test_what_cannot_be_done_is_an_error_with_the_same_line(override):
    with pytest.raises(ae_run.UserError) as error:
        ae_run.train(*FAST, override)
    assert BAD[override] in str(error.value)
    assert isinstance(error.value, ae_run.AeRunError)


def test_overrides_that_are_neither_text_nor_mappings_are_refused():
    with pytest.raises(ae_run.UserError, match="must be text"):
        ae_run.train(3)
    with pytest.raises(ae_run.UserError, match="a set is no value of a config"):
        ae_run.train({"seed": {1}})


def test_a_run_is_loaded_with_the_same_model_and_on_another_device(vae):
    loaded = ae_run.load(vae.path, "device=cpu")
    assert loaded.device == torch.device("cpu")
    images = vae.dataset.train.images[:3]
    np.testing.assert_array_equal(loaded.encode(images), vae.encode(images))
    assert ae_run.load(str(vae.path)).config == vae.config


def test_loading_refuses_other_folders_and_what_a_trained_run_cannot_change(vae, tmp_path):
    with pytest.raises(ae_run.UserError, match=r"not a run folder \(no config.yaml\)"):
        ae_run.load(tmp_path)
    with pytest.raises(ae_run.UserError, match=r"model\.latent_dim: cannot change"):
        ae_run.load(vae.path, "model.latent_dim=3")


def test_a_run_without_scores_says_so_and_other_data_are_refused(vae, tmp_path):
    copy = shutil.copytree(vae.path, tmp_path / "copy")
    (copy / "metrics.json").unlink()
    (copy / "config.yaml").write_text(
        (copy / "config.yaml").read_text().replace("split_seed: 0", "split_seed: 1")
    )
    run = ae_run.load(copy)
    with pytest.raises(ae_run.UserError, match=r"metrics.json: missing"):
        run.metrics  # noqa: B018
    with pytest.raises(ae_run.UserError, match="other images or splits"):
        run.dataset  # noqa: B018


def test_a_run_is_resumed_by_a_call():
    first = ae_run.train("model=dense_ae", *FAST)
    again = ae_run.train({"resume": first.path})
    assert again.path == first.path
    assert again.metrics == first.metrics


def test_arrays_are_trained_on_and_found_again():
    rng = np.random.default_rng(0)
    images = rng.random((90, 12, 12), np.float32)
    labels = np.array(["a", "b", "c"] * 30)
    run = ae_run.train("model=dense_ae", *FAST, images=images, labels=labels)
    assert run.config.data.name == "npz"
    assert run.dataset.class_names == ("a", "b", "c")
    assert run.encode(torch.from_numpy(images)).shape == (90, 10)
    again = ae_run.load(run.path)
    assert again.dataset.fingerprint == run.dataset.fingerprint


def test_test_images_are_those_that_are_scored():
    images = np.random.default_rng(0).integers(0, 256, (60, 3, 10, 10), np.uint8)
    run = ae_run.train("model=dense_ae", *FAST, images=images[:50], test_images=images[50:])
    assert run.metrics["n"] == 10
    assert len(list((run.path.parents[1] / "arrays").iterdir())) == 1


def test_labels_without_images_and_images_of_mixed_sizes_are_refused():
    with pytest.raises(ae_run.UserError, match="labels: goes with images only"):
        ae_run.train(labels=np.zeros(3))
    mixed = np.empty(2, object)
    with pytest.raises(ae_run.InvalidInput, match="images: objects of mixed sizes"):
        ae_run.train(images=mixed)


def test_runs_are_found_without_trials_and_broken_folders_are_left_out(vae, tmp_path):
    for name in ("b", "a/deep", "search/trials/0", "a/deep2/replicas/seed-1"):
        shutil.copytree(vae.path, tmp_path / "all" / name)
    broken = tmp_path / "all" / "broken"
    broken.mkdir()
    (broken / "config.yaml").write_text("a: 1\n")
    (broken / "run.json").write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*broken.*not readable as JSON") as caught:
        found = ae_run.runs("all")
    assert [run.path.name for run in found] == ["deep", "b"]
    assert caught[0].filename == __file__
    with pytest.raises(ae_run.UserError, match="nowhere: no such folder"):
        ae_run.runs("nowhere")


def test_a_run_of_an_older_version_is_listed_and_loaded(vae, tmp_path):
    copy = shutil.copytree(vae.path, tmp_path / "all" / "old")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    for key in ("name", "tags", "notes", "runs", "code", "format", "output"):
        config.pop(key, None)
    for group, keys in {
        "data": ("binarize", "memory"),
        "train": ("plateau", "init_from", "loggers"),
        "evaluate": ("frechet", "denoisers"),
        "model": ("objective", "importance_samples"),
    }.items():
        for key in keys:
            del config[group][key]
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    images = vae.dataset.train.images[:3]
    for run in (ae_run.runs("all")[0], ae_run.load(copy), ae_run.load(copy, "device=cpu")):
        assert run.config.model == vae.config.model
        np.testing.assert_array_equal(run.encode(images), vae.encode(images))
        np.testing.assert_array_equal(run.dataset.train.images[:3], images)


@pytest.mark.slow
def test_a_search_gives_its_study_trials_and_best_run():
    found = ae_run.search(
        "model=dense_ae",
        *FAST,
        {
            "search.space": ["model.latent_dim=int(2,8)"],
            "search.n_trials": 3,
            "search.workers": 1,
            "search.name": "s",
        },
    )
    assert len(found.study.trials) == 3
    assert found.trials["number"].tolist() == [0, 1, 2]
    assert found.best_values == found.study.best_params
    assert found.best.status == "finished"
    assert found.best.config.model.latent_dim == found.best_values["model.latent_dim"]
    assert [run.path for run in ae_run.runs()] == [found.best.path]
    assert found.page.is_file()
    import_module("ae_run.search.task")  # binds the name of the room, which can be called too
    assert callable(ae_run.search)


@pytest.mark.slow
def test_ctrl_c_is_a_keyboard_interrupt_and_the_run_can_be_resumed():
    code = (
        "import ae_run\n"
        "try:\n"
        "    ae_run.train('data.limit=80', 'train.epochs=100000', 'run_dir=run', verbose=True)\n"
        "except KeyboardInterrupt as stop:\n"
        "    print('stopped:', stop, ae_run.load('run').status)"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as said:
        next(line for line in said if line.startswith("epoch"))
        process.send_signal(signal.SIGINT)
        rest = said.read()
    assert process.wait() == 0
    assert "resume with: ae-run resume=run interrupted" in rest


@pytest.mark.slow
def test_the_examples_of_the_docs_run(capsys):
    page = Path(__file__).parents[2] / "docs" / "python.md"
    programs = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    assert len(programs) == 2
    for program in programs:
        names: dict[str, Any] = {}
        exec(program, names)
        assert names["run"].status == "finished"
    mse, pca = map(float, capsys.readouterr().out.split())
    assert 0 < pca < mse < 0.1

"""The command line: what it refuses, how it says so, and what it does not import."""

import sys

import pytest
from command_line import FAST, run_process

from ae_run.errors import Interrupted

BAD = {
    "model=nope": ["model=nope", "conv_ae"],
    "data=notmnst": ["data=notmnst", "did you mean 'notmnist'?"],
    "model.latnet_dim=3": ["model.latnet_dim", "did you mean 'model.latent_dim'?"],
    "latent_dim=3": ["latent_dim: no such key", "model.latent_dim"],
    "+model.foo=3": ["model.foo: no such key"],
    "train.epochs=abc": ["train.epochs=abc", "integer"],
    "train.epochs=1.5": ["train.epochs=1.5", "integer"],
    "train.epochs=true": ["train.epochs=True", "integer"],
    "train.lr=nan": ["train.lr=nan", "finite"],
    "train.lr=0": ["train.lr=0", "greater than 0"],
    "train.lr=[": ["train.lr=[", "KEY=VALUE"],
    "train.optimizer=adamm": ["train.optimizer=adamm", "rmsprop", "did you mean 'adam'?"],
    "seed=-1": ["seed=-1", "greater than or equal to 0"],
    "seed=4294967296": ["seed=4294967296", "4294967295"],
    "data.limit=0": ["data.limit=0", "greater than or equal to 1"],
    "device=cuda:99": ["device=cuda:99", "cpu"],
    "device=gpu": ["device=gpu", "auto, cpu, cuda, cuda:N or mps"],
    "task=trian": ["task=trian", "did you mean 'train'?"],
    "task=evaluate": ["run=RUN_DIR"],
    "task=[train]": ["task=['train']", "no such task"],
    "~task": ["no such task", "train"],
    "modle=vae": ["modle: no such key", "did you mean 'model'?"],
    "corruption.std=0.3": [
        "corruption.std: no such key",
        "corruption=none has no options",
        "gaussian",
    ],
    "corruption=masking corruption.share=0.3": ["corruption has fraction, value"],
    "model.latent_dim=2,4": ["model.latent_dim=2,4: several values need -m", "[2,4]"],
    "hepl": ["hepl: not readable as KEY=VALUE; see ae-run --help"],
    "data=folder data.path=my pics": ["value with spaces needs quotes: 'data.path=my pics'"],
    "train.epochs = 5": ["train.epochs: not readable", "no spaces around '=': train.epochs=VALUE"],
    "data=.": ["for your own images: data=folder data.path=."],
    "--epochs 5": ["--epochs: no such flag; did you mean train.epochs=5?"],
    "--latent-dim=5": ["--latent-dim: no such flag; did you mean model.latent_dim=5?"],
    "model.widths=[64": ["model.widths=[64: not readable as KEY=VALUE", "in pairs"],
    "device=cuda:00": ["device=cuda:00", "cpu"],
    "resume=/nowhere": ["resume=/nowhere", "no such run folder"],
    "task=figures run=/nowhere": ["run=/nowhere", "no such run folder"],
    "run=/nowhere": ["run=/nowhere", "resume=RUN_DIR"],
    "corruption=occlusion corruption.fraction=2": ["corruption.fraction=2", "equal to 1"],
    "model.strides=[1]": ["model.strides=[1]", "one entry per convolution"],
    "train.monitor=nelbo": ["train.monitor=nelbo", "choices: mse"],
    "train.patience=3 data.validation_fraction=0": ["train.patience=3", "validation_fraction=0"],
    "-m run_dir=x seed=1,2": ["run_dir", "-m"],
    "--config-dir nowhere": ["--config-dir nowhere", "no such folder"],
    "--frobnicate": ["--frobnicate"],
    "experiment=nope": ["experiment=nope"],
    "epochs=3": ["epochs: no such key", "did you mean 'train.epochs'?"],
    "lr=0.1": ["did you mean 'train.lr'?"],
    "batch_size=3": ["did you mean 'train.batch_size'?"],
    "mdoel.latent_dim=3": ["mdoel.latent_dim: no such key", "did you mean 'model.latent_dim'?"],
    "figures.format=gif": ["figures.format.0=gif: must be 'png', 'pdf' or 'svg'"],
    "evaluate.tsne=4": ["evaluate.tsne.0=4: must be 2 or 3"],
    "model.widths=64": ["model.widths=64: must be a list: model.widths=[64]"],
    "=3": ["=3: there is no key before the '='"],
    "+=3": ["+=3: there is no key before the '='"],
    "--cfg": ["--cfg: needs one of job, hydra, all"],
    "--cfg foo": ["--cfg foo: needs one of job, hydra, all"],
    "--cfg=foo": ["--cfg foo: needs one of job, hydra, all"],
    "--info foo": ["--info foo: needs one of all, config"],
    "--package": ["--package: needs the name of a package"],
    "--resolve": ["--resolve: goes with --cfg"],
    "--run --cfg job": ["--cfg and --run do not go together"],
    "--config-dir": ["--config-dir: needs a folder"],
    "reports=zoo": ["reports=zoo", "python scripts/make_figures.py --only zoo"],
    "search=conv_ae data=notmnist": [
        "search=conv_ae: goes with task=search only",
        "ae-run task=search search=conv_ae data=notmnist",
    ],
    "task=train search.n_trials=5": ["ae-run task=search search.n_trials=5"],
    "worker=a": ["worker=a: goes with task=search only"],
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_gets_one_clear_message_and_leaves_nothing(line, cli, tmp_path):
    result = cli(*line.split())
    assert result.code == 2
    assert result.out == ""
    for part in BAD[line]:
        assert part in result.err
    assert result.err.startswith("ae-run: ")
    assert "Traceback" not in result.err
    assert result.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


def test_all_errors_come_in_one_message(cli):
    wrong = ("train.epochs=abc", "seed=-1", "model.latent_dim=0", "corruption.std=-1")
    result = cli("corruption=gaussian", *wrong)
    assert result.code == 2
    for part in wrong:
        assert part in result.err


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["--cfg", "job"],
        ["model=nope"],
        ["model.latnet_dim=3"],
        ["train.epochs=abc"],
        ["seed=-1"],
        ["resume=/nowhere"],
        ["-sc", "install=bash"],
        ["-sc", "query=bash"],
        ["--help", "train.lr"],
        ["search=vae"],
    ],
)
def test_start_up_imports_no_heavy_package(args):
    code = (
        "import sys, ae_run\n"
        f"ae_run.main({args!r})\n"
        "heavy = {'torch', 'torchvision', 'matplotlib', 'sklearn', 'optuna', 'scipy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = run_process(["-c", code])
    assert done.returncode == 0, done.stderr


def test_help_lists_every_option_of_every_group_with_a_line(cli):
    from ae_run import components

    result = cli("--help")
    assert result.code == 0
    for group in components.groups():
        for name, line in components.options(group).items():
            assert line, f"conf/{group}/{name}.yaml: its first line must be a comment"
            assert any(row.split() == [name, *line.split()] for row in result.out.splitlines())
    assert result.out.count("ae-run ") >= 3


def test_names_are_matched_without_regard_to_case(cli):
    result = cli("data=Digits", "corruption=NOISE", "--cfg", "job")
    assert result.code == 0
    assert "name: digits" in result.out
    assert "name: gaussian" in result.out


def test_cfg_job_prints_the_config_and_runs_nothing(cli, tmp_path):
    result = cli("--cfg", "job", "model.latent_dim=3")
    assert result.code == 0
    assert "latent_dim: 3" in result.out
    assert not (tmp_path / "outputs").exists()


def test_completion_offers_groups_and_options(monkeypatch, cli):
    monkeypatch.setenv("COMP_LINE", "ae-run corruption=g")
    result = cli("-sc", "query=bash")
    assert "corruption=gaussian" in result.out


def test_a_sweep_continues_after_a_failed_job_and_ends_with_the_worst_code(cli, tmp_path):
    result = cli("-m", *FAST, "train.lr=-1,1e-3")
    assert result.code == 2
    assert "train.lr=-1" in result.err
    runs = list((tmp_path / "outputs").glob("sweep/*/*/metrics.json"))
    assert len(runs) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"outputs", "cache"}


def test_config_dir_brings_the_users_own_options(cli, tmp_path):
    mine = tmp_path / "mine" / "model"
    mine.mkdir(parents=True)
    (mine / "tiny.yaml").write_text("# my tiny net\ndefaults: [conv_ae, _self_]\nlatent_dim: 2\n")
    assert "my tiny net" in cli("--config-dir", "mine", "--help").out
    result = cli("--config-dir", "mine", "model=tiny", *FAST)
    assert result.code == 0, result.err
    assert result.folder.parent.name == "digits-tiny"


def test_module_and_function_are_the_same_program():
    done = run_process(["-m", "ae_run", "seed=-1"])
    assert done.returncode == 2
    assert "seed=-1" in done.stderr
    assert sys.argv[0] != "ae-run"


@pytest.mark.parametrize(
    ("arg", "words"),
    [
        ("train=[1]", "train=[1]: train must be one name; choices: default"),
        ("model={a:1}", "model must be one name; choices: contractive, conv_ae"),
        ("corruption.steps=[1]", "cannot be set there: Cannot merge DictConfig with ListConfig"),
    ],
)
def test_a_list_or_mapping_in_the_wrong_place_is_one_line(cli, arg, words):
    done = cli("corruption=chain", arg)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_sweep_ends_when_one_of_its_jobs_is_stopped(cli, monkeypatch, number, code):
    started = []

    def run(*_: object) -> None:
        started.append(1)
        raise Interrupted("stopped", number)

    monkeypatch.setattr("ae_run.tasks.train", run)
    assert cli("-m", "seed=0,1,2").code == code
    assert len(started) == 1


def test_an_experiment_without_its_package_line_is_told_of_it(cli, tmp_path):
    mine = tmp_path / "mine" / "experiment"
    mine.mkdir(parents=True)
    (mine / "e.yaml").write_text("# mine\ntrain:\n  epochs: 2\n")
    result = cli("--config-dir", "mine", "experiment=e")
    assert result.code == 2
    assert "e.yaml: its first line must be '# @package _global_'" in result.err
    assert result.err.count("\n") == 1


def test_an_option_without_a_name_is_told_of_it(cli, tmp_path):
    mine = tmp_path / "mine" / "model"
    mine.mkdir(parents=True)
    (mine / "my_net.yaml").write_text("# mine\nlatent_dim: 2\n")
    result = cli("--config-dir", "mine", "model=my_net")
    assert result.code == 2
    assert "model.name: missing; a YAML file of model needs a line 'name: …'" in result.err
    assert "conv_ae" in result.err
    assert result.err.count("\n") == 1


def test_quiet_shows_nothing_and_verbose_shows_what_goes_to_the_log(cli, tmp_path):
    few = ["data.limit=80", "train.batch_size=32", "evaluate=quick", "figures.dpi=40"]
    quiet = cli("-q", *few, "train.epochs=2", "run_dir=quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    log = (tmp_path / "quiet" / "log.txt").read_text()
    assert "epoch 2/2" in log
    plain = cli(*few, "train.epochs=9", "run_dir=plain")
    verbose = cli("--verbose", *few, "train.epochs=9", "run_dir=verbose")
    epochs = [f"epoch {n}/9" for n in range(1, 10)]
    assert all(f"{epoch}:" in verbose.out for epoch in epochs)
    assert not all(f"{epoch}:" in plain.out for epoch in epochs)


def test_errors_are_shown_with_quiet_too(cli):
    assert "seed=-1" in cli("-q", "seed=-1").err


def test_a_broken_yaml_of_the_users_own_is_one_line(cli, tmp_path):
    mine = tmp_path / "mine" / "model"
    mine.mkdir(parents=True)
    (mine / "torn.yaml").write_text("# torn\nlatent_dim: [1\n")
    result = cli("--config-dir", "mine", "model=torn")
    assert result.code == 2
    assert "not readable as YAML" in result.err
    assert "torn.yaml" in result.err
    assert result.err.count("\n") == 1

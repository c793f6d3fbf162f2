"""`ae-run --help KEY`: values, bounds and comments, from the YAML files and the schemas."""

import pytest
from command_line import run_process

from ae_run import components, key_docs


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        (
            "train",
            [
                "train.lr = 5.0e-3",
                "    number > 0; learning rate; with a schedule the largest one",
                "train.optimizer = adamw",
            ],
        ),
        (
            "train.lr",
            ["train.lr = 5.0e-3", "    number > 0; learning rate; with a schedule the largest one"],
        ),
        ("train.lr=3", ["train.lr = 5.0e-3"]),
        ("train.momentum", ["    number ≥ 0 and < 1; sgd and rmsprop"]),
        ("train.optimizer", ["    adam | adamw | adamax | rmsprop | sgd"]),
        ("model=vae", ["model.beta = 1.0", "    number ≥ 0; weight of the KL; 1: the ELBO"]),
        ("model.beta", ["    number ≥ 0; weight of the KL; 1: the ELBO"]),
        ("model=denoising", ["model.channels = [8, 16, 32]", "model.requires_corruption = true"]),
        ("model", ["  vae          variational autoencoder; conv 32-64, code 10"]),
        ("evaluate=quick", ["evaluate.robustness = null"]),
        ("evaluate.probe.mlp", ["evaluate.probe.mlp.epochs = 30", "    Adam"]),
        ("figures.format", ["    list; png | pdf | svg, one or several"]),
        ("search.workers", ["search.workers = auto"]),
        ("experiment=zoo_shallow", ["train.epochs = 500", "model.latent_dim = 200"]),
        ("search=compression", ["search.sampler = random", "model.latent_dim = 4"]),
        (
            "task",
            ["  search    try many values of the keys in search.space, then train with the best"],
        ),
        ("seed", ["seed = 0"]),
    ],
)
def test_a_word_is_explained(word, lines, cli):
    result = cli("--help", word)
    assert result.code == 0, result.err
    for line in lines:
        assert line in result.out.splitlines()
    assert result.out == cli(word, "-h").out


def test_a_key_of_the_option_that_is_chosen(cli):
    assert "model.widths = [64]" in cli("--help", "model.widths").out
    assert "model.widths = []" in cli("--help", "model=vae", "model.widths").out


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("epochs", "did you mean 'train.epochs'?"),
        ("train.lrr", "did you mean 'train.lr'?"),
        ("model=vea", "did you mean 'vae'?"),
        ("frobnicate", "no such group or key"),
    ],
)
def test_a_word_that_names_nothing_is_one_line(word, hint, cli):
    result = cli("--help", word)
    assert result.code == 2
    assert hint in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("word", ["train", "evaluate.probe", "figures", "search", "seed", "task"])
def test_root_keys_are_explained_without_torch(word):
    code = (
        "import sys, ae_run\n"
        f"ae_run.main(['--help', {word!r}])\n"
        "sys.exit(', '.join({'torch', 'hydra', 'optuna', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = run_process(["-c", code])
    assert done.returncode == 0, done.stderr


def test_every_option_has_keys_as_hydra_composes_them():
    from ae_run.composition import compose

    def at(raw, path):
        for part in path.split("."):
            raw = raw[part]
        return raw

    for group in ("data", "corruption", "model", "train", "evaluate", "figures"):
        for option in components.options(group):
            raw = compose(f"{group}={option}")
            for path in key_docs.of_option(group, option):
                at(raw, path)  # no KeyError


def test_a_users_own_option_is_explained(cli, tmp_path):
    mine = tmp_path / "mine" / "model"
    mine.mkdir(parents=True)
    (mine / "tiny.yaml").write_text("# tiny\ndefaults: [vae, _self_]\nbeta: 2.0\n")
    result = cli("--config-dir", "mine", "--help", "model=tiny")
    assert "model.beta = 2.0\n    number ≥ 0; weight of the KL; 1: the ELBO\n" in result.out

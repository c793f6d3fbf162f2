"""A user's own components: found by `code=`, checked, never imported for a run folder's sake."""

import json
import shlex
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml
from command_line import FAST

import ae_run
from ae_run import completion, components, own_code
from ae_run.config import validate
from ae_run.testing import Broken, check_corruption, check_data, check_model

MODEL = '''
"""One hidden layer."""

import math

from torch import nn

from ae_run.models import Autoencoder, LossTerms, mse
from ae_run.schema import ModelConfig

from ..blocks import WIDTH


class Config(ModelConfig):
    slope: float


class Model(Autoencoder):
    def __init__(self, config, image_shape):
        super().__init__(config, image_shape)
        pixels = math.prod(image_shape)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, WIDTH * config.latent_dim))
        self.decoder = nn.Linear(config.latent_dim, pixels)

    def encode(self, x):
        return self.encoder(x)

    def decode_logits(self, z):
        return self.decoder(z).view(-1, *self.image_shape)

    def loss(self, x_in, target):
        error = mse(self.reconstruct(x_in), target)
        return LossTerms(error, {"mse": error})
'''
CORRUPTION = """
from ae_run.schema import CorruptionConfig, Fraction

LEVEL = "strength"


class Config(CorruptionConfig):
    strength: Fraction


def corrupt(config, images, noise):
    return images * (1 - config.strength)
"""
DATA = """
import numpy as np

from ae_run.data import Images, Source
from ae_run.schema import DataConfig


class Config(DataConfig):
    side: int


def load(config):
    images = np.random.RandomState(0).randint(0, 256, (90, 1, config.side, config.side))
    images = images.astype(np.uint8)
    labels = np.arange(90) % 3
    parts = Images(images[:60]), labels[:60], Images(images[60:]), labels[60:]
    return Source(*parts, ("a", "b", "c"))
"""
DIGITS = (components.conf_dir() / "data" / "digits.yaml").read_text(encoding="utf-8")
YAMLS = {
    "model/my_net": "# mine, one layer\nname: my_net\nlatent_dim: 4\nslope: 1.0  # not used\n",
    "corruption/fade": "# darker\nname: fade\nstrength: 0.5\n",
    "data/noise": DIGITS.replace("name: digits", "name: noise").replace("size: 28", "side: 12"),
}


def write(folder: Path) -> Path:
    """A folder with one component of each kind."""
    files = {
        "models/my_net.py": MODEL,
        "corruptions/fade.py": CORRUPTION,
        "data/noise.py": DATA,
        "blocks.py": "WIDTH = 1\n",
        **{f"conf/{name}.yaml": content for name, content in YAMLS.items()},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write(tmp_path / "my code")


RUN = ("code=my code", "model=my_net", "data=noise", "corruption=fade", "evaluate.tsne=[]")
QUICK = ("train.epochs=1", "evaluate=quick", "device=cpu")


def test_a_run_of_own_components_is_trained_scored_and_loaded_with_their_code(mine, cli):
    assert cli(*RUN, *QUICK, "run_dir=run").code == 0
    recorded = json.loads(Path("run/run.json").read_text())
    assert recorded["code"] == {"my code": own_code.find(str(mine)).digest}
    assert yaml.safe_load(Path("run/config.yaml").read_text())["code"] is None
    assert "code=['my code']" in Path("run/overrides.txt").read_text()
    assert cli("task=evaluate", "run=run", "code=my code", "evaluate=quick").code == 0
    assert cli("resume=run", "code=my code").code == 0
    run = ae_run.load("run", "code=my code")
    assert run.encode(run.dataset.train.images).shape == (48, 4)
    assert cli("task=figures", "run=run").code == 0  # imports no component


@pytest.mark.slow
@pytest.mark.usefixtures("mine")
def test_the_best_of_a_search_is_trained_again_with_its_code(cli):
    space = ("search.space=[model.latent_dim=int(2,4)]", "search.n_trials=1", "search.refit=none")
    options = (*space, "search.workers=1", "search.name=s")
    searched = cli("task=search", *RUN, *QUICK, *options)
    assert searched.code == 0, searched.err
    line = next(line for line in searched.out.splitlines() if line.startswith("or "))
    command = line.removeprefix("or").strip()
    assert command in unescape(Path("outputs/search/s/report.html").read_text(encoding="utf-8"))
    again = cli(*shlex.split(command)[1:], "run_dir=again")
    assert again.code == 0, again.err
    assert yaml.safe_load(Path("again/config.yaml").read_text())["model"]["name"] == "my_net"


def test_a_run_folder_alone_imports_no_code(mine, cli, tmp_path):
    assert cli(*RUN, *QUICK, "run_dir=run").code == 0
    (mine / "models/my_net.py").write_text("raise SystemExit('imported')")
    config = tmp_path / "run/config.yaml"
    config.write_text(config.read_text().replace("code: null", f"code: ['{mine}']"))
    for args in (["resume=run"], ["task=evaluate", "run=run"]):
        result = cli(*args)
        assert result.code == 2
        for words in ("its data, noise, is not part of ae-run", "add code=my code"):
            assert words in result.err
        assert result.err.count("\n") == 1
    with pytest.raises(ae_run.UserError, match="not part of ae-run"):
        ae_run.load("run")
    with pytest.raises(ae_run.UserError, match="no such name"):
        validate(yaml.safe_load(config.read_text()))
    found = ae_run.runs(".")[0]
    assert found.metrics["n"] == 30
    with pytest.raises(ae_run.UserError, match="no such name"):
        found.config  # noqa: B018


def test_code_named_by_a_file_is_refused(mine, cli):
    folder = Path("conf/experiment")
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text(f"# @package _global_\ncode: ['{mine}']\n")
    result = cli("--config-dir", "conf", "experiment=x", *FAST)
    assert result.code == 2
    assert "taken from the command line only" in result.err


def test_changed_code_is_said_and_used(mine, cli):
    assert cli(*RUN, *QUICK, "run_dir=run").code == 0
    (mine / "blocks.py").write_text("WIDTH = 1  # changed\n")
    result = cli("task=evaluate", "run=run", "code=my code", "evaluate=quick")
    assert "code=my code has changed since the run was started" in result.out
    (mine / "blocks.py").write_text("WIDTH = 3\n")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):  # it is their bug
        cli(*RUN, *QUICK)


def test_code_of_a_step_of_a_chain_is_recorded_too(mine):
    chain = {"name": "chain", "steps": {"name": {"name": "fade", "strength": 0.5}}}
    with components.using([str(mine)]) as (code,):
        assert components.digests({"corruption": chain}) == {"my code": code.digest}
        assert components.digests({"corruption": {"name": "chain", "steps": {}}}) == {}


@pytest.mark.usefixtures("mine")
def test_help_and_completion_know_own_components(cli):
    shown = cli("--help", "model=my_net", "code=my code").out
    assert "mine, one layer" in shown
    assert "model.slope = 1.0" in shown
    assert "my_net" in cli("--help", "code=my code").out
    assert completion.words("ae-run code='my code' model=my") == ["model=my_net"]
    assert completion.words("ae-run code='my code' model=my_net model.sl") == ["model.slope="]
    assert completion.words("ae-run code=my") == ["code=my code/"]
    assert "my_net" not in cli("--help").out


BROKEN = {
    "raise ValueError('x\\ny')\n": "my_net.py:1: ValueError: x y",
    "import nothing_of_the_sort\n": "my_net.py:1: ModuleNotFoundError",
    "def f(:\n": "my_net.py:1: SyntaxError",
    "exit()\n": "my_net.py:1: SystemExit",
    "": "defines no Config, which a model needs",
    MODEL.replace("ModelConfig):", "object):"): "Config must be an ae_run.schema.ModelConfig",
    MODEL.replace("config, image_shape)", "config)"): "Model must take (config, image_shape)",
    MODEL.replace("def loss(self, x_in, target)", "def loss(self, x)"): (
        "Model.loss must take (self, x_in, target)"
    ),
    MODEL.replace("class Model(Autoencoder)", "class Model(nn.Module)").replace(
        "super().__init__(config, image_shape)", "super().__init__()"
    ): "Model must be an ae_run.models.Autoencoder",
}


@pytest.mark.parametrize("content", BROKEN)
def test_broken_code_is_one_line_with_its_file_and_line(mine, cli, content):
    (mine / "models/my_net.py").write_text(content)
    result = cli("code=my code", "model=my_net", *FAST)
    assert result.code == 2
    assert BROKEN[content] in result.err
    assert f"{Path('my code/models/my_net.py')}" in result.err
    assert result.err.count("\n") == 1


def test_a_missing_part_of_a_corruption_or_of_data_is_named(mine, cli):
    (mine / "corruptions/fade.py").write_text(CORRUPTION.replace("LEVEL", "LEVELS"))
    assert "defines no LEVEL, which a corruption needs" in cli(*RUN).err
    (mine / "data/noise.py").write_text(DATA.replace("def load(config)", "def load()"))
    assert "noise.py:12: load must take (config)" in cli("code=my code", "data=noise").err


def test_code_that_does_not_exist_or_clashes_is_refused(mine, cli, tmp_path):
    assert "code=nowhere: no such folder, and no installed package" in cli("code=nowhere").err
    (tmp_path / "empty").mkdir()
    assert "none of the folders data, corruptions, models, loggers, conf" in cli("code=empty").err
    write(tmp_path / "other")
    assert "there is a data noise already" in cli("code=[my code,other]").err
    (mine / "models/vae.py").write_text(MODEL)
    assert "vae.py: there is a model vae already; give it another name" in cli(*RUN).err
    (mine / "models/vae.py").unlink()
    (mine / "conf/model/vae.yaml").write_text("name: my_net\n")
    assert "vae.yaml: there is model=vae already" in cli(*RUN).err


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with an entry point."""
    write(site / "my_package")
    (site / "my_package/__init__.py").write_text("")
    info = site / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ae_run.components]\nmy_package = my_package\nlost = not.there\n"
    )
    monkeypatch.syspath_prepend(site)


def test_an_installed_package_is_named_by_its_entry_point(tmp_path, cli, monkeypatch):
    install(tmp_path / "site", monkeypatch)
    assert cli("model=my_package.my_net", *FAST, "run_dir=run").code == 0
    assert "my_package.models.my_net" in sys.modules
    assert list(json.loads(Path("run/run.json").read_text())["code"]) == ["my_package"]
    assert "add code=my_package" in cli("resume=run").err
    assert cli("resume=run", "code=my_package").code == 0
    assert "installed: lost, my_package" in cli("code=my_pakage").err
    assert "names not.there, which is no package" in cli("code=lost").err
    assert components.in_use() == ()


@pytest.mark.usefixtures("mine")
def test_the_contract_tests_pass_for_components_that_keep_theirs():
    check_model("model=my_net", "code=my code", shapes=[(1, 8, 8), (3, 9, 10)])
    check_corruption("corruption=fade", "code=my code")
    check_data("data=noise", "code=my code")


BREAKS = {
    "return self.encoder(x)": ("return self.encoder(x)[:1]", "encode gives (1, 4); must be (4, 4)"),
    "LossTerms(error,": ("LossTerms(error.mean(),", "loss term total is (); must be one per image"),
    "self.decoder(z)": ("self.decoder(z + z.new_empty(z.shape).normal_())", "something else each"),
    "super().__init__(config, image_shape)": (
        "super().__init__(config, image_shape); self.wild = __import__('torch').rand(1)",
        "register what is missing",
    ),
}


def test_the_contract_tests_say_what_a_model_does_wrong(mine):
    for old, (new, words) in BREAKS.items():
        changed = MODEL.replace(old, new)
        if "wild" in new:
            changed = changed.replace("self.decoder(z)", "self.decoder(z * self.wild.to(z))")
        (mine / "models/my_net.py").write_text(changed)
        with pytest.raises(Broken, match=r"my_net, images of 1 × 8 × 8: ") as error:
            check_model("model=my_net", "code=my code", shapes=[(1, 8, 8)])
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(1 - config.strength)", "(1.1 - config.strength)", "level 0 changes images"),
        ("images * (1 - config.strength)", "images - config.strength", "outside of [0, 1]"),
        ("return images", "images.mul_(1 - config.strength)\n    return images", "in place"),
        ("return images", "float(images.mean())\n    return images", "reads a value back"),
        ("config.strength)", "config.strength * __import__('random').random())", "the same noise"),
        ("config.strength)", "config.strength * images.mean())", "alone than in a batch"),
        ("images * (", "images.float() * (", "gives torch.float32; must be torch.float64"),
    ],
)
def test_the_contract_tests_say_what_a_corruption_does_wrong(mine, old, new, words):
    (mine / "corruptions/fade.py").write_text(CORRUPTION.replace(old, new))
    with pytest.raises(Broken, match=r"fade, images of 1 × 8 × 8: ") as error:
        check_corruption("corruption=fade", "code=my code", shapes=[(1, 8, 8)])
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (".astype(np.uint8)", ".astype(float)", "images: are float64; must be uint8"),
        ("% 3", "% 5", "labels must be indices into class_names, 0 to 2"),
        ("labels[:60]", "list(labels[:60])", "labels are a list; must be an array"),
        ("RandomState(0)", "RandomState()", "gives other images when it is loaded again"),
    ],
)
def test_the_contract_tests_say_what_a_data_set_does_wrong(mine, old, new, words):
    (mine / "data/noise.py").write_text(DATA.replace(old, new))
    with pytest.raises(Broken) as error:
        check_data("data=noise", "code=my code")
    assert words in str(error.value)

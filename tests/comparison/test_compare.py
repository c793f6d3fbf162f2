"""`task=compare`: a table, a CSV file and a page of the runs that are given."""

import csv
import json
import re
from pathlib import Path

import pytest

from ae_run.comparison import runs, table
from ae_run.run_folder import RunFolder


def rows(folder: str = "cmp") -> list[dict[str, str]]:
    with Path(folder, "compare.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def html(folder: str = "cmp") -> str:
    return Path(folder, "compare.html").read_text(encoding="utf-8")


@pytest.fixture
def several(make):
    """Two models, one of them with three seeds; one on other images; one failed, one broken."""
    make("vae", "outputs/vae-0")
    make("vae", "outputs/vae-1", {"seed": 1}, seed=1)
    make("vae", "outputs/vae-2", {"seed": 2, "data.root": None}, seed=2)
    make("conv", "outputs/conv", {"name": "plain", "tags": ["first"]})
    other = {"name": "digits", "train": 60, "test": 80, "fingerprint": "other"}
    make("conv", "outputs/other", data=other)
    make("conv", "outputs/failed", status="failed", error="no space left")
    (make("conv", "outputs/broken") / "config.yaml").write_text("[")


@pytest.mark.usefixtures("several")
def test_runs_are_ranked_seeds_together_and_other_data_apart(cli):
    result = cli("task=compare", "run_dir=cmp")
    assert result.code == 0, result.err
    assert "5 runs" not in result.out
    assert re.search(r"4 runs\s+by mse on test\s+\(clean\s+input\)", result.out)
    assert "Bound & co, 3 runs" in result.out
    assert "seeds=0,1,2" in result.out
    assert "2 data sets or splits: their scores are not comparable" in result.out
    assert "not compared: 2" in result.out
    assert "failed  outputs/failed: after 2 of 2 epochs: no space left" in result.out
    assert "1 − 2: " in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    found = rows()
    assert len(found) == 7
    assert [row["table"] for row in found] == ["1", "1", "1", "1", "2", "", ""]
    assert {row["rank"] for row in found if "vae" in row["folder"]} in ({"1"}, {"2"})
    assert {row["model.name"] for row in found[:4]} == {"vae", "conv_ae"}
    assert next(row for row in found if row["name"] == "plain")["tags"] == "first"


def test_runs_of_another_precision_are_told_apart_though_both_were_left_to_choose(cli, make):
    make("conv", "outputs/a", precision="float32")
    make("conv", "outputs/b", precision="bfloat16")
    result = cli("task=compare", "run_dir=cmp")
    assert {row["train.precision"] for row in rows()} == {"float32", "bfloat16"}
    assert "train.precision=bfloat16" in result.out


def test_probes_robustness_samples_and_seconds_stand_beside(cli, make):
    scores = {
        "probe": {"softmax": {"accuracy": 0.75}},
        "robustness": {
            "gaussian": {"corruption": "gaussian", "levels": [0, 0.5], "mse": [0.02, 0.04]}
        },
        "frechet": {"n": 80, "accuracy": 0.97, "samples": 40.5},
    }
    run = make("conv", "outputs/a", phases={"train": 12.5})
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(metrics | scores))
    seeds = {"probe.softmax.accuracy": {"values": [0.75, 0.85], "mean": 0.8, "sd": 0.07}}
    (run / "replicas.json").write_text(json.dumps({"seeds": [0, 1], "scores": seeds}))
    make("vae", "outputs/b")
    assert cli("task=compare", "run_dir=cmp").code == 0
    row = next(row for row in rows() if row["folder"].endswith("a"))
    assert float(row["test_softmax_accuracy"]) == pytest.approx(0.8)
    assert float(row["test_gaussian_0_to_0.5_mse"]) == pytest.approx(0.03)
    assert float(row["test_frechet_samples"]) == 40.5
    assert float(row["train_seconds"]) == 12.5
    assert "0.8 ± 0.071" in html()
    assert "MSE under gaussian 0–0" in html()


def test_runs_with_a_likelihood_are_ranked_by_it_the_highest_first(cli, make):
    for name, surplus in (("0", 0.0), ("1", 2.0)):
        folder = RunFolder(make("vae", f"outputs/{name}", {"seed": int(name), "name": None}))
        metrics, arrays = folder.read_json("metrics.json"), folder.read_arrays("artifacts.npz")
        each = surplus - arrays["scores_nelbo"]
        density = {"log_likelihood": float(each.mean()), "log_likelihood_samples": 5}
        folder.write_json("metrics.json", metrics | density)
        folder.write_arrays("artifacts.npz", arrays | {"scores_log_likelihood": each})
    found = [runs.read(Path("outputs", name)) for name in "01"]
    (one,) = table.tables(found)
    assert "2 runs by log_likelihood on test (clean input), the highest first" in " ".join(
        table.text(one).split()
    )
    # With other settings each is a row of its own.
    found[1].config["model"]["latent_dim"] += 1
    (one,) = table.tables(found)
    assert [row.name for row in one.rows] == ["digits-vae 1", "digits-vae 0"]
    result = cli("task=compare", "run_dir=cmp")
    assert result.code == 0, result.err
    assert "negative elbo" in html(), "the curve of what is known in each epoch"


def test_a_run_that_does_not_beat_a_baseline_says_so(cli, make):
    run = make("conv", "outputs/a")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["baseline"]["pca"]["mse"] = metrics["mse"] / 2
    metrics["baseline"]["mean"]["mse"] = metrics["mse"] * 2
    (run / "metrics.json").write_text(json.dumps(metrics))
    result = cli("task=compare", "run_dir=cmp")
    assert f"no better than PCA, {metrics['mse'] / 2:.4g}" in result.out
    (row,) = rows()
    assert float(row["test_pca_mse"]) == metrics["mse"] / 2
    assert float(row["test_mean_image_mse"]) == metrics["mse"] * 2
    assert "MSE of PCA" in html()
    metrics["baseline"]["pca"]["mse"] = metrics["mse"] * 2
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert "no better" not in cli("task=compare", "run_dir=other").out


def test_the_lead_is_that_of_the_mean_over_the_runs_of_a_row(make, cli):
    make("vae", "outputs/other")
    make("conv", "outputs/a")
    again = RunFolder(make("conv", "outputs/b", {"seed": 1}, seed=1))
    arrays = again.read_arrays("artifacts.npz")
    again.write_arrays("artifacts.npz", arrays | {"test_mse": arrays["test_mse"] + 1})
    result = cli("task=compare")
    assert result.code == 0, result.err
    lead = float(re.search(r"1 − 2: (\S+),", result.out)[1])
    assert 0.3 < abs(lead) < 0.7


@pytest.mark.usefixtures("several")
def test_the_page_has_every_run_and_links_to_its_own(cli):
    assert cli("task=compare", "run_dir=cmp", "name=My <runs>").code == 0
    text = html()
    assert "My &lt;runs&gt;" in text
    links = re.findall(r'href="(\.\./outputs/[^"]+)"', text)
    assert {Path("cmp", link).resolve() for link in links} >= {
        Path(f"outputs/{name}/report.html").resolve() for name in ("vae-0", "conv", "other")
    }
    assert "first &lt;b&gt;try&lt;/b&gt;" in text
    assert text.count("<script>") == 1
    assert not re.search(r"(src|href)=\"https?:", text)
    assert "no space left" in text


def test_runs_for_different_input_are_ranked_by_clean_input(cli, make):
    make("conv", "outputs/a")
    make("noisy", "outputs/b")
    assert cli("task=compare", "run_dir=cmp").code == 0
    (found,) = table.tables(runs.find(None))
    assert found.lead.clean
    assert "ranked by clean input" in html()
    assert "corruption.name" in found.keys


def test_only_keys_that_decide_something_are_shown(make):
    make("conv", "outputs/a", {"train.lr": 0.1, "figures.dpi": 99, "data.validation_fraction": 0.2})
    make("conv", "outputs/b")
    (found,) = table.tables(runs.find(None))
    assert "train.lr" in found.keys
    assert not [key for key in found.keys if key.startswith(("figures", "evaluate", "name"))]
    assert {row.values["train.lr"] for row in found.rows} >= {"0.1"}
    assert found.same["data.name"] == "digits"


def test_several_seeds_of_one_run_count_as_seeds(make):
    path = make("conv", "outputs/a")
    (path / "replicas.json").write_text(
        '{"seeds": [4, 5], "scores": {"mse": {"mean": 0.3, "sd": 0.1, "values": [0.2, 0.4]}}}'
    )
    (found,) = table.tables(runs.find(None))
    assert found.rows[0].seeds == [4, 5]
    assert str(found.rows[0].scores["mse"]) == "0.3 ± 0.14"


def test_one_run_alone_and_runs_without_scores_have_a_page(cli, make):
    make("conv", "outputs/a")
    assert cli("task=compare", "run_dir=one").code == 0
    assert 'class="card versus"' not in html("one")
    (Path("outputs/a") / "metrics.json").unlink()
    assert cli("task=compare", "run_dir=none").code == 0
    assert "no scores on test" in html("none")
    assert cli("task=compare", "run_dir=none").code == 2


def test_a_run_of_an_older_version_without_arrays_is_compared(cli, make):
    path = make("conv", "outputs/a")
    (path / "artifacts.npz").unlink()
    (path / "history.csv").unlink()
    make("conv", "outputs/b", {"seed": 7}, seed=7)
    assert cli("task=compare", "run_dir=cmp").code == 0
    assert [row["status"] for row in rows()] == ["finished", "finished"]


def test_the_folder_is_below_outputs_and_its_page_is_printed_last(cli, make):
    make("conv", "outputs/a")
    result = cli("task=compare", "outputs/a", "runs=outputs/a/")
    page = Path(result.out.splitlines()[-1].removeprefix("page     "))
    assert page.is_file()
    assert page.parent.parent == Path("outputs/compare")
    assert len(rows(str(page.parent))) == 1


def test_a_comparison_imports_no_torch():
    from command_line import run_process

    code = (
        "import sys, ae_run.comparison.compare, ae_run.comparison.cleaning\n"
        "sys.exit(int('torch' in sys.modules))"
    )
    assert run_process(["-c", code]).returncode == 0

"""The page is self-contained, safe, complete, and there for runs that went wrong, too."""

import base64
import hashlib
import re
from collections.abc import Callable
from urllib.parse import unquote

import fake_run
import pytest
from parsed_page import Page

from ae_run import figures
from ae_run.drawing import run_data
from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder

MakeRun = Callable[..., RunFolder]
ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


@pytest.fixture(scope="module")
def page(drawn_run: RunFolder) -> Page:
    return Page(run_page.write(drawn_run))


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    assert page.loads
    assert all(load.startswith("data:") for load in page.loads)
    assert not re.search(r"url\(|@import|@font-face", page.styles[0])
    assert not re.search(r"https?://", page.html)


def test_every_link_leads_somewhere(page: Page, drawn_run: RunFolder) -> None:
    anchors = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in anchors
        else:
            assert drawn_run.has(unquote(link)), link


def test_only_its_own_script_may_run(page: Page) -> None:
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    data, program = page.scripts
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert data.startswith("{")


def test_every_figure_is_shown_with_its_caption_and_a_text_for_the_blind(
    page: Page, drawn_run: RunFolder
) -> None:
    run = run_data.load(drawn_run)
    pictures = {attrs["alt"]: attrs for attrs in page.all("img") if "aria-describedby" in attrs}
    ids = {attrs.get("id") for _, attrs in page.tags}
    for file in figures.available():
        picture = pictures[f"Figure: {file.title}"]
        assert picture["src"].startswith("data:image/png;base64,")
        assert picture["aria-describedby"] in ids
        assert file.describe(run) in page.text
    assert all(attrs.get("alt") is not None for attrs in page.all("img"))


def test_ids_are_unique(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "fact",
    [
        "digits × vae",
        "Finished",
        "0.005900 per pixel",
        "0.61 × PCA",
        "22.29 dB",
        "110.3 nats per image",
        "ae-run data=digits 'model.channels=[8,16,32]'",
        "Example CPU @ 2.00 GHz",
        "torch 2.15.0",
        "59,203",
        "12,346 images/s",
        "0123456789abcdef",
        "train 11.0 s",
        "train 1,149 · validation 288 · test 360",
        "5, best: 2 (by validation negative ELBO)",
        "Input with gaussian, std 0.3, as in training",
        "0.008800 per pixel",
        "0.39 × corrupted input",
        "Clean input",
        "negative ELBO 110.3",
        "exact duplicates none",
        "cpu: Example CPU",
        "latent_dim: 2",
    ],
)
def test_tells(fact: str, page: Page) -> None:
    assert fact in page.text


def test_what_users_write_is_text_and_never_markup(make_run: MakeRun) -> None:
    folder = make_run(names=(ATTACK, *fake_run.CLASSES[1:]))
    before = len(Page(run_page.write(folder)).tags)
    fake_run.change_json(
        folder,
        "run.json",
        label=f"{ATTACK}-{ATTACK}",
        command=ATTACK,
        error=ATTACK,
        status="failed",
        device_name=ATTACK,
        versions={ATTACK: ATTACK},
        git_revision=ATTACK,
    )
    metrics = folder.read_json("metrics.json")
    metrics["robustness"][ATTACK] = metrics["robustness"].pop("gaussian")
    folder.write_json("metrics.json", metrics)
    folder.write_yaml("config.yaml", {"data": {"name": ATTACK}})
    page = Page(run_page.write(folder))
    assert abs(len(page.tags) - before) < 20
    assert len(page.scripts) == 2
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert not any(attrs.get("src") == "x" for attrs in page.all("img"))
    assert ATTACK in page.text


@pytest.mark.parametrize(
    ("status", "words"),
    [("failed", "Failed"), ("interrupted", "Interrupted"), ("running", "Not finished")],
)
def test_a_run_without_an_end_says_so_and_how_to_go_on(
    status: str, words: str, make_run: MakeRun
) -> None:
    folder = make_run()
    for name in ("metrics.json", "artifacts.npz"):
        folder.file(name).unlink()
    fake_run.change_json(
        folder,
        "run.json",
        status=status,
        epochs_done=3,
        error="train_mse is not finite",
        wall_seconds=None,
        phases=None,
    )
    page = Page(run_page.write(folder))
    assert f"{words}" in page.text
    assert "after 3 of 5 epochs" in page.text
    assert "train_mse is not finite" in page.text
    assert f"ae-run resume={folder.path}" in page.text


def test_a_folder_with_a_config_alone_gives_a_page(make_run: MakeRun) -> None:
    folder = make_run()
    for path in folder.path.iterdir():
        if path.name != "config.yaml":
            path.unlink()
    assert "Not finished" in Page(run_page.write(folder)).text


def test_skipped_files_are_listed_up_to_a_limit(make_run: MakeRun) -> None:
    folder = make_run()
    data = folder.read_json("run.json")["data"]
    names = [f"A/{k}.png" for k in range(60)]
    fake_run.change_json(folder, "run.json", data=data | {"skipped": names})
    text = Page(run_page.write(folder)).text
    assert "skipped files 60" in text
    assert "A/0.png" in text
    assert "and 10 more" in text


def test_without_a_picture_for_the_page_it_links_to_the_pdf(make_run: MakeRun) -> None:
    folder = make_run()
    folder.file("figures").mkdir()
    folder.file("figures/samples.pdf").write_bytes(b"%PDF")
    page = Page(run_page.write(folder))
    assert "figures/samples.pdf" in page.links


def test_the_newest_picture_of_a_figure_is_shown(make_run: MakeRun) -> None:
    folder = make_run()
    figures.draw(folder, fake_run.options("png", dpi=30))
    figures.draw(folder, fake_run.options("svg", dpi=30))
    sources = [img["src"] for img in Page(run_page.write(folder)).all("img") if "src" in img]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)


def test_a_warning_takes_the_green_away(make_run: MakeRun) -> None:
    folder = make_run()
    fake_run.change_json(
        folder, "run.json", warnings=["No better than PCA."], stopped_early="no gain in 5 epochs"
    )
    page = Page(run_page.write(folder))
    assert "status warned" in {attrs.get("class") for attrs in page.all("div")}
    assert "Finished, with a warning No better than PCA." in page.text
    assert "Stopped early: no gain in 5 epochs" in page.text


def test_an_older_run_worse_than_the_mean_image_is_warned_of(make_run: MakeRun) -> None:
    folder = make_run()
    assert "with a warning" not in Page(run_page.write(folder)).text
    fake_run.change_json(folder, "metrics.json", mse=0.06)
    assert "no better than that of the mean image, 0.05210" in Page(run_page.write(folder)).text


def test_several_seeds_lead_with_their_mean(make_run: MakeRun) -> None:
    folder = make_run(corrupted=True)
    seeds = {
        "mse": {"mean": 0.0061, "sd": 0.0002},
        "denoising.output.mse": {"mean": 0.01, "sd": 1e-4},
    }
    folder.write_json("replicas.json", {"seeds": [0, 1, 2], "scores": seeds})
    text = Page(run_page.write(folder)).text
    assert "0.006100 ± 0.00020 per pixel mean ± sd over 3 seeds · 0.64 × PCA" in text
    assert text.index("0.01000 ± 0.00010") < text.index("0.006100 ± 0.00020")


def test_images_that_are_also_trained_on_are_counted_in_words(make_run: MakeRun) -> None:
    folder = make_run()
    twins = {"test_in_train_or_validation": 7, "validation_in_train": 0}
    data = folder.read_json("run.json")["data"] | {"twins": twins}
    fake_run.change_json(folder, "run.json", data=data)
    text = Page(run_page.write(folder)).text
    assert "7 of 360 test images are also in train or validation" in text


def test_every_picture_has_a_version_for_a_dark_page(page: Page) -> None:
    dark = [one for one in page.all("source") if one["media"] == "(prefers-color-scheme: dark)"]
    assert len(dark) == len([one for one in page.all("a") if one.get("class") == "zoom"]) > 10


def test_null_scores_are_dashes(make_run: MakeRun) -> None:
    folder = make_run(corrupted=True)
    metrics = folder.read_json("metrics.json") | {"snr_db": None}
    metrics["denoising"]["input"]["snr_db"] = None
    metrics["robustness"]["gaussian"]["input_snr_db"][0] = None
    folder.write_json("metrics.json", metrics)
    assert "–" in Page(run_page.write(folder)).text

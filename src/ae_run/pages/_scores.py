"""The scores on the page of a run: tiles and bars for the ones that matter, tables for all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ae_run import headline
from ae_run.drawing.run_data import RunData
from ae_run.drawing.words import SCORES, level

_SHORT = {
    "mse": "MSE",
    "bce": "cross-entropy",
    "kl": "KL",
    "log_likelihood": "log p(x)",
    "niwae": "negative IWAE bound",
}
_IMAGE_SCORES = ("mse", "psnr_db", "ssim", "snr_db")
_IN_NATS = ("nelbo", "niwae", "nelbo_at_mean", "bce", "nll", "kl", "log_likelihood")
_ROLES = {"kl": ": the rate", "bce": ": the distortion", "nll": ": the distortion"}
_BOUNDS = ("nelbo", "niwae", "log_likelihood")
"""Those among the headline scores."""


@dataclass(frozen=True)
class Tile:
    """A headline score."""

    name: str
    value: str
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """A score as a bar."""

    name: str
    value: str
    share: float
    """Of the longest, in percent."""


@dataclass(frozen=True)
class Block:
    """The scores under one kind of input, beside the baselines that are given the same."""

    title: str
    tiles: list[Tile]
    bars: list[Bar]


@dataclass(frozen=True)
class Table:
    """Scores in rows; the first column names the row."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]


def number(value: object, digits: int = 4) -> str:
    """A number with that many significant digits; a dash for None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:#,.{digits}g}".rstrip(".")
    return text.replace("-", "−")


def blocks(run: RunData) -> list[Block]:
    """The headline scores on test: under the input that the run was trained for, then clean."""
    return [_block(run, found) for found in headline.blocks(run.metrics)] if run.metrics else []


def _block(run: RunData, found: headline.Block) -> Block:
    title = "clean input"
    if found.corruption is not None:
        name, level_name, level = found.corruption
        title = f"input with {name.replace('_', ' ')}, {level_name} {level:g}, as in training"
    words = {"input": "the corrupted input", "pca": _pca(run), "mean": "the mean image"}
    others = {words[name]: found.others[name] for name in words if name in found.others}
    seeds = run.replicas.get("scores") or {}
    tiles = []
    for key in (*_BOUNDS, *_IMAGE_SCORES):
        if found.own.get(key) is None:
            continue
        value, notes = number(found.own[key]), []
        if spread := seeds.get(found.prefix + key):
            value = f"{number(spread['mean'])} ± {number(spread['sd'], 2)}"
            notes = [f"mean ± sd over {len(run.replicas['seeds'])} seeds"]
        score = found.score(key, run.replicas)
        notes += _bound_notes(key, run.metrics)
        notes += [
            f"{score / base[key]:.2f} × {_brief(name)}"
            for name, base in others.items()
            if score is not None and key == "mse" and base.get("mse")
        ]
        if key != "mse":
            notes += [
                f"{_brief(name)} {number(base[key])}"
                for name, base in others.items()
                if base.get(key) is not None
            ]
        tiles.append(Tile(_name(key), value, SCORES[key][1], " · ".join(notes)))
    return Block(title, tiles, _bars(found.score("mse", run.replicas), others))


def _bound_notes(key: str, metrics: Mapping[str, Any]) -> list[str]:
    """What must be said beside a bound on log p(x)."""
    notes = []
    if key == "log_likelihood" and metrics.get("log_likelihood_se") is not None:
        error, samples = metrics["log_likelihood_se"], metrics.get("log_likelihood_samples")
        notes.append(f"standard error {number(error, 2)}; {number(samples)} samples per image")
    if key in _BOUNDS and "no_density" in metrics:
        notes.append("no density: Bernoulli on grey pixels")
    return notes


def _bars(own: float | None, others: Mapping[str, Mapping[str, Any]]) -> list[Bar]:
    values = {"this model": own} if own is not None else {}
    values |= {name: base["mse"] for name, base in others.items() if base.get("mse") is not None}
    most = max(values.values(), default=0) or 1.0
    bars = [Bar(name, number(v), round(100 * v / most, 2)) for name, v in values.items()]
    return bars if len(bars) > 1 else []


def _brief(name: str) -> str:
    return name.removeprefix("the ").partition(",")[0]


def _of(run: RunData, *path: str) -> Mapping[str, Any]:
    found: Any = run.metrics
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _pca(run: RunData) -> str:
    pca = _of(run, "baseline", "pca")
    count = pca.get("components") or run.metrics.get("latent_dim")
    # Of all training images, unless these would have taken too long.
    of = f" of {number(pca['images'])} images" if "images" in pca else ""
    return f"PCA, {count} components{of}" if count else "PCA"


def score_tables(run: RunData) -> list[Table]:
    """Every score, in tables."""
    metrics = run.metrics
    tables = [_seeds(run.replicas)] if run.replicas else []
    if metrics:
        tables.append(_image_scores(run))
    if known := metrics.get("denoisers"):
        tables.append(_denoisers(known))
    if nats := [key for key in _IN_NATS if key in metrics]:
        note = f"Nats per image. {metrics.get('no_density', '')}".rstrip()
        names = [f"{SCORES[key][0]}{_ROLES.get(key, '')}" for key in nats]
        rows = [[name, number(metrics[key])] for name, key in zip(names, nats, strict=True)]
        tables.append(Table("Likelihood", note, ["term", "test"], rows))
    if rows := list(_of_codes(metrics)):
        note = "Of the test images."
        if used := _get(metrics.get("latent"), "n_train"):
            note += f" Latent space and nearest images: of {number(used)} training images."
        tables.append(Table("Codes", note, ["", "test"], rows))
    if isinstance(probe := metrics.get("probe"), Mapping) and probe:
        rows = [[str(name), number(_get(one, "accuracy"))] for name, one in probe.items()]
        note = "Test accuracy of classifiers trained on the frozen codes."
        used = {_get(one, "n_train") for one in probe.values()} - {None}
        note += "".join(f" Of {number(count)} training images." for count in used)
        tables.append(
            Table("Linear probe and k-NN on the codes", note, ["classifier", "accuracy"], rows)
        )
    if found := metrics.get("frechet"):
        tables.append(_frechet(found))
    for key, curve in (metrics.get("robustness") or {}).items():
        tables.append(_robustness(key, curve))
    return tables


def _of_codes(metrics: Mapping[str, Any]) -> Iterator[list[str]]:
    """Rows about the dimensions of the code and the encoder's Jacobian."""
    of = f"of {metrics.get('latent_dim')}"
    if "active_units" in metrics:
        yield ["active units: variance above 0.01", f"{metrics['active_units']} {of}"]
    if "dead_units" in metrics:
        yield ["dead units: 0 for every training image", f"{metrics['dead_units']} {of}"]
    latent = metrics.get("latent") or {}
    if "correlation" in latent:
        yield ["correlation of two dimensions, mean magnitude", number(latent["correlation"], 3)]
    if jacobian := latent.get("jacobian"):
        where = f"mean over {jacobian['n']} images"
        values = jacobian["singular_values"]
        yield [f"norm of the encoder's Jacobian, ‖∂z/∂x‖, {where}", number(jacobian["frobenius"])]
        if "weights_penalty" in latent:
            penalty = number(latent["weights_penalty"])
            yield ["norm of the product of its weights, penalty=weights", penalty]
        yield [f"its largest singular value, {where}", number(values[0])]
        yield [f"its smallest, {where}", number(values[-1])]


def _image_scores(run: RunData) -> Table:
    """Scores of images by what made them, clean and as trained."""
    columns = {"this model": run.metrics, _pca(run): _of(run, "baseline", "pca")}
    columns["the mean image"] = _of(run, "baseline", "mean")
    if trained := run.metrics.get("denoising"):
        columns |= {
            "corrupted: this model": trained.get("output") or {},
            "corrupted: PCA": trained.get("pca") or {},
            "corrupted: the input": trained.get("input") or {},
        }
    rows = [
        [_name(key, unit=True), *(number(of[key]) if key in of else "" for of in columns.values())]
        for key in _IMAGE_SCORES
    ]
    note = "Test images against the clean originals."
    return Table("Reconstruction", note, ["score", *columns], rows)


def _denoisers(known: Mapping[str, Any]) -> Table:
    """The model beside classical denoisers."""
    rows = []
    for name, scores in known.items():
        if not isinstance(scores, Mapping):
            continue
        options = [f"{key} {number(scores[key])}" for key in scores if key not in _IMAGE_SCORES]
        title = "this model" if name == "model" else ", ".join([name.replace("_", " "), *options])
        rows.append([title, *(number(scores.get(key)) for key in _IMAGE_SCORES)])
    tuned = "their parameters are chosen on validation images" if known["tuned_on"] else "untuned"
    note = (
        f"Filters that know nothing of the data set, on the first {known['n']:,} test images under "
        f"the corruption used in training; {tuned}."
    )
    header = ["by", *(_name(key, unit=True) for key in _IMAGE_SCORES)]
    return Table("Classical denoisers", note, header, rows)


def _frechet(found: Mapping[str, Any]) -> Table:
    """The quality of samples, between what is best and what is easy."""
    prior = found.get("samples_from") == "prior"
    source = "from its prior" if prior else "from a Gaussian fitted to its codes: it has no prior"
    rows = {
        f"samples of this model ({source})": found.get("samples"),
        "validation images: the least to hope for": found.get("validation"),
        "samples of PCA (a Gaussian fitted to the components)": found.get("pca"),
    }
    note = (
        f"Between {found['n']:,} images of each kind and as many test images, on the features of a "
        f"classifier trained on this data set (test accuracy {number(found['accuracy'])}): not "
        "comparable with distances on Inception's features, or with another number of images."
    )
    listed = [[name, number(value)] for name, value in rows.items()]
    return Table("Fréchet distance", note, ["images", "distance to test images"], listed)


def _seeds(replicas: Mapping[str, Any]) -> Table:
    seeds = replicas["seeds"]
    rows = [
        [name.replace(".", ": ").replace("_", " "), number(one["mean"]), number(one["sd"], 2)]
        for name, one in replicas["scores"].items()
    ]
    note = f"Mean and standard deviation on test over seeds {seeds[0]} to {seeds[-1]}."
    return Table(f"Over {len(seeds)} seeds", note, ["score", "mean", "sd"], rows)


def _robustness(key: str, curve: Mapping[str, Any]) -> Table:
    levels: list[Any] = list(curve.get("levels", ()))
    header, columns = [level(curve)], [levels]
    for key in (key for key in SCORES if key in curve):
        header.append(_name(key, unit=True))
        columns.append(list(curve[key]))
        if f"pca_{key}" in curve:
            header.append(f"{_name(key, unit=True)} of PCA")
            columns.append(list(curve[f"pca_{key}"]))
        if f"input_{key}" in curve:
            header.append(f"{_name(key, unit=True)} of the input")
            # Without noise a ratio in decibels has no bound.
            columns.append(
                [
                    "∞" if at == 0 and key.endswith("_db") else value
                    for at, value in zip(levels, curve[f"input_{key}"], strict=False)
                ]
            )
    rows = [[f"{row[0]:g}", *map(number, row[1:])] for row in zip(*columns, strict=False)]
    note = "Against the clean image, by the level of the corruption."
    if "n" in curve:
        note += f" Of {number(curve['n'])} test images."
    return Table(f"Robustness: {key.replace('_', ' ')}", note, header, rows)


def _name(key: str, *, unit: bool = False) -> str:
    name, of = SCORES.get(key, (key, ""))
    name = _SHORT.get(key, name)
    return f"{name} ({of})" if unit and of else name


def _get(content: object, *path: str) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content

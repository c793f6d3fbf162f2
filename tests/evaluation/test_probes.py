"""Classifiers on frozen codes."""

import numpy as np
import pytest
import torch
from helpers.configs import configured

from ae_run.evaluation import probes
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.probes import Splits, probe

OPTIONS = configured("evaluate=full").evaluate.probe
ALL = ["softmax", "mlp", "knn"]


def clusters(n, d=5, classes=3, distance=8.0, seed=0):
    """Codes (n, d) of classes around corners of a simplex, or points on a line where d is 1."""
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.zeros(classes, d)
    for label in range(classes):
        centres[label, label % d] = distance * (1 + label // d)
    return Codes(centres[labels] + torch.randn(n, d, generator=source), labels)


def splits(d=5, classes=3, distance=8.0, validation=60):
    return Splits(
        clusters(240, d, classes, distance, 1),
        clusters(validation, d, classes, distance, 2),
        clusters(90, d, classes, distance, 3),
        classes,
    )


def scored(data, names=ALL, seed=0, **changes):
    options = type(OPTIONS).model_validate({**dict(OPTIONS), "classifiers": names, **changes})
    with torch.no_grad():  # as `evaluate` calls it
        return probe(options, data, seed)


@pytest.mark.parametrize("d", [1, 2, 10, 500])
def test_clusters_far_apart_are_told_apart(d):
    distance = 30.0 if d in (1, 500) else 9.0
    for name, scores in scored(splits(d=d, distance=distance)).items():
        # 240 codes say little about 500 dimensions; by chance it would be a third.
        assert scores["accuracy"] > (0.6 if d == 500 else 0.98), name


def test_units_that_are_always_zero_are_no_hindrance():
    data = splits(d=30, distance=9.0)
    places = torch.randperm(200, generator=torch.Generator().manual_seed(0))[:30]
    parts = []
    for part in (data.train, data.validation, data.test):
        z = torch.zeros(len(part), 200)
        z[:, places] = part.z.relu()
        parts.append(Codes(z, part.labels))
    (scores,) = scored(Splits(*parts, data.classes), ["softmax"]).values()
    assert scores["accuracy"] > 0.98


def test_codes_without_classes_are_told_apart_by_chance():
    for name, scores in scored(splits(distance=0.0)).items():
        assert scores["accuracy"] < 0.55, name


def test_confusion_counts_every_test_code_once():
    data = splits(distance=2.0)
    for scores in scored(data).values():
        confusion = np.array(scores["confusion"])
        assert confusion.sum(1).tolist() == [30, 30, 30]  # true class by row
        assert scores["accuracy"] == pytest.approx(np.trace(confusion) / 90)
        assert scores["n"] == 90


def test_softmax_finds_the_optimum_of_its_objective():
    from sklearn.linear_model import LogisticRegression

    data = splits(distance=2.0).standardized()
    x = torch.cat([data.train.z, torch.ones(240, 1)], 1)
    for l2 in (1e-2, 1e-4):
        ours = probes._logistic(x, data.train.labels, l2, torch.zeros(3, 6))
        peer = LogisticRegression(C=1 / (l2 * 240), tol=1e-8, max_iter=5000)
        peer.fit(data.train.z.numpy(), data.train.labels.numpy())
        theirs = torch.from_numpy(np.hstack([peer.coef_, peer.intercept_[:, None]])).float()

        def objective(w, l2=l2):
            loss = torch.nn.functional.cross_entropy(x @ w.T, data.train.labels)
            return (loss + l2 / 2 * w[:, :-1].square().sum()).item()

        assert objective(ours) == pytest.approx(objective(theirs), abs=2e-5)


def test_nearest_neighbours_are_those_of_brute_force():
    data = splits(distance=2.0)
    distance = torch.cdist(data.test.z.double(), data.train.z.double())
    near = data.train.labels[distance.argsort(1)[:, :7]]
    votes = torch.stack([torch.bincount(row, minlength=3) for row in near])
    expected = (votes.argmax(1) == data.test.labels).double().mean().item()
    assert scored(data, ["knn"], neighbours=[7])["knn"]["accuracy"] == expected


def test_the_lowest_of_equally_frequent_classes_wins():
    labels = torch.tensor([[2, 1, 1, 2], [2, 0, 1, 1], [0, 1, 2, 2]])
    assert probes._vote(labels, 4).tolist() == [1, 1, 2]
    assert probes._vote(labels, 2).tolist() == [1, 0, 0]


def test_settings_are_chosen_by_validation_alone():
    data = splits(distance=2.0)
    shuffled = Codes(data.test.z, data.test.labels.flip(0))
    other = Splits(data.train, data.validation, shuffled, 3)
    first, second = scored(data), scored(other)
    for name, setting in (("softmax", "l2"), ("knn", "k"), ("mlp", "epoch")):
        assert first[name][setting] == second[name][setting]
        assert first[name]["validation_accuracy"] == second[name]["validation_accuracy"]
        assert first[name]["accuracy"] != second[name]["accuracy"]


def test_many_neighbours_are_chosen_where_labels_are_noisy():
    data = splits(distance=6.0)
    noisy = data.train.labels.clone()
    noisy[::4] = (noisy[::4] + 1) % 3
    noisy_data = Splits(Codes(data.train.z, noisy), data.validation, data.test, 3)
    scores = scored(noisy_data, ["knn"], neighbours=[1, 15])["knn"]
    assert scores["k"] == 15
    assert scores["accuracy"] > 0.95


def test_without_validation_the_middle_setting_is_taken_and_the_last_epoch():
    scores = scored(splits(validation=0), l2=[1e-6, 1e-3, 1.0], neighbours=[1, 4, 9])
    assert scores["softmax"]["l2"] == 1e-3
    assert scores["knn"]["k"] == 4
    assert scores["mlp"]["epoch"] == OPTIONS.mlp.epochs
    for name in ALL:
        assert scores[name]["validation_accuracy"] is None
        assert scores[name]["accuracy"] > 0.95


def test_codes_of_a_single_class_have_no_probe():
    assert scored(splits(classes=1)) == {}


def test_a_class_that_training_lacks_is_never_given():
    data = splits()
    known = data.train.labels < 2
    lacking = Splits(
        Codes(data.train.z[known], data.train.labels[known]), data.validation, data.test, 3
    )
    for name, scores in scored(lacking).items():
        assert not np.array(scores["confusion"])[:, 2].any(), name


def test_more_neighbours_than_codes_are_all_codes():
    few = Splits(clusters(4, distance=20.0), clusters(0), clusters(9, distance=20.0), 3)
    assert scored(few, ["knn"], neighbours=[50])["knn"]["k"] == 50


def test_constant_dimensions_do_no_harm():
    data = splits()
    parts = (data.train, data.validation, data.test)
    wider = [Codes(torch.cat([p.z, torch.full((len(p), 2), 7.0)], 1), p.labels) for p in parts]
    for scores in scored(Splits(*wider, 3)).values():
        assert scores["accuracy"] > 0.98


def test_the_scale_of_a_code_does_not_matter_to_softmax_and_mlp():
    data = splits(distance=2.5)
    parts = (data.train, data.validation, data.test)
    scale = torch.tensor([1e4, 1e-4, 1.0, 1e3, 1e-3])
    scaled = Splits(*(Codes(p.z * scale + 3 * scale, p.labels) for p in parts), 3)
    first, second = (scored(data, ["softmax", "mlp"]) for data in (data, scaled))
    for name in first:
        assert first[name]["accuracy"] == pytest.approx(second[name]["accuracy"], abs=0.03)


def test_a_seed_repeats_every_score():
    assert scored(splits(distance=2.0)) == scored(splits(distance=2.0))


def test_the_mlp_tells_its_history_and_takes_its_best_epoch():
    scores = scored(splits(distance=2.0), ["mlp"])["mlp"]
    history = scores["history"]
    assert set(history) == {
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    }
    assert {len(values) for values in history.values()} == {OPTIONS.mlp.epochs}
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert scores["validation_accuracy"] == max(history["validation_accuracy"])
    assert history["validation_accuracy"][scores["epoch"] - 1] == scores["validation_accuracy"]


def test_plain_sgd_reads_less_from_small_codes_than_the_optimum():
    data = splits(distance=3.0)
    parts = (data.train, data.validation, data.test)
    small = Splits(*(Codes(p.z * 1e-3, p.labels) for p in parts), 3)
    scores = scored(small, ["softmax", "sgd_softmax"])
    assert scores["sgd_softmax"]["epoch"] == OPTIONS.sgd_softmax.epochs
    assert scores["sgd_softmax"]["accuracy"] < scores["softmax"]["accuracy"] - 0.1


def test_the_last_epoch_of_raw_codes_through_a_softmax():
    data = splits(distance=2.0)
    report = OPTIONS.mlp.model_copy(
        update={"standardize": False, "keep": "last", "output": "softmax"}
    )
    scores = scored(data, ["mlp"], mlp=report)["mlp"]
    assert scores["epoch"] == report.epochs
    # Probabilities taken for logits: even a sure and right answer costs log(1 + (K − 1)/e).
    assert scores["loss"] > np.log(1 + 2 / np.e)
    assert scored(data, ["mlp"])["mlp"]["loss"] < scores["loss"]


def test_of_large_splits_the_first_codes_are_used(monkeypatch):
    assert probes.most(32) == 100_000
    assert probes.most(12_288) == 16_276  # 800 MB of floats
    data = splits()
    parts = (data.train, data.validation, data.test)
    expected = scored(Splits(*(part.first(40) for part in parts), data.classes))
    monkeypatch.setattr(probes, "most", lambda *_: 40)
    assert scored(data) == expected

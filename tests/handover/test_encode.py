"""`task=encode`: the codes of images, of the run's data or of others."""

import numpy as np
import pytest


def test_codes_errors_labels_and_splits_are_written(trained, cli):
    result = cli("task=encode", f"run={trained.path}")
    assert result.code == 0, result.err
    assert "encoded  160 images" in result.out
    with np.load(trained.path / "codes.npz") as arrays:
        found = dict(arrays)
    assert {len(array) for name, array in found.items() if name != "class_names"} == {160}
    for name, part in (
        ("train", trained.dataset.train),
        ("validation", trained.dataset.validation),
        ("test", trained.dataset.open_test()),
    ):
        mine = found["split"] == name
        np.testing.assert_array_equal(found["labels"][mine], part.labels)
        np.testing.assert_array_equal(found["index"][mine], np.arange(len(part)))
        np.testing.assert_allclose(found["codes"][mine], trained.encode(part.images), atol=1e-5)
    assert found["mse"][found["split"] == "test"].mean() == pytest.approx(trained.metrics["mse"])


def test_other_images_of_the_same_shape_can_be_encoded_elsewhere(trained, cli, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(30) % 3)
    args = ["data=npz", "data.path=mine.npz", "output=my codes.npz"]
    result = cli("task=encode", f"run={trained.path}", *args)
    assert result.code == 0, result.err
    with np.load(tmp_path / "my codes.npz") as arrays:
        assert arrays["codes"].shape == (30, 10)
        assert arrays["class_names"].tolist() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["data=colored_digits"], "images are 3 × 28 × 28; the run's are 1 × 28 × 28"),
        (["output=codes.txt"], "output=codes.txt: must end in .npz"),
        (["output=~no-such-user/codes.npz"], "no such user"),
        (["output=nowhere/codes.npz"], "no such folder: nowhere"),
        (["model.latent_dim=3"], "model.latent_dim: cannot change"),
    ],
)
def test_what_cannot_be_encoded_is_refused(trained, cli, args, words):
    result = cli("task=encode", f"run={trained.path}", *args)
    assert result.code == 2
    assert words in result.err

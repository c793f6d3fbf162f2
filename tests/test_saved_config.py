"""Configs of older runs."""

from ae_run.saved_config import upgraded


def test_keys_added_since_get_the_value_they_had_in_effect():
    old = {
        "model": {"name": "conv_ae"},
        "corruption": {"name": "gaussian", "mean": 0.0, "std": 0.1, "clip": True},
        "train": {"epochs": 3},
        "evaluate": {
            "robustness": {"noise": {"corruption": {"name": "gaussian", "std": 0.2}}},
            "probe": {"mlp": {"epochs": 5}},
            "latent": None,
        },
        "figures": {"style": "paper"},
    }
    new = upgraded(old)
    assert new["model"]["output_bias"] == -1.5
    assert new["corruption"] == {**old["corruption"], "fixed": False, "rescale": False}
    assert new["figures"] == {
        "style": "paper",
        "width": None,
        "titles": True,
        "dark_page": False,
    }
    assert new["train"] == {"epochs": 3, "plateau": None, "init_from": None, "loggers": None}
    assert new["evaluate"]["robustness"]["noise"]["corruption"]["rescale"] is False
    assert new["evaluate"]["probe"]["mlp"]["keep"] == "best"
    assert new["evaluate"]["latent"] is None
    assert "output_bias" not in old["model"]


def test_a_suggestion_in_epochs_becomes_one_in_steps_that_does_not_count():
    new = upgraded({"data": {"name": "digits", "suggested_epochs": 100}, "train": {"epochs": 7}})
    added = {"binarize": "none", "memory": None}
    assert new["data"] == {"name": "digits", "suggested_steps": 1, **added}
    assert new["train"]["epochs"] == 7


def test_an_older_variational_run_maximises_the_elbo_of_one_sample_of_grey_images():
    new = upgraded({"data": {"name": "mnist"}, "model": {"name": "vae"}})
    assert new["data"]["binarize"] == "none"
    assert (new["model"]["objective"], new["model"]["importance_samples"]) == ("elbo", 1)


def test_what_a_config_holds_stays():
    saved = {"model": {"name": "vae", "output_bias": 2.0}, "train": {"plateau": {"epochs": 1}}}
    new = upgraded(saved)
    assert new["model"]["output_bias"] == 2.0
    assert new["train"]["plateau"] == {"epochs": 1}
    assert upgraded(new) == new

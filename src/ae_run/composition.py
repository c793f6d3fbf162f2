"""A command line's overrides → a config, composed by Hydra from `conf/` and not validated yet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ae_run import components, messages
from ae_run.errors import UserError


def compose(*overrides: str) -> dict[str, Any]:
    """Compose a command line's overrides into plain, resolved containers for `validate`.

    Raises:
        UserError: an override cannot be parsed, or names an unknown key or option.
    """
    return composed(*overrides)[0]


def composed(*overrides: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The same, and the chosen option of each config group."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    words = [*overrides, *components.search_path()]
    try:
        with hydra.initialize_config_dir(str(components.conf_dir()), version_base="1.3"):
            whole = hydra.compose("config", words, return_hydra_config=True)
            choices = {str(k): str(v) for k, v in whole.hydra.runtime.choices.items()}
            keys = [str(key) for key in whole if key != "hydra"]
            raw: Any = OmegaConf.to_container(OmegaConf.masked_copy(whole, keys), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, overrides)) from None
    return dict(raw), choices


def explain(error: Exception, overrides: Sequence[str], extra: Sequence[Path] = ()) -> str:
    """Why Hydra could not compose these overrides, in one line; `extra` are config folders."""
    options = {group: list(components.options(group, extra)) for group in components.groups(extra)}

    def missing(key: str) -> str:
        chosen = [o for o in overrides if o.partition("=")[0] in options and "," not in o]
        try:
            raw = compose(*chosen)
        except UserError:  # an option of the user's own config folder
            raw = compose()
        return messages.no_such_override(key, raw, options)

    return messages.composition_error(error, overrides, missing)

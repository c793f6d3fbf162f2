"""The reference of all keys, from the YAML files and the schemas."""

from collections.abc import Iterator, Mapping

from ae_run import components, key_docs
from ae_run.key_help import Explained, explained

ORDER = ("data", "corruption", "model", "train", "evaluate", "figures", "search", "experiment")
"""The groups in the order in which a run meets them; others follow."""


def page() -> str:
    """Every key of every option, as Markdown."""
    groups = sorted(
        components.groups(), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)
    )
    parts = ["## Keys outside of any group", _table(explained(key_docs.of_root(), {}))]
    for group in groups:
        parts += _group(group)
    return "\n\n".join(parts)


def _group(group: str) -> Iterator[str]:
    """A section per group, with its options and the keys of each."""
    options = components.options(group)
    yield f"## {group}"
    yield "\n".join(
        [f"| `{group}=` | |", "|---|---|"]
        + [f"| [`{name}`](#{group}-{name}) | {_cell(line)} |" for name, line in options.items()]
    )
    base = key_docs.of_option(group, "default") if "default" in options else {}
    for name in sorted(options, key=lambda name: name != "default"):
        keys = key_docs.of_option(group, name)
        if base and name != "default":
            keys = {path: key for path, key in keys.items() if base.get(path) != key}
        yield f"### {group}={name} {{ #{group}-{name} }}"
        yield _table(explained(keys, _chosen(group, name)))


def _chosen(group: str, name: str) -> Mapping[str, str]:
    """The options whose schemas count for the keys of an option, such as an experiment's."""
    return key_docs.chosen([f"{group}={name}"])


def _table(keys: Iterator[Explained]) -> str:
    rows = [
        f"| {_code(key.path)} | {_code(key.value)} | {_cell(key.kind)} | {_cell(key.comment)} |"
        for key in keys
    ]
    return "\n".join(["| key | value | type | |", "|---|---|---|---|", *rows])


def _code(value: str) -> str:
    return f"<code>{_cell(value)}</code>" if value else ""


def _cell(text: str) -> str:
    """Text that cannot end a table's cell or start HTML."""
    return text.replace("|", "&#124;").replace("<", "&lt;")

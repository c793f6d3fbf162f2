"""`ae-run --help train`, `--help model=vae`, `--help train.lr`: keys, explained.

Values and comments are those of the YAML files, types and bounds those of the schemas. Only a
component's own options import its module, which may import torch.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ae_run import components, console, key_docs, messages
from ae_run.errors import UserError
from ae_run.key_docs import Key
from ae_run.task_table import TASKS

_WIDTH = 100
_EACH = ", each "


def text(words: Sequence[str], extra: Sequence[Path] = ()) -> str:
    """The keys that the words of a command line name, each word a section.

    Raises:
        UserError: a word names no group, option or key.
    """
    return "\n\n".join("\n".join(_section(word, words, extra)) for word in words)


def table(rows: Mapping[str, str]) -> str:
    """Names and a line on each, in two columns."""
    width = max(map(len, rows), default=0)
    return "".join(f"  {name:<{width}}  {line}".rstrip() + "\n" for name, line in rows.items())


def _section(word: str, words: Sequence[str], extra: Sequence[Path]) -> Iterator[str]:
    name, _, value = word.lstrip("+~").partition("=")
    chosen = key_docs.chosen(words, extra)
    if name == "task":
        yield console.styled("Tasks (task=…)", "bold")
        yield table({task: row.help for task, row in TASKS.items()}).rstrip()
    elif name in components.groups(extra):
        options = components.options(name, extra)
        option = value or chosen.get(name)
        if option and option not in options:
            raise UserError(messages.unknown(word, option, options))
        if not value:
            yield console.styled(f"{name.capitalize()} ({name}=…)", "bold")
            yield table(options)
        if option:
            yield f"{console.styled(f'{name}={option}', 'bold')}: {options[option]}\n"
            keys = key_docs.of_option(name, option, extra)
            yield from _explained(keys, chosen | {name: option}, extra)
    else:
        keys, where = _named(name, chosen, extra)
        yield from _explained(keys, chosen | where, extra)


def _named(
    path: str, chosen: Mapping[str, str], extra: Sequence[Path]
) -> tuple[dict[str, Key], dict[str, str]]:
    """A key, or those below it, of the chosen option of its group or else the first that has it."""
    group = path.partition(".")[0]
    options = components.options(group, extra) if group in components.groups(extra) else {}
    for option in dict.fromkeys([chosen.get(group), *options]):
        keys = key_docs.of_option(group, option, extra) if option else key_docs.of_root()
        found = {k: key for k, key in keys.items() if k == path or k.startswith(f"{path}.")}
        if found:
            return found, {group: option} if option else {}
    known = list(key_docs.of_root())
    for other, option in chosen.items():
        known += key_docs.of_option(other, option, extra)
    guess = messages.nearest_key(path, known)
    hint = f"; did you mean '{guess}'?" if guess else ""
    raise UserError(f"--help {path}: no such group or key{hint}")


@dataclass(frozen=True)
class Explained:
    """A key of a config, in words."""

    path: str
    value: str
    """As it is written; empty for a mapping, whose keys follow."""
    kind: str
    """What the schema allows; empty where the comment says it."""
    comment: str


def explained(
    keys: Mapping[str, Key], chosen: Mapping[str, str], extra: Sequence[Path] = ()
) -> Iterator[Explained]:
    """Each key that a user may set, with its value, type, bounds and comment.

    Args:
        keys: from `key_docs`.
        chosen: the option of each group whose schema counts.
        extra: the user's own config folders.
    """
    schemas = {
        group: _schema(group, chosen, extra) for group in {k.partition(".")[0] for k in keys}
    }
    for path, key in keys.items():
        group, _, inner = path.partition(".")
        if not (key.value or key.comment) or (group in components.PACKAGES and inner == "name"):
            continue
        kind = in_words(*_at(schemas[group], inner.split(".") if inner else []))
        if not key.value:  # its keys follow
            kind = ""
        shape, _, choices = kind.rpartition(_EACH)
        if all(choice in key.comment for choice in choices.split(" | ")):
            kind = shape  # the comment lists the choices, and says what each means
        yield Explained(path, key.value, kind, key.comment)


def _explained(
    keys: Mapping[str, Key], chosen: Mapping[str, str], extra: Sequence[Path]
) -> Iterator[str]:
    """Each key with its value, and below it its type, bounds and comment."""
    for key in explained(keys, chosen, extra):
        told = "; ".join(part for part in (key.kind, key.comment) if part)
        yield console.styled(key.path, "bold") + (f" = {key.value}" if key.value else "")
        yield from textwrap.wrap(told, _WIDTH, initial_indent="    ", subsequent_indent="    ")


def _schema(group: str, chosen: Mapping[str, str], extra: Sequence[Path]) -> dict[str, Any]:
    """The JSON schema of a group's options, or of a root key."""
    from ae_run.config import Config

    if group in components.PACKAGES:
        name = key_docs.of_option(group, chosen[group], extra).get(f"{group}.name")
        module = components.module(group, name.value if name else chosen[group])
        return dict(module.Config.model_json_schema())
    if group == "search":
        from ae_run.search.config import SearchConfig

        return SearchConfig.model_json_schema()
    root = Config.model_json_schema()
    return {**root["properties"].get(group, {}), "$defs": root["$defs"]}


def _at(schema: dict[str, Any], path: Sequence[str]) -> tuple[Any, Mapping[str, Any]]:
    """What a JSON schema says of a key, and its definitions; `{}` if it leaves the key open."""
    definitions = schema.get("$defs", {})
    node: Any = schema
    for part in path:
        nodes = [
            _followed(one, definitions)
            for one in [node, *_followed(node, definitions).get("anyOf", [])]
        ]
        more = (
            one.get("properties", {}).get(part) or one.get("additionalProperties") for one in nodes
        )
        node = next((one for one in more if isinstance(one, dict)), {})
    return node, definitions


def _followed(node: Any, definitions: Mapping[str, Any]) -> Any:
    return definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def in_words(node: Any, definitions: Mapping[str, Any]) -> str:
    """What a JSON schema allows: `integer ≥ 1, or null`; empty if it says nothing.

    Args:
        node: the schema of a value.
        definitions: those that `$ref` may name.
    """
    node = _followed(node, definitions)
    if "anyOf" in node:
        return ", or ".join(filter(None, (in_words(one, definitions) for one in node["anyOf"])))
    if "enum" in node:
        return " | ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if node.get("type") == "array":
        size = f" of {node['minItems']}" if node.get("minItems") == node.get("maxItems", -1) else ""
        items: Any = node.get("items") or next(iter(node.get("prefixItems", [])), {})
        return f"list{size}{_EACH}{in_words(items, definitions)}"
    names = {"boolean": "true | false", "string": "text", "object": "mapping"}
    kind = names.get(node.get("type"), node.get("type", ""))
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[key]}" for key, sign in signs.items() if key in node]
    return " ".join(filter(None, (kind, " and ".join(bounds))))

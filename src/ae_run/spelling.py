"""Texts and lists in the grammar of Hydra's overrides, with its own ideas of quotes."""

import re
from collections.abc import Sequence

_ITEM = re.compile(r"""\s*('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,]+)""")
"""An item of a list; in quotes it may contain commas."""


def of(text: str) -> str:
    """A text, such as a path, spelled so that Hydra takes it as it is typed."""
    plain = re.fullmatch(r"(\.{0,2}/|[A-Za-z_])[\w./:-]*", text, re.ASCII)
    if plain and text.lower() not in ("true", "false", "nan", "inf"):
        return text
    return text if is_quoted(text) else quoted(text)


def of_several(text: str) -> str:
    """The paths of a sweep: separated by commas, or by a function of Hydra's, as `glob(*)`."""
    if is_quoted(text) or re.fullmatch(r"\w+\(.*\)", text):
        return text
    return ",".join(map(of, text.split(",")))


def of_list(key: str, texts: Sequence[str]) -> str:
    """The override `KEY=[a,'b c']`."""
    return f"{key}=[{','.join(map(of, texts))}]"


def items(value: str) -> list[str]:
    """The items of `[a,'b c']`, with or without the brackets and quotes."""
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    found = (item.strip() for item in _ITEM.findall(inner))
    return [_unquoted(item) if is_quoted(item) else item for item in found if item]


def is_quoted(text: str) -> bool:
    """Whether it is in quotes already."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""


def quoted(text: str) -> str:
    """In Hydra's single quotes; there, backslashes count only before a quote."""
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text)
    return f"'{escaped}'"


def _unquoted(text: str) -> str:
    """What `quoted` was given; of double quotes, the same."""
    return re.sub(r"(\\+)(['\"]|$)", lambda m: len(m[1]) // 2 * "\\" + m[2], text[1:-1])

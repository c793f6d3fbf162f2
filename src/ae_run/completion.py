"""Tab completion for bash, zsh and fish: `ae-run -sc install=SHELL` prints what to evaluate.

At each press of the key, the shell calls `ae-run -sc query=SHELL` with the line up to the cursor
in `COMP_LINE`, and gets whole words, one per line. Nothing is ever printed but these.
"""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ae_run import arguments, components, key_docs
from ae_run.errors import UserError
from ae_run.key_docs import Key
from ae_run.task_table import TASKS

# Bash ends a word at = and :, replaces the piece behind them, and is told of no space after what
# may go on. Works in bash 3.2, which is what macOS has.
_BASH = """\
# Put this into ~/.bashrc:  eval "$(ae-run -sc install=bash)"
_ae_run() {
    local line="${COMP_LINE:0:COMP_POINT}" piece="${COMP_WORDS[COMP_CWORD]}" word end
    COMPREPLY=()
    while IFS= read -r word; do
        [ -n "$word" ] || continue
        case "$piece" in
            [\\"\\']*) end="" ;;
            *)
                case "$word" in *[=./,]) end="" ;; *) end=" " ;; esac
                case "$word" in
                    *[!][A-Za-z0-9_./,=:+@~-]*) word=$(printf '%q' "$word") ;;
                esac ;;
        esac
        COMPREPLY+=("$word$end")
    done < <(COMP_LINE="$line" COMP_PIECE="$piece" "${COMP_WORDS[0]}" -sc query=bash 2>/dev/null)
}
complete -o nospace -F _ae_run ae-run
"""
_ZSH = """\
# Put this into ~/.zshrc, below compinit:  eval "$(ae-run -sc install=zsh)"
_ae_run() {
    local -a found
    found=("${(@f)$(COMP_LINE="$LBUFFER" "${words[1]}" -sc query=zsh 2>/dev/null)}")
    [[ -n "$found" ]] || return 1
    compadd -S '' -- ${(M)found:#*[=./,]}
    compadd -- ${found:#*[=./,]}
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _ae_run ae-run
"""
_FISH = """\
# Put this into ~/.config/fish/config.fish:  ae-run -sc install=fish | source
function __ae_run
    set -lx COMP_LINE (commandline -cp)
    set -l words (commandline -opc)
    $words[1] -sc query=fish 2>/dev/null
end
complete -c ae-run -f -a '(__ae_run)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_UNINSTALL = {
    "bash": "complete -r ae-run; unset -f _ae_run",
    "zsh": "compdef -d ae-run; unfunction _ae_run",
    "fish": "complete -e -c ae-run; functions -e __ae_run",
}
_INTERNAL = ("worker",)
_FOLDERS = ("code", "run", "runs", "resume", "run_dir", "train.init_from")


def run(args: Sequence[str]) -> str:
    """What `ae-run -sc install=SHELL`, `uninstall=SHELL` or `query=SHELL` prints.

    Raises:
        UserError: no such action or shell.
    """
    action, _, shell = next((arg for arg in args if not arg.startswith("-")), "").partition("=")
    if shell not in _SCRIPTS or action not in ("install", "uninstall", "query"):
        raise UserError(f"-sc: needs install=SHELL or uninstall=SHELL; {', '.join(_SCRIPTS)}")
    if action == "query":
        try:
            return "\n".join(_offered(shell))
        except Exception:  # a half-typed line, an unreadable file: nothing to offer
            return ""
    return _SCRIPTS[shell] if action == "install" else _UNINSTALL[shell]


def _offered(shell: str) -> list[str]:
    """The words for the line in `COMP_LINE`; bash gets what replaces the piece it completes."""
    line = os.environ.get("COMP_LINE", "")
    found = words(line)
    if shell != "bash" or (piece := os.environ.get("COMP_PIECE")) is None:
        return found
    typed = len(_split(line)[-1])
    return [word[typed - len(_split(piece)[-1].strip("=:")) :] for word in found]


def words(line: str) -> list[str]:
    """The words that may stand in the place of the last one of a line, in order."""
    *before, word = _split(line)
    before = before[1:]
    last = before[-1] if before else ""
    if last in ("--config-dir", "-cd"):
        return _paths(word, folders=True)
    args, extra = arguments.config_dirs(before)
    args, code = arguments.own_code(args)
    with components.using(code):
        return _words(word, last, args, extra)


def _words(word: str, last: str, args: Sequence[str], extra: Sequence[Path]) -> list[str]:
    if word.startswith("--config-dir="):
        found = _after("--config-dir=", _paths(word.partition("=")[2], folders=True))
    elif last in arguments.FLAG_VALUES:
        found = list(arguments.FLAG_VALUES[last])
    elif last in arguments.COMPLETION:
        found = [f"{action}={shell}" for action in ("install", "uninstall") for shell in _SCRIPTS]
    elif word.startswith("-"):
        found = [flag for flag in arguments.FLAGS if flag not in ("--shell-completion", "-cd")]
        found += ["--config-dir="]
    else:
        plus = re.match(r"[+~]*", word)
        prefix = plus[0] if plus else ""
        bare = word.removeprefix(prefix)
        complete = _values if "=" in bare else _names
        found = _after(prefix, complete(bare, args, extra))
    return sorted({one for one in found if one.startswith(word)})


def _split(line: str) -> list[str]:
    """The words of a line as the shell would split it, up to the cursor."""
    for quote in ("", "'", '"', "\\"):  # one that is still open
        try:
            # A mark at the end keeps a last word that is empty.
            split = shlex.split(f"{line}\0{quote}")
        except ValueError:
            continue
        split[-1] = split[-1].replace("\0", "")
        return split
    return ["ae-run", ""]


def _names(word: str, before: Sequence[str], extra: Sequence[Path]) -> Iterator[str]:
    """Groups and root keys; after `group.`, the keys of the option that is chosen."""
    group, dot, _ = word.partition(".")
    if not dot:
        for name in components.groups(extra):
            yield f"{name}="
            yield f"{name}."
        yield from (f"{key}=" for key in key_docs.of_root() if key not in _INTERNAL)
        return
    keys = _keys_of(group, before, extra)
    depth = word.count(".")
    for path in keys:
        parts = path.split(".")
        if len(parts) <= depth or (parts[1] == "name" and group in components.PACKAGES):
            continue
        is_group = len(parts) > depth + 1 or any(key.startswith(f"{path}.") for key in keys)
        yield ".".join(parts[: depth + 1]) + ("." if is_group else "=")


def _values(word: str, before: Sequence[str], extra: Sequence[Path]) -> list[str]:
    """The values of a key, or options of a group; after a comma, the next one."""
    key, _, value = word.partition("=")
    if key in (*arguments.PATH_KEYS, "runs", "code"):
        return _after(f"{key}=", _paths(value, folders=key in _FOLDERS))
    if key == "task":
        choices = list(TASKS)
    elif key in components.groups(extra):
        choices = list(components.options(key, extra))
    else:
        keys = _keys_of(key.partition(".")[0], before, extra) | key_docs.of_root()
        choices = _choices(keys[key]) if key in keys else []
        if key in keys and keys[key].value.startswith("[") and choices:
            value = value or "["
    given = re.match(r"\[?(.*,)?", value)
    return _after(f"{key}={given[0] if given else ''}", choices)


def _keys_of(group: str, before: Sequence[str], extra: Sequence[Path]) -> dict[str, Key]:
    option = key_docs.chosen(before, extra).get(group)
    found = key_docs.of_option(group, option, extra) if option else {}
    inner = f"{group}.space."  # of a search: its keys are no keys of the config
    return {path: key for path, key in found.items() if not path.startswith(inner)}


def _choices(key: Key) -> list[str]:
    """What the comment lists; true and false of a switch."""
    if key.value in ("true", "false"):
        return ["false", "true"]
    return [*key.choices, "null"] if key.choices and key.value == "null" else key.choices


def _paths(value: str, folders: bool) -> list[str]:
    """Files and folders that begin with a value, spelled as it is; folders end with a slash."""
    parent, slash, start = value.rpartition("/")
    folder = Path(f"{parent}{slash}" or ".").expanduser()
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        f"{parent}{slash}{path.name}{'/' if path.is_dir() else ''}"
        for path in entries
        if (path.is_dir() or not folders)
        and path.name.startswith(start)
        and (start.startswith(".") or not path.name.startswith("."))
    ]


def _after(prefix: str, found: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"{prefix}{one}" for one in found]

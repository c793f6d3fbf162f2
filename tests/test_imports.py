"""Who may import whom, and other rules for every file, read from the source."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from command_line import run_process

import ae_run

ROOT = Path(ae_run.__file__).parent

# A room, which is a module or a package below ae_run, imports only the rooms before it.
ORDER = (
    *(
        "errors",
        "messages",
        "console",
        "processes",
        "own_code",
        "components",
        "schema",
        "saved_config",
    ),
    *("saved_schemas", "saved_files", "saved_arrays", "atomic", "run_folder"),
    *("headline", "progress", "randomness", "devices", "process_state", "faults"),
    *("data", "corruptions", "images", "meter", "models", "evaluation_config", "config"),
    *("composition", "drawing", "figures", "pages", "training"),
    *("evaluation", "scoring", "recording", "task_table", "job", "loggers", "comparison", "check"),
    *("tasks", "handover", "search", "reports", "sweep", "key_docs", "key_help", "help_page"),
    *("spelling", "arguments", "completion", "api", "testing", "cli"),
)
# The schema of `search` stands beside its code, like a component's.
SCHEMAS = {("config", "search")}


@dataclass(frozen=True)
class Source:
    """A file of the package."""

    path: Path

    @property
    def shown(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        parts = self.path.relative_to(ROOT.parent).with_suffix("").parts
        return ".".join(parts).removesuffix(".__init__")

    @property
    def room(self) -> str:
        return room(self.module)

    @cached_property
    def imported(self) -> set[str]:
        """Dotted names of the modules, and of the names in them, that the file imports."""
        return set(names_in(ast.walk(self.tree)))

    @cached_property
    def run_time(self) -> set[str]:
        """The modules of the package that it imports, but for `if TYPE_CHECKING`."""
        typing = {
            id(node)
            for block in ast.walk(self.tree)
            if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
            for node in ast.walk(block)
        }
        names = set(names_in(n for n in ast.walk(self.tree) if id(n) not in typing))
        modules = {name if name in MODULES else name.rpartition(".")[0] for name in names}
        return modules & set(MODULES) - {self.module, "ae_run"}


def names_in(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """`a.b` of `import a.b`, and `a.b` of `from a import b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not followed here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """The module or package directly below `ae_run`; "" for `ae_run` itself."""
    return module.partition(".")[2].partition(".")[0]


def private_part(name: str) -> str | None:
    """A dotted name up to its first part that starts with one underscore; None without one."""
    match = re.match(r"(?:\w+\.)*?_(?!_)\w+", name)
    return match[0] if match else None


def within(names: set[str], module: str) -> set[str]:
    return {name for name in names if name == module or name.startswith(f"{module}.")}


SOURCES = [Source(path) for path in sorted(ROOT.rglob("*.py"))]
MODULES = {source.module: source for source in SOURCES}
EVERYWHERE = {"", "__main__"}


def test_no_room_imports_a_later_one():
    rooms = {source.room for source in SOURCES}
    assert rooms - EVERYWHERE <= set(ORDER)
    rank = {name: number for number, name in enumerate(ORDER)}
    up = {
        (source.room, room(name))
        for source in SOURCES
        for name in source.run_time
        if source.room in rank and rank.get(room(name), 0) > rank[source.room]
    }
    assert up - SCHEMAS == set()


def test_no_import_circles():
    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(MODULES[start].run_time)
        while todo:
            if (name := todo.pop()) not in seen:
                seen.add(name)
                todo += MODULES[name].run_time
        return seen

    reach = {name: reached(name) for name in MODULES}
    circles = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in MODULES
        if name in reach[name]
    }
    assert circles == set()


def test_no_room_imports_what_is_private_to_another():
    private = {
        (source.room, part.removeprefix("ae_run."))
        for source in SOURCES
        for name in within(source.imported, "ae_run")
        if room(name) != source.room and (part := private_part(name))
    }
    assert private == set()


def test_layers():
    wrong = []
    for source in SOURCES:
        forbidden: list[str] = []
        if source.room == "models":
            forbidden += ["ae_run.data"]
        if source.room == "data":
            forbidden += ["ae_run.models"]
        if source.room in ("drawing", "figures", "pages", "comparison"):
            forbidden += ["torch", "torchvision", "sklearn", "ae_run.models", "ae_run.training"]
        if source.room in ("models", "data", "corruptions"):
            later = ("training", "evaluation", "figures", "pages", "tasks", "cli")
            forbidden += [f"ae_run.{name}" for name in later]
        if source.room == "evaluation":
            forbidden += ["ae_run.training"]
        if source.path.name not in ("__init__.py", "__main__.py"):
            forbidden += ["ae_run.cli"]
        wrong += [(source.shown, name) for name in forbidden if within(source.imported, name)]
    assert wrong == []


def test_only_evaluation_opens_the_test_split():
    allowed = {source.shown for source in SOURCES if source.room == "evaluation"}
    users = {source.shown for source in SOURCES if "open_test" in source.text}
    assert users - allowed == {"data/_types.py"}


def test_nothing_executes_what_a_file_names():
    forbidden = (
        *("import pickle", "import joblib", "weights_only=False", "allow_pickle=True"),
        *("instantiate(", "yaml.load(", "eval(", "_target_"),
    )
    wrong = [
        (source.shown, words)
        for source in SOURCES
        for words in forbidden
        if words in source.text.replace("model.eval(", "").replace(".eval()", "")
    ]
    assert wrong == []


def test_drawing_imports_no_torch():
    code = (
        "import sys, ae_run.figures, ae_run.pages.run, ae_run.job, ae_run.tasks\n"
        "ae_run.figures.available()\n"
        "sys.exit(int('torch' in sys.modules or 'sklearn' in sys.modules))"
    )
    assert run_process(["-c", code]).returncode == 0


def test_files_stay_short():
    assert [source.shown for source in SOURCES if len(source.text.splitlines()) > 320] == []

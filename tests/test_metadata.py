"""What `pyproject.toml` and `CITATION.cff` say of the package."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_citation_is_of_this_version_and_these_authors():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title"} <= citation.keys()
    assert citation["version"] == PROJECT["version"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["license"] == PROJECT["license"]


def test_every_dependency_has_a_lowest_version():
    assert not [line for line in PROJECT["dependencies"] if ">=" not in line]


def test_the_pinned_versions_are_allowed():
    pinned = dict(
        re.findall(r"^([\w-]+)==(\d+\.\d+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    )
    for line in PROJECT["dependencies"]:
        name, least = re.match(r"([\w-]+)>=([\d.]+)", line).groups()
        assert numbers(pinned[name]) >= numbers(least)[:2], line


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))

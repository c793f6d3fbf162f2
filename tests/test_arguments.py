"""How the words of a command line are spelled for Hydra."""

import pytest
from command_line import FAST
from hydra.core.override_parser.overrides_parser import OverridesParser

from ae_run import spelling
from ae_run.arguments import (
    PATH_KEYS,
    as_typed,
    config_dirs,
    normalize,
    own_code,
    words_of_help,
)

NAMES = (
    *("~/pics", "données", "runs/été 2026", "my_images(1)", "a=b", "[x]", "{x}", "it's", "1e5"),
    *(
        "a,b",
        "C:\\Users\\me",
        "back\\",
        'say "hi"',
        "x:y",
        "true",
        "-3",
        "#1",
        "&",
        "*.png",
        "日本",
    ),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", PATH_KEYS)
def test_hydra_reads_a_path_as_it_was_typed(key, name):
    (line,) = normalize([f"{key}={name}"], [])
    parsed = OverridesParser.create().parse_override(line)
    assert parsed.key_or_group == key
    assert str(parsed.value()) == name
    assert not isinstance(parsed.value(), int | float)
    assert as_typed(line) == f"{key}={name}"


def test_what_hydra_reads_already_stays():
    lines = ["data.path='a b'", "run_dir=outputs/digits-vae/20261121-114229-bb9991", "run_dir=null"]
    assert normalize(lines, []) == lines


@pytest.mark.parametrize("line", ["run='null'", 'run="a b"', "seed='1'", "+run='1'"])
def test_what_the_user_quoted_stays(line):
    assert normalize([as_typed(line)], []) == [line]


def test_a_sweep_over_paths_quotes_each():
    assert normalize(["-m", "data.path=été,a"], [])[1] == "data.path='été',a"
    assert normalize(["-m", "data.path=choice(a,b)"], [])[1] == "data.path=choice(a,b)"


def test_config_dir_takes_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    mine = tmp_path / "été (1)"
    mine.mkdir()
    assert config_dirs(["--config-dir=~/été (1)", "seed=1"]) == (
        [f"--config-dir={mine}", "seed=1"],
        [mine],
    )
    assert config_dirs(["--config-dir", "~/été (1)"]) == (["--config-dir", str(mine)], [mine])


def test_help_is_asked_on_words_not_on_the_values_of_flags():
    assert words_of_help(["--config-dir", "mine", "--help", "train", "--cfg", "job"]) == ["train"]


def test_a_run_in_a_folder_with_an_accent_is_made_and_read_again(cli, tmp_path):
    made = cli(*FAST, "run_dir=été (1)/a=b")
    assert made.code == 0, made.err
    assert made.folder.resolve() == tmp_path / "été (1)" / "a=b"
    assert "run_dir=été (1)/a=b\n" in (made.folder / "overrides.txt").read_text(encoding="utf-8")
    again = cli("task=report", f"run={made.folder.resolve()}")
    assert again.code == 0, again.err


@pytest.mark.parametrize("key", ["tags", "code", "runs"])
def test_items_of_a_list_in_quotes_are_read_as_they_are_printed(key):
    for items in (["a b", "c"], ["a,b", "it's"], ["back\\", "C:\\my code"], ["2024", "plain"]):
        line = f"{key}=[{', '.join(map(spelling.quoted, items))}]"
        (again,) = normalize(normalize([line], []), [])
        assert OverridesParser.create().parse_override(again).value() == items
    assert normalize(['tags="a,b",c d'], []) == ["tags=['a,b','c d']"]


def test_own_code_in_quotes_is_that_folder():
    lines, found = own_code(["code=['my code',other]", "model=mine.net"])
    assert found == ["my code", "other", "mine"]
    assert lines == ["model=net", "code=['my code',other,mine]"]

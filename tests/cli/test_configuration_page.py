"""The reference page, the default file and the JSON schema are what the models say. `make reference` writes them."""

import json

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from bot.runtime.exit_codes import ExitCode
from tests.runtime.configuration_page import configuration_page
from tests.runtime.settings_files import MADE_FILES, ROOT
from tests.runtime.test_default_files import keys


@pytest.mark.parametrize("name", sorted(MADE_FILES))
def test_the_file_on_disk_is_made_from_the_models(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == MADE_FILES[name](), "run: make reference"


def test_the_schema_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["config", "schema"]).output
    assert json.loads(printed) == json.loads(MADE_FILES["config/schema.json"]())


def test_the_page_explains_every_setting() -> None:
    page = configuration_page()
    undescribed = [key for key, field in keys() if not field.description]
    assert undescribed == []
    assert [key for key, _ in keys() if f"| `{key.rpartition('.')[2]}` |" not in page] == []


@pytest.mark.parametrize("code", list(ExitCode), ids=str)
def test_help_and_page_list_every_exit_code(code: ExitCode) -> None:
    assert f"| {code.value} | {code.words} |" in configuration_page()
    shown = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    assert f"{code.value} {code.words}" in shown

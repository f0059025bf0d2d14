"""`docs/configuration.md` is what the models say. Made anew by `python -m tests.cli.test_configuration_page`."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from bot.runtime.exit_codes import ExitCode
from bot.runtime.settings.reference import configuration_page
from tests.runtime.test_default_files import keys

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_equals_the_models() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), "run: python -m tests.cli.test_configuration_page"


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


if __name__ == "__main__":
    sys.stdout.write(f"{PAGE.write_text(configuration_page(), encoding='utf-8')} characters written to {PAGE.name}\n")

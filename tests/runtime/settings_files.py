"""The files that are made from the models of the settings. `python -m tests.runtime.settings_files` writes them."""

import sys
from collections.abc import Mapping
from pathlib import Path

from bot.runtime.settings.default_file import default_file, schema_file
from bot.runtime.settings.reference import configuration_page

ROOT = Path(__file__).parents[2]


def made_files() -> Mapping[str, str]:
    """Their content by path within the project."""
    return {
        "config/default.toml": default_file(),
        "config/schema.json": schema_file(),
        "docs/configuration.md": configuration_page(),
    }


if __name__ == "__main__":
    for name, content in made_files().items():
        (ROOT / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"{name}: {len(content.splitlines())} lines\n")

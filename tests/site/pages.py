"""What a page of the site holds: commands, settings files, printed output."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

DOCS = ROOT / "docs"
_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[a-z]+): (?P<name>[\w.-]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `mark` and `name` are those of the comment before it: `file: sectorbot.toml`, `output: demo`."""

    language: str
    text: str
    mark: str
    name: str


def pages() -> list[Path]:
    """Every page with commands for those who run the bot, README first."""
    found = [
        ROOT / "README.md",
        *sorted([*DOCS.glob("*.md"), *DOCS.glob("venues/*.md")]),
        ROOT / "CONTRIBUTING.md",
        ROOT / "deploy/secrets/README.md",
    ]
    return [page for page in found if any(commands(block) for block in blocks(page))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(found["language"], found["text"], found["mark"] or "", found["name"] or "")


def commands(block: Block) -> list[str]:
    """The commands of a block; a line that ends with a backslash goes on in the next."""
    if block.language not in {"console", "sh"}:
        return []
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "sh":
        return [line for line in lines if line.strip()]
    return [line.removeprefix(_PROMPT) for line in lines if line.startswith(_PROMPT)]


def inline_commands(page: Path) -> list[str]:
    """Commands of this program in the text of a page: `sectorbot …`."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"`(?:\.venv/bin/)?(sectorbot [^`\n]+)`", text)


def with_output(page: Path, name: str, text: str) -> str:
    """The page with another text in the block that is marked as the output of this name."""
    written = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- output: {re.escape(name)} -->\n```text\n).*?^```$", re.MULTILINE | re.DOTALL)
    found, count = pattern.subn(lambda match: f"{match[1]}{text.rstrip()}\n```", written)
    if count != 1:
        raise ValueError(f"{page.name} has {count} blocks for the output {name!r}")
    return found

"""Pages of the site that lie outside `docs/`, and the list of decisions in the navigation.

`CONTRIBUTING.md`, `CHANGELOG.md` and `deploy/secrets/README.md` become pages, links to README lead to the start page.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "deploy/secrets/README.md": "secrets.md",
}
TURNED = {**OUTSIDE, "README.md": "index.md"}


def on_config(config: Any) -> Any:
    """Each decision has its place in the navigation, by number."""
    pages = sorted(f"decisions/{path.name}" for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    for section in config.nav:
        if isinstance(section, dict) and "Decisions" in section:
            section["Decisions"] = ["decisions/README.md", *pages]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside."""
    for source, name in OUTSIDE.items():
        text = re.sub(r"\]\(docs/", "](", (ROOT / source).read_text(encoding="utf-8"))
        text = re.sub(r"\]\((LICENSE)\)", "](https://spdx.org/licenses/MIT.html)", text)
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links out of `docs/` lead to the pages that stand for their targets."""
    depth = page.file.src_uri.count("/")
    for source, name in TURNED.items():
        for above in ("../" * (depth + 1), ""):
            markdown = markdown.replace(f"]({above}{source}", f"]({'../' * depth}{name}")
    return markdown

"""The site builds strictly and offline, and says of each alert what to do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.commands import ROOT

BUILD = [sys.executable, "-m", "mkdocs", "build", "--strict"]
RUNBOOK, ALERTS = ROOT / "docs" / "runbook.md", ROOT / "deploy" / "prometheus" / "alerts.yml"
SUBJECTS = (
    "quick-start",
    "testnet",
    "how-it-decides",
    "add-a-token",
    "your-own-sector",
    "your-own-signal",
    "runbook",
    "upgrade",
    "backup",
    "glossary",
    "faq",
    "security",
    "what-it-is-not",
)


def build(*arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [*BUILD, *arguments], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build("--site-dir", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


def test_the_site_has_a_page_for_each_subject_and_each_decision(site: Path) -> None:
    missing = [name for name in SUBJECTS if not (site / name / "index.html").is_file()]
    assert missing == []
    start = (site / "index.html").read_text()
    assert [name for name in SUBJECTS if f'href="{name}/"' not in start] == []
    decisions = {path.stem for path in (ROOT / "docs" / "decisions").glob("0*.md")}
    assert {path.name for path in (site / "decisions").glob("0*")} == decisions


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    loads = re.compile(r'(?:<(?:script|img|iframe|source)[^>]*\ssrc|<link[^>]*\shref)="((?:https?:)?//[^"]+)"')
    found = {(page.name, url) for page in site.rglob("*.html") for url in loads.findall(page.read_text())}
    assert found == set()
    styles = {url for sheet in site.rglob("*.css") for url in re.findall(r"url\((https?:[^)]+)\)", sheet.read_text())}
    assert styles == set()


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A\n\n[b](b.md) [c](#c)\n")
    settings = yaml.safe_load(re.sub(r"(?m)^hooks:.*$", "", (ROOT / "mkdocs.yml").read_text()))
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(settings | {"nav": ["index.md"]}))
    done = build("--config-file", str(tmp_path / "mkdocs.yml"))
    assert done.returncode != 0
    assert "'b.md'" in done.stdout + done.stderr
    assert "'#c'" in done.stdout + done.stderr


def test_the_gate_builds_the_site() -> None:
    assert "\nmake docs\n" in (ROOT / ".ci" / "run").read_text()
    assert "mkdocs build --strict" in (ROOT / "Makefile").read_text()


def test_each_alert_has_its_section_of_the_runbook_and_names_it() -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    named = {rule["alert"]: rule["annotations"].get("runbook") for group in groups for rule in group["rules"]}
    assert named == {alert: f"docs/runbook.md#{alert.lower()}" for alert in named}
    sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
    steps = {section.split("\n", 1)[0]: len(re.findall(r"^\d+\. ", section, re.MULTILINE)) for section in sections}
    assert set(steps) == set(named)
    assert min(steps.values()) >= 1


def test_the_pictures_of_the_pages_are_small() -> None:
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert {picture.suffix for picture in pictures} <= {".webp", ".svg", ".png"}
    assert sum(picture.stat().st_size for picture in pictures) < 150_000
    named = {
        name for page in (ROOT / "docs").glob("*.md") for name in re.findall(r"\(pictures/([^)]+)\)", page.read_text())
    }
    assert {picture.name for picture in pictures} == named


def test_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 45

"""References lead somewhere: sections named in code and pages, paths and names in pages, folders of `bot/`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.test_controls import names_of
from tests.test_docs import markdown_pages
from tests.tidy import FLOORS

ROOT = Path(__file__).parent.parent
PAGES: Mapping[str, Path] = {"DESIGN": ROOT / "docs" / "design.md", "PLAYBOOK": ROOT / "docs" / "playbook.md"}
ARCHITECTURE = ROOT / "docs" / "architecture.md"
SIGN = "\N{SECTION SIGN}"
# The sections that existed when code began to refer to them; a page may have more, never fewer.
SECTIONS = {"DESIGN": range(1, 12), "PLAYBOOK": range(1, 13)}

_NUMBER = r"\d+(?:\.\d+)?"
_ITEM = rf"{_NUMBER}(?:[–-]{_NUMBER})?"
_TOKEN = re.compile(rf"\b(?P<page>DESIGN|PLAYBOOK)\b|{SIGN}{SIGN}?\s?(?P<items>{_ITEM}(?:,\s{_ITEM})*)?")
_PLACEHOLDER = f"{SIGN}n`"  # how a page says that it is referred to
_PATH = re.compile(r"(?P<path>(?:bot|tests|config|docs)/[\w./*-]+)(?::(?P<name>[A-Za-z_][\w.]*))?")
_MODULE = re.compile(r"(?P<module>bot(?:\.\w+)+)(?::(?P<name>[A-Za-z_][\w.]*))?")


def headings(text: str) -> frozenset[str]:
    """Numbers of the headings of a page: `## 4. …` and `### 4.1 …`."""
    return frozenset(re.findall(rf"^#{{2,3}} ({_NUMBER})\b", text, re.MULTILINE))


def expanded(item: str) -> Iterator[str]:
    """`4.1–4.3` as its three sections."""
    first, _, last = item.replace("-", "–").partition("–")
    above, _, number = first.rpartition(".")
    ends = (last or first).rpartition(".")
    if ends[0] != above:
        raise ValueError(f"{item}: both ends of a range have the same number of parts")
    for each in range(int(number), int(ends[2]) + 1):
        yield f"{above}.{each}" if above else str(each)


def dangling(text: str, known: Mapping[str, frozenset[str]], page: str = "") -> list[str]:
    """References of a text without a heading. A bare section belongs to the page named last, or to `page` itself."""
    found, named = [], page
    for token in _TOKEN.finditer(text):
        if token["page"]:
            named = page or token["page"]
            if text[token.end() :].lstrip().startswith(SIGN):
                named = token["page"]
        elif token["items"] is None:
            if not text.startswith(_PLACEHOLDER, token.start()):
                found.append(f"{text[token.start() : token.start() + 20]!r} names no section")
        elif not named:
            found.append(f"{token[0]} belongs to no page")
        else:
            sections = [section for item in token["items"].split(", ") for section in expanded(item)]
            found += [f"{named} {SIGN}{section}" for section in sections if section not in known[named]]
            named = page or named
    return found


def sources() -> Iterator[Path]:
    for folder, pattern in (("bot", "*.py"), ("tests", "*.py"), ("config", "*"), ("docs", "*.md")):
        yield from (path for path in sorted((ROOT / folder).rglob(pattern)) if path.is_file())
    yield from (ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"))


def test_every_reference_to_a_section_has_a_heading() -> None:
    known = {name: headings(path.read_text(encoding="utf-8")) for name, path in PAGES.items()}
    own = {path: name for name, path in PAGES.items()}
    found = [
        f"{path.relative_to(ROOT)}: {finding}"
        for path in sources()
        for finding in dangling(path.read_text(encoding="utf-8"), known, own.get(path, ""))
    ]
    assert found == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_all_of_its_sections(name: str) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    numbers = re.findall(r"^## (\d+)\. ", text, re.MULTILINE)
    assert numbers == [str(number) for number in SECTIONS[name]]


KNOWN = {"DESIGN": frozenset(("1", "2", "4", "4.1", "4.2", "4.3")), "PLAYBOOK": frozenset(("2", "5", "6"))}


@pytest.mark.parametrize(
    ("text", "page", "expected"),
    [
        ("DESIGN {0}3", "", ["DESIGN {0}3"]),
        ("DESIGN {0}4.4", "", ["DESIGN {0}4.4"]),
        ("DESIGN {0}4.1–4.5", "", ["DESIGN {0}4.4", "DESIGN {0}4.5"]),
        ("DESIGN {0}2-4", "", ["DESIGN {0}3"]),
        ("PLAYBOOK {0}{0}2, 5, 7", "", ["PLAYBOOK {0}7"]),
        ("PLAYBOOK\n{0}{0}2, 5, 7", "", ["PLAYBOOK {0}7"]),
        ("PLAYBOOK {0}2, {0}{0}3–5", "", ["PLAYBOOK {0}3", "PLAYBOOK {0}4"]),
        ("DESIGN {0}4, PLAYBOOK {0}2 and {0}4", "", ["PLAYBOOK {0}4"]),
        ("(PLAYBOOK {0}2), what follows ({0}9)", "", ["PLAYBOOK {0}9"]),
        ("see {0}1", "", ["{0}1 belongs to no page"]),
        ("see {0}9, then DESIGN {0}1, then {0}5", "PLAYBOOK", ["PLAYBOOK {0}9"]),
        ("DESIGN {0}x", "", ["'{0}x' names no section"]),
    ],
)
def test_a_reference_without_a_target_is_found(text: str, page: str, expected: list[str]) -> None:
    assert dangling(text.format(SIGN), KNOWN, page) == [finding.format(SIGN) for finding in expected]


@pytest.mark.parametrize(
    "text",
    ["DESIGN {0}4.1–4.3", "PLAYBOOK {0}{0}2, 5, 6", "DESIGN {0}1, {0}2; PLAYBOOK {0}5 (then {0}6)", "`DESIGN {0}n`"],
)
def test_references_with_targets_pass(text: str) -> None:
    assert dangling(text.format(SIGN), KNOWN) == []


def missing(text: str) -> list[str]:
    """Paths, modules and names in the text, between back ticks, that do not exist."""
    return [quoted for quoted in re.findall(r"`([^`\n]+)`", text) if not _exists(quoted)]


def _exists(quoted: str) -> bool:
    """Whether what is quoted exists. What is neither a path nor a module is not judged."""
    if (found := _PATH.fullmatch(quoted)) is not None:
        paths = list(ROOT.glob(found["path"].rstrip("/")))
        return bool(paths) and (found["name"] is None or found["name"] in names_of(paths[0]))
    if (found := _MODULE.fullmatch(quoted)) is None:
        return True
    parts = found["module"].split(".")
    while len(parts) > 1:
        path = ROOT.joinpath(*parts)
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file():
            rest = found["module"].split(".")[len(parts) :]
            name = found["name"] or ".".join(rest)
            return not name or name in names_of(file)
        parts = parts[:-1]
    return False


# The changelog tells of places as they were.
@pytest.mark.parametrize(
    "page",
    [page for page in markdown_pages() if page.name != "CHANGELOG.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_path_and_name_in_a_page_exists(page: Path) -> None:
    assert missing(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "quoted",
    [
        "bot/gone",
        "bot/risk/gone.py",
        "bot/risk/gate.py:gone",
        "bot/risk/limits.py:Limits.gone",
        "bot/risk/*_gone.py",
        "bot.risk.gone:review",
        "bot.risk.gate:gone",
        "bot.risk.gate.gone",
        "config/gone.toml",
        "tests/gone/",
    ],
)
def test_a_path_that_does_not_exist_is_found(quoted: str) -> None:
    assert missing(f"see `{quoted}` there") == [quoted]


@pytest.mark.parametrize(
    "quoted",
    [
        "bot/risk",
        "bot/risk/",
        "bot/risk/gate.py",
        "bot/risk/gate.py:CHECKS",
        "bot/risk/limits.py:Limits",
        "bot/domain/order.py:Order.is_withdrawn_at",
        "bot/risk/*_checks.py",
        "bot.risk.gate:review",
        "bot.domain.reason.Reason",
        "risk.gross_max",
        "make test",
    ],
)
def test_paths_and_names_that_exist_pass(quoted: str) -> None:
    assert missing(f"see `{quoted}` there") == []


def folder_levels(text: str) -> dict[str, int]:
    """The first table of the architecture page: level by folder."""
    return {path: int(level) for path, level in re.findall(r"^\| `(bot/[\w./]+)` \| (\d+) \|", text, re.MULTILINE)}


def test_the_architecture_lists_every_folder_with_its_level() -> None:
    modules = [path for path in (ROOT / "bot").rglob("*.py") if path.name not in ("__main__.py", "__init__.py")]
    folders = {path.parent.relative_to(ROOT) for path in modules} - {Path("bot")}
    folders |= {above for folder in folders for above in folder.parents if above.parts[1:]}
    single = {path.relative_to(ROOT) for path in modules if path.parent == ROOT / "bot"}
    levels = {str(path): FLOORS[path.parts[1].removesuffix(".py")] for path in (*folders, *single)}
    assert folder_levels(ARCHITECTURE.read_text(encoding="utf-8")) == levels


def test_every_folder_has_a_change_that_leads_to_it() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    _, _, changes = text.partition("## Where to change what")
    tops = {f"bot/{path.split('/')[1]}" for path in folder_levels(text)}
    assert {top for top in tops if f"`{top}" not in changes} == set()

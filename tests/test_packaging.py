"""What is shipped: pins that name no host, a wheel with its settings inside, an image and a compose file that hold."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import bot
from tests.conftest import ROOT

RUNTIME, DEVELOPMENT, BUILD = (f"requirements{kind}.lock" for kind in ("", "-dev", "-build"))
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9._-]+")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    return dict(PINNED.findall(read(lock)))


def names(requirements: list[str]) -> set[str]:
    return {match.group().lower() for line in requirements if (match := NAME.match(line))}


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> str:
    """A command of the environment that runs the tests, which the development lock must have installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed: make test installs it"
    return found


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT, BUILD])
def test_a_lock_names_no_host_and_no_path(lock: str) -> None:
    outside = re.findall(r".*(?:://|\.(?:org|com|io|net)\b|[ =]/|index-url|find-links).*", read(lock))
    assert outside == []


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT, BUILD])
def test_every_pin_has_a_hash(lock: str) -> None:
    requirements = re.split(r"^(?=[a-z0-9])", read(lock), flags=re.MULTILINE)[1:]
    assert requirements
    assert [r.split()[0] for r in requirements if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", r)] == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    groups = project["dependency-groups"]
    data = names(project["project"]["optional-dependencies"]["data"])
    development = names([line for line in groups["dev"] if isinstance(line, str)])
    assert names(project["project"]["dependencies"]) <= pins(RUNTIME).keys()
    assert names(groups["build"]) <= pins(BUILD).keys()
    assert data | development <= pins(DEVELOPMENT).keys()


def test_the_development_lock_repeats_the_other_pins() -> None:
    development = pins(DEVELOPMENT)
    for lock in (RUNTIME, BUILD):
        assert {name: development.get(name) for name in pins(lock)} == pins(lock)


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    assert project["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", bot.__version__)
    assert "## [Unreleased]" in read("CHANGELOG.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (path,) = folder.glob("*.whl")
    assert path.name == f"sectorbot-{bot.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_module(wheel: zipfile.ZipFile) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "bot").rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_the_wheel_holds_the_template_of_the_report_page(wheel: zipfile.ZipFile) -> None:
    parts = {f"bot/lab/backtest/{name}" for name in ("page.html.jinja", "page.css")}
    assert parts <= set(wheel.namelist())


def test_the_wheel_holds_the_settings(wheel: zipfile.ZipFile) -> None:
    settings = {path.relative_to(ROOT).as_posix() for path in (ROOT / "config").rglob("*") if path.is_file()}
    assert settings
    assert {f"bot/_{name}" for name in settings} <= set(wheel.namelist())


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {"bot", f"sectorbot-{bot.__version__}.dist-info"}
    assert [name for name in wheel.namelist() if "cache/" in name or name.endswith((".pyc", ".db"))] == []


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "sectorbot = bot.__main__:main" in wheel.read(entry_points).decode()


def test_make_help_says_what_each_target_does() -> None:
    targets = set(re.findall(r"^\.PHONY: (.*)", read("Makefile"), re.MULTILINE)[0].split()) - {"venv", "venv-dev"}
    said = dict(re.findall(r"^make ([\w-]+)\s+(\S.*)$", run("make", "help"), re.MULTILINE))
    assert said.keys() == targets


def test_the_dockerfile_passes_the_linter() -> None:
    run(tool("hadolint"), "Dockerfile")


def test_the_dockerfile_builds_without_buildkit() -> None:
    assert (
        re.findall(r".*(?:<<|--link|--mount|--network|--checksum|--start-interval|^# *syntax).*", read("Dockerfile"))
        == []
    )


def test_the_image_runs_unprivileged_and_stops_on_a_signal() -> None:
    final = read("Dockerfile").rpartition("\nFROM ")[2]
    for line in (
        "USER 10001:10001",
        "STOPSIGNAL SIGTERM",
        "VOLUME /var/lib/sectorbot",
        'ENTRYPOINT ["sectorbot"]',
        'CMD ["run"]',
        'CMD ["sectorbot", "healthcheck"]',
    ):
        assert line in final
    assert read("Dockerfile").count("--require-hashes") == 2


def test_the_compose_file_follows_its_specification() -> None:
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml")


@pytest.mark.parametrize("script", [".ci/run", ".ci/venv", "deploy/verify-image"])
def test_a_script_is_executable_and_parses(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    shell = read(script).splitlines()[0].split()[-1].rsplit("/", maxsplit=1)[-1]
    run(shell, "-n", script)


@pytest.mark.parametrize("name", ["deploy/secrets/venue__api_key", ".env", "uv.lock", "journal.db", ".venv/x"])
def test_git_ignores_what_must_never_be_committed(name: str) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert run("git", "check-ignore", "--no-index", name).strip() == name


def test_the_image_context_lets_only_named_files_in() -> None:
    lines = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", read("Dockerfile"), re.MULTILINE))
    assert {f"!{name}" for names_ in copied for name in names_.split()} == {n for n in lines if n.startswith("!")}

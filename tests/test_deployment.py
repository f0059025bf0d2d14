"""What `deploy/` holds: profiles, a hardened unit, manifests that a cluster takes, a bill of materials."""

import json
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.conftest import ROOT
from tests.test_packaging import pins, read, run

DEPLOY = ROOT / "deploy"
KUBERNETES = "1.31"
EXPOSURE_MAX = 2.0


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(read("deploy/compose.yaml"))
    return found


def manifests() -> list[tuple[str, dict[str, Any]]]:
    paths = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    found = [(path.name, document) for path in paths for document in yaml.safe_load_all(path.read_text())]
    return [(name, document) for name, document in found if document["kind"] != "Kustomization"]


def manifest(kind: str) -> dict[str, Any]:
    (found,) = [document for _, document in manifests() if document["kind"] == kind]
    return found


def test_every_service_of_compose_belongs_to_a_profile_and_is_hardened() -> None:
    services = compose()["services"]
    profiles = {name: service["profiles"] for name, service in services.items()}
    assert profiles == {
        "demo": ["demo"],
        "dry-run": ["dry-run"],
        "trade": ["trade"],
        "litestream": ["litestream"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        published = [str(port) for port in service.get("ports", [])]
        assert all(port.startswith("127.0.0.1:") for port in published), name


def test_only_trade_gets_the_secrets_and_no_value_stands_in_the_file() -> None:
    services = compose()["services"]
    assert {name for name, service in services.items() if "secrets" in service} == {"trade"}
    assert services["trade"]["command"] == ["run", "--environment", "testnet", "--mode", "trade"]
    assert services["dry-run"]["command"] == ["run", "--environment", "testnet"]
    environment = json.dumps([service.get("environment", {}) for service in services.values()])
    assert not re.search(r"(?i)key|secret|password|token", environment)


def test_files_that_compose_mounts_exist() -> None:
    mounts = [
        str(volume).partition(":")[0]
        for service in compose()["services"].values()
        for volume in service.get("volumes", [])
        if str(volume).startswith("./")
    ]
    assert len(mounts) >= 4
    assert [mount for mount in mounts if not (DEPLOY / mount).exists()] == []


def test_prometheus_asks_the_address_that_the_bot_listens_on() -> None:
    (job,) = yaml.safe_load(read("deploy/prometheus/prometheus.yml"))["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    bot = compose()["services"]["trade"]
    listens = bot["environment"]["SECTORBOT__METRICS__LISTEN"]
    assert target.partition(":")[0] in bot["networks"]["default"]["aliases"]
    assert target.rpartition(":")[2] == listens.rpartition(":")[2]


@pytest.mark.parametrize(("name", "document"), manifests(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_manifest_follows_the_schema_of_kubernetes(name: str, document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_kustomize_applies_every_manifest_but_the_example_of_a_secret() -> None:
    listed = yaml.safe_load(read("deploy/kubernetes/kustomization.yaml"))["resources"]
    assert {name for name, _ in manifests()} - set(listed) == {"secret.example.yaml"}
    assert all((DEPLOY / "kubernetes" / name).exists() for name in listed)


def test_the_cluster_runs_one_bot_unprivileged_on_a_volume_of_its_own() -> None:
    spec = manifest("StatefulSet")["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["replicas"] == 1
    assert spec["volumeClaimTemplates"][0]["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] >= 60
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (10001, True)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["exec"]["command"][:2] == ["sectorbot", "healthcheck"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {"data"} | {volume["name"] for volume in pod["volumes"]}


def test_labels_of_selectors_are_those_of_the_pod_and_its_state_is_where_the_probes_look() -> None:
    labels = manifest("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    for kind, where in (("Service", "selector"), ("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector")):
        selector = manifest(kind)["spec"][where]
        assert selector.get("matchLabels", selector) == labels, kind
    policy = manifest("NetworkPolicy")["spec"]
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, 443}
    image = read("Dockerfile")
    container = manifest("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    state = container["startupProbe"]["exec"]["command"][-1]
    assert f"WORKDIR {Path(state).parent}" in image, "the state directory `var` stands in the image's working directory"


def test_settings_of_the_cluster_can_be_used(tmp_path: Path) -> None:
    from bot.runtime.settings.model import load_settings

    (tmp_path / "sectorbot.toml").write_text(manifest("ConfigMap")["data"]["sectorbot.toml"])
    settings = load_settings((tmp_path / "sectorbot.toml",))
    assert (settings.mode, settings.metrics.address) == ("dry-run", ("0.0.0.0", 9464))  # noqa: S104 - in a cluster


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is absent")
def test_the_unit_is_hardened_and_loads() -> None:
    unit = str(DEPLOY / "systemd" / "sectorbot.service")
    verdict = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
    (level,) = re.findall(r"Overall exposure level for sectorbot\.service: ([\d.]+)", verdict)
    assert float(level) < EXPOSURE_MAX


def test_the_unit_gives_keys_as_credentials_and_stops_as_the_bot_wants() -> None:
    unit, trade = read("deploy/systemd/sectorbot.service"), read("deploy/systemd/trade.conf")
    for line in ("KillSignal=SIGTERM", "TimeoutStopSec=60s", "RestartPreventExitStatus=78", "DynamicUser=yes"):
        assert line in unit.splitlines()
    assert re.findall(r"^LoadCredential=(\w+):", trade, re.MULTILINE) == ["venue__api_key", "venue__api_secret"]
    assert "venue__api" not in unit


def bill_of(lock: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(str(DEPLOY / "make-sbom"), lock, "1.2.3"))
    return found


def test_the_bill_of_materials_lists_every_pin_with_its_hashes() -> None:
    found, locked = bill_of("requirements.lock"), pins("requirements.lock")
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert {part["name"]: part["version"] for part in found["components"]} == locked
    assert all(part["properties"] for part in found["components"])
    assert all(part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}" for part in found["components"])
    references = [part["bom-ref"] for part in found["components"]]
    assert len(set(references)) == len(references)
    assert found["dependencies"][0]["dependsOn"] == references
    assert found == bill_of("requirements.lock"), "the same lock gives the same bill"


def test_a_lock_without_pins_gives_an_empty_bill() -> None:
    bill = runpy.run_path(str(DEPLOY / "make-sbom"))["bill"]
    assert bill("# nothing\n", "1")["components"] == []


def test_the_image_carries_labels_and_its_bill_of_materials() -> None:
    image = read("Dockerfile")
    final = image.rpartition("\nFROM ")[2]
    for label in ("title", "description", "version", "revision", "licenses", "documentation"):
        assert f"org.opencontainers.image.{label}=" in final
    assert "/usr/share/sectorbot/sbom.cdx.json" in final
    assert "make-sbom requirements.lock" in image


def test_the_image_is_started_over_the_journal_of_an_older_version() -> None:
    script = read("deploy/verify-image")
    named = re.findall(r"\$project/(tests/runtime/upgrade/[\w.]+)", script)
    assert len(named) == 2
    assert all((ROOT / name).is_file() for name in named)
    assert script.index("== build") < script.index("== upgrade")

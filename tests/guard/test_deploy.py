"""What is shipped for operating it: lints clean, validates, and names only metrics and settings that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest
import yaml
from pydantic import SecretStr

from validator.metrics import REGISTRY
from validator.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "validator.rules.yml"
BIN = Path(sys.executable).parent
SETTING = (
    *sorted((DEPLOY / "kubernetes").glob("*.yaml")),
    DEPLOY / "compose.yaml",
    DEPLOY / "systemd" / "validator.service",
    ROOT / "Dockerfile",
)
"""Files that set settings."""
FOREIGN = {"up"}
"""Metrics that Prometheus makes. Those of its client library (`process_…`) are missing with several workers."""


def known_metrics() -> set[str]:
    """Every name that the exposition can contain."""
    names = set(FOREIGN)
    for family in REGISTRY.collect():
        for ending in ("", "_total", "_bucket", "_sum", "_count", "_created"):
            names.add(family.name + ending)
    return names


def expressions() -> list[tuple[str, str]]:
    """Every expression of the rules and the dashboard, with where it stands."""
    found = []
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        found += [(rule["alert"], rule["expr"]) for rule in group["rules"]]
    for panel in json.loads((DEPLOY / "grafana" / "validator.json").read_text("utf-8"))["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel["targets"]]
    return found


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=lambda value: value[:40])
def test_every_expression_parses_and_names_metrics_that_exist(where: str, expression: str) -> None:
    plain = expression.replace("$__rate_interval", "5m")
    promql_parser.parse(plain)
    without_strings = re.sub(r'"[^"]*"', '""', plain)
    named = set(re.findall(r"\b(?:validator|process)_[a-z_]+|\bup\b", without_strings))
    assert named, where
    assert named <= known_metrics(), named - known_metrics()


def test_every_metric_of_ours_is_watched_somewhere() -> None:
    text = " ".join(expression for _, expression in expressions())
    unseen = {
        family.name for family in REGISTRY.collect() if family.name.startswith("validator_") and family.name not in text
    }
    assert unseen <= {
        "validator_build_info",
        "validator_dns_cached_domains",
        "validator_dns_in_flight_queries",
        "validator_dns_retries",
        "validator_dns_tcp",
        "validator_list_streams_ended",
    }


def test_the_rules_pass_their_own_tests() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: it comes with Debian's package prometheus")
    for words in (["check", "rules", RULES], ["test", "rules", RULES.with_name("validator.rules.test.yml")]):
        done = subprocess.run([promtool, *words], capture_output=True, text=True, cwd=RULES.parent, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", ["Dockerfile", "deploy/unbound/Dockerfile"])
def test_the_dockerfiles_lint_clean(path: str) -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_nobody_and_asks_the_service_for_its_health() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.search(r"^USER \d+:\d+$", text, re.MULTILINE)
    assert '"validator", "ping"' in text
    assert "--require-hashes" in text


def test_the_image_pins_what_the_checkout_pins() -> None:
    """A package that is missing for this Python makes the image impossible to build, and only there."""
    run, image = (
        {line.rstrip(" \\") for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines() if "==" in line}
        for name in ("run.txt", "container.txt")
    )
    assert run <= image, run - image


@pytest.mark.parametrize(
    "path",
    sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"),
    ids=lambda path: path.name,
)
def test_the_manifests_are_valid(path: Path) -> None:
    done = subprocess.run([BIN / "kubernetes-validate", "--strict", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_kustomization_lists_every_manifest() -> None:
    listed = set(yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text("utf-8"))["resources"])
    assert listed == {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}


def test_the_deployment_is_hardened_and_stops_in_time() -> None:
    pod = yaml.safe_load((DEPLOY / "kubernetes" / "deployment.yaml").read_text("utf-8"))["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"startupProbe", "livenessProbe", "readinessProbe", "resources"} <= container.keys()
    delay_s = next(float(item["value"]) for item in container["env"] if item["name"] == "VALIDATOR_SHUTDOWN_DELAY_S")
    drain_s = Settings.model_fields["drain_timeout_s"].default
    assert pod["enableServiceLinks"] is False  # the Service is called validator: VALIDATOR_PORT would be tcp://…
    assert delay_s + drain_s + 1 < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("path", SETTING, ids=lambda path: path.name)
def test_only_settings_that_exist_are_set(path: Path) -> None:
    known = {f"VALIDATOR_{name.upper()}" for name in Settings.model_fields}
    known |= {"VALIDATOR_SETTINGS_FILE", "VALIDATOR_SECRETS_DIR"}
    assert set(re.findall(r"\bVALIDATOR_[A-Z_]+", path.read_text("utf-8"))) <= known


@pytest.mark.parametrize("path", SETTING, ids=lambda path: path.name)
def test_nothing_that_comes_as_a_secret_file_is_set_in_the_environment(path: Path) -> None:
    """The environment is stronger than a file of `VALIDATOR_SECRETS_DIR`, which would be passed over in silence."""
    secret = {
        f"VALIDATOR_{name.upper()}" for name, field in Settings.model_fields.items() if field.annotation is SecretStr
    }
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    assert not secret & set(re.findall(r"\bVALIDATOR_[A-Z_]+", "\n".join(lines)))


@pytest.mark.parametrize("path", ["deploy/compose.yaml", "deploy/kubernetes/kustomization.yaml"])
def test_the_secrets_are_named_as_the_settings_are(path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    named = set(re.findall(r"\bvalidator_[a-z_]+", text))
    assert {"validator_keys", "validator_database_url"} <= named
    assert named <= {f"validator_{name}" for name in Settings.model_fields}


def test_compose_is_yaml_with_the_five_services() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    assert set(services) == {"validator", "postgres", "unbound", "prometheus", "grafana"}
    assert services["validator"]["read_only"] is True


def test_the_unit_talks_to_systemd() -> None:
    text = (DEPLOY / "systemd" / "validator.service").read_text("utf-8")
    assert re.search(r"^Type=notify$", text, re.M)  # notify-reload is not known to the systemd of Debian 12
    assert "ExecReload=/bin/kill -HUP $MAINPID" in text
    assert "EnvironmentFile" not in text  # it is read once, so that a reload would find the old settings
    assert "NoNewPrivileges=yes" in text

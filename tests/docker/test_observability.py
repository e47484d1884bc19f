"""Prometheus finds the replicas and keeps the rules; what alerts and the dashboard ask for exists."""

import json
import re
from pathlib import Path

import httpx
import pytest

from service.observe.metrics import Metrics
from tests.docker.stack import ROOT, run, wait_until

FOLDER = ROOT / "docker" / "observability"
RULES = FOLDER / "alerts.yaml"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "glosscast.json"
EXPRESSIONS = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def prometheus(stack):
    stack.compose("--profile", "observability", "up", "-d", "--no-build", "--no-deps", "prometheus")
    address = f"http://127.0.0.1:{stack.prometheus_port}"

    def ask(path: str, **params):
        return httpx.get(f"{address}/api/v1/{path}", params=params, timeout=10).raise_for_status().json()

    def finds_replicas() -> bool:
        try:
            found = ask("query", query='sum(up{job="glosscast"})')["data"]["result"]
        except httpx.HTTPError:  # it says 503 while it starts
            return False
        return bool(found) and found[0]["value"][1] == str(len(stack.containers()))

    wait_until(finds_replicas, "Prometheus has asked every replica")
    return ask


@pytest.mark.parametrize("text", [RULES.read_text(), *EXPRESSIONS])
def test_every_series_asked_for_exists(text: str) -> None:
    exported = set()
    for family in Metrics().registry.collect():
        endings = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "info": ("_info",)}
        exported |= {family.name + ending for ending in endings.get(family.type, ("",))}
    assert set(re.findall(r"glosscast_\w+", text)) <= exported


@pytest.mark.docker
def test_rules_are_loaded(prometheus) -> None:
    (group,) = prometheus("rules")["data"]["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    assert len(group["rules"]) == RULES.read_text().count("- alert:")


@pytest.mark.docker
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_queries_of_the_dashboard_are_valid(prometheus, expression: str) -> None:
    assert prometheus("query", query=expression.replace("$__rate_interval", "5m"))["status"] == "success"


@pytest.mark.docker
def test_alerts_fire_when_they_should(stack, prometheus) -> None:
    (container,) = stack.containers("prometheus")
    image = run("docker", "inspect", "-f", "{{.Config.Image}}", container)
    test = Path(__file__).parent / "alerts.test.yaml"
    mounts = ("-v", f"{RULES}:/rules/alerts.yaml:ro", "-v", f"{test}:/rules/alerts.test.yaml:ro", "-w", "/rules")
    run("docker", "run", "--rm", *mounts, "--entrypoint", "promtool", image, "test", "rules", "alerts.test.yaml")

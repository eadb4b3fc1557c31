"""promtool accepts the files in `deploy/`, and these name metrics that the services expose."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dev.postgres import ROOT
from tests import stack
from tests.metrics.scraping import Watched
from tests.metrics.test_web import scrape
from tests.test_docs import anchors
from tests.waiting import wait_until

PROMETHEUS = ROOT / "deploy/prometheus"
RULES = (PROMETHEUS / "alerts.yml").read_text().split("- alert: ")[1:]
ALERTS = {rule.split("\n")[0]: rule for rule in RULES}
"""The text of each rule."""
PANELS = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())["panels"]
EXPRESSIONS = [
    target["expr"].replace("$__rate_interval", "5m")
    for panel in PANELS
    for target in panel.get("targets", [])
]
METRIC = re.compile(r"\b(?:tasks_api|tasks_web|process|nodejs)_\w+")


def promtool(*arguments: str, folder: Path = PROMETHEUS) -> None:
    """Run promtool, which must succeed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: it belongs to Debian's package prometheus")
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_is_valid() -> None:
    promtool("check", "config", "prometheus.yml")


def test_each_alert_fires_for_its_reason_and_none_for_a_healthy_service() -> None:
    tried = (PROMETHEUS / "alerts.test.yml").read_text()
    assert {*ALERTS} == set(re.findall(r'alertname="(\w+)"', tried))
    promtool("test", "rules", "alerts.test.yml")


def test_expressions_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{i}", "expr": expr} for i, expr in enumerate(EXPRESSIONS)]
    groups = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "dashboard.yml").write_text(json.dumps(groups))  # YAML includes JSON
    promtool("check", "rules", "dashboard.yml", folder=tmp_path)


def test_alerts_and_dashboard_name_metrics_that_the_services_expose(
    watched: Watched, site: stack.Site
) -> None:
    """The table in docs/operate.md names all metrics that the project defines."""
    watched.caller()("query Tasks { viewer { id } }")
    wait_until(lambda: watched.scrape()("tasks_api_requests_total"), "a request is counted")
    families = [*watched.scrape().families, *scrape(site).families]
    exposed = {sample.name for family in families for sample in family.samples}
    exposed |= {f"{family.name}_total" for family in families if family.type == "counter"}
    exposed |= {f"{family.name}_bucket" for family in families if family.type == "histogram"}
    used = METRIC.findall("\n".join([*EXPRESSIONS, *RULES]))
    assert set(used) - exposed == set()
    ours = {re.sub("_(bucket|sum|count|created)$", "", name) for name in exposed}
    table = set(METRIC.findall((ROOT / "docs/operate.md").read_text()))
    assert {name for name in ours if name.startswith("tasks_")} - table == set()
    assert {name for name in table if name.startswith("tasks_")} - ours == set()


def test_panels_that_the_documentation_names_are_on_the_dashboard() -> None:
    page = re.sub(r"\s+", " ", (ROOT / "docs/operate.md").read_text())
    named = re.findall(r'(?:panels?|and|Confirm:) "([A-Zp][^"]+)"', page)
    assert len(named) > 5
    assert set(named) - {panel["title"] for panel in PANELS} == set()


@pytest.mark.parametrize("name", ALERTS)
def test_alert_has_a_severity_a_summary_and_a_heading_in_the_documentation(name: str) -> None:
    rule = ALERTS[name]
    assert re.search(r"labels: \{ severity: (critical|warning) \}", rule)
    assert re.search(r'summary: "\S', rule)
    assert f"runbook: docs/operate.md#{name.lower()}\n" in rule
    assert name.lower() in anchors(ROOT / "docs/operate.md")

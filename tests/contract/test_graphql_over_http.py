"""The audits of graphql-http for GraphQL over HTTP: every MUST and every SHOULD."""

import json
import logging
import subprocess
from collections import Counter
from pathlib import Path

from tests import stack
from tests.conftest import Caller
from tests.waiting import PATIENCE

log = logging.getLogger(__name__)


def test_api_passes_every_must_and_should_of_graphql_over_http(ada: Caller) -> None:
    script = Path(__file__).with_name("audits.mjs")
    command = [*map(str, (stack.NODE, script)), f"{ada.url}/graphql", ada.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    audits = [json.loads(line) for line in done.stdout.splitlines()]
    levels = Counter(audit["name"].split()[0] for audit in audits)
    passed = Counter(audit["name"].split()[0] for audit in audits if audit["status"] == "ok")
    for level in levels:
        log.info("%s: %d of %d", level, passed[level], levels[level])
    assert levels["MUST"] > 10
    assert levels["SHOULD"] > 20
    failed = [audit for audit in audits if audit["status"] != "ok"]
    assert not [audit for audit in failed if not audit["name"].startswith("MAY")]

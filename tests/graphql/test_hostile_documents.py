"""Hostile requests are cheap: the CPU time that the server's process spends on each.

`make prove` prints the table.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import plain, stack
from tests.conftest import mint

log = logging.getLogger(__name__)

MOST = 0.5
"""Seconds of CPU for each request: usually a few milliseconds, and never the seconds that each
took before it had a limit."""

TITLES = " ".join(f't{n}: ""' for n in range(1600))
TASK = "id title description completed completedAt priority dueOn labels position version"
CREATE = "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { tasks { id } } }"


def fragments(number: int, selected: str, spread: str = "...f{}") -> str:
    """Return a document with this number of fragments, spread side by side."""
    spreads = " ".join(spread.format(n) for n in range(number))
    defined = " ".join(f"fragment f{n} on Viewer {{ {selected} }}" for n in range(number))
    return f"{{ viewer {{ {spreads} }} }} {defined}"


def doubling(levels: int) -> str:
    """Return a document of fragments that each spread the next one twice."""
    each = [f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(levels)]
    return "{ ...f0 } " + " ".join(each) + f" fragment f{levels} on Query {{ viewer {{ id }} }}"


DOCUMENTS: dict[str, str] = {
    "a mebibyte of commas": "{ viewer { id } }" + "," * 1_000_000,
    "comments": "{ viewer { id } }" + "#\n" * 16_000,
    "commas, as many as fit": "{ viewer { nothing } }" + "," * 32_000,
    "a string, as long as fits": '{ nothing(id: "' + "\\n" * 16_000 + '") { id } }',
    "a block string of lines": '{ nothing(id: """' + "x\n" * 16_000 + '""") { id } }',
    "strings that do not end": "{ task(id: " + '"\\' * 16_000,
    "5,000 tokens": "{ " + "viewer { id } " * 1_248 + "}",
    "10,000 tokens": "{" + " a" * 10_000,
    "fields in fields": "{ viewer" * 4_000,
    "lists in lists": "{ task(id: " + "[" * 2_000 + "]" * 2_000 + ") { id } }",
    "objects in objects": "{ task(id: " + "{a: " * 1_200 + "1" + "}" * 1_200 + ") { id } }",
    "lists as deep as parses": "{ task(id: " + "[" * 190 + "]" * 190 + ") { id } }",
    "one field again and again": "{ viewer { " + "id " * 1_600 + "} }",
    "pairs in pairs": "{ " + "tasks { nodes { id title } nodes { id title } } " * 100 + "}",
    "fragments that overlap": fragments(100, "id email"),
    "fragments of themselves": fragments(49, "...f0 ...f1 ...f2"),
    "fragments that double": doubling(40),
    "fragments that nobody spreads": fragments(600, "id", spread=" "),
    "unknown fields": "{ viewer { " + " ".join(f"x{n}" for n in range(490)) + " } }",
    "unknown input fields": f"mutation {{ createTask(input: {{{TITLES}}}) {{ task {{ id }} }} }}",
    "arguments": "{ task(" + "id: 1 " * 1_600 + ") { id } }",
    "an enum misspelt": "{ tasks(filter: {status: [" + "OPENN " * 4_000 + "]}) { totalCount } }",
    "variables": "query (" + "".join(f"$v{n}: ID " for n in range(1_200)) + ") { viewer { id } }",
    "operations": " ".join(f"query q{n} {{ ...f }}" for n in range(500))
    + " fragment f on Query { viewer { id } }",
    "directives": "{ viewer { id " + "@include(if: true) " * 700 + "} }",
    "a number of 32,000 digits": "{ tasks(first: " + "9" * 32_000 + ") { totalCount } }",
    "introspection twice": "{ "
    + " ".join(
        f"a{n}: __schema {{ types {{ fields {{ args {{ type {{ name {'ofType { name ' * 30} "
        f"{'}' * 30} }} }} }} }} }}"
        for n in range(9)
    )
    + " }",
    "introspection in itself": "{ __schema { "
    + "types { fields { type { " * 8
    + "name"
    + " } } }" * 8
    + " } }",
    "ten pages of everything": "{ "
    + " ".join(
        f"p{n}: tasks(first: 100) {{ nodes {{ {TASK} }} edges {{ node {{ {TASK} }} }} }}"
        for n in range(10)
    )
    + " }",
}

BODIES: dict[str, str] = {
    "100,000 arrays in each other": "[" * 100_000,
    "arrays in each other in a variable": '{"query": "{ viewer { nothing } }", "variables": {"x": '
    + "[" * 1_000
    + "]" * 1_000
    + "}}",
    "a mebibyte of variables": json.dumps(
        {"query": CREATE, "variables": {"i": [{"title": 1, "labels": [""] * 20}] * 9_000}}
    ),
    "a mebibyte of a list": json.dumps(
        {"query": CREATE, "variables": {"i": 1, "x": [1] * 340_000}}
    ),
    "a mebibyte of extensions": json.dumps(
        {"query": "{ viewer { nothing } }", "extensions": {"x": [{}] * 250_000}}
    ),
    "a number of a million digits": '{"query": "{ viewer { nothing } }", "variables": {"x": '
    + "9" * 1_000_000
    + "}}",
    "a body that is no JSON at its end": json.dumps({"query": "x", "variables": [[]] * 250_000})[
        :-1
    ],
}


def cpu(process: int) -> float:
    """Return the seconds of CPU time that the process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process has computed from /proc")
def test_hostile_documents_are_rejected_within_half_a_second_of_cpu_time(api: stack.Server) -> None:
    headers = {
        "Authorization": f"Bearer {mint('mallory')}",
        "Content-Type": "application/json",
        "Accept": "application/graphql-response+json",
    }
    sent = {name: json.dumps({"query": text}) for name, text in DOCUMENTS.items()} | BODIES
    process = api.child.process.pid
    with plain.Client(base_url=api.url, headers=headers) as mallory:
        ask = '{"query": "{ viewer { id } }"}'
        assert mallory.post("/graphql", content=ask).status_code == 200
        log.info("%-36s %10s %8s %7s", "what", "bytes", "CPU ms", "status")
        for name, content in sent.items():
            before = cpu(process)
            answer = mallory.post("/graphql", content=content)
            spent = cpu(process) - before
            log.info("%-36s %10d %8.0f %7d", name, len(content), spent * 1_000, answer.status_code)
            told: Any = answer.json()
            assert answer.status_code in {400, 413}, (name, told)
            assert spent < MOST, name
            assert len(answer.content) < 8_000, name
        assert mallory.post("/graphql", content=ask).status_code == 200

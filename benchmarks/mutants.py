"""Run mutation tests of the token verification: `python -m benchmarks.mutants [NAME …]`.

A name is one of mutmut's, such as `api.identity.keys*`. pyproject.toml lists the files and the
tests. A mutant that survives must be listed in `equal.toml`, with the reason why it is equivalent
to the original. Results are stored in `mutants/`. Without names, only mutants without a result are
tested, so an interrupted run continues, and entries that no surviving mutant matches are printed.
Delete the folder to start again.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from api import migrations
from tests import stack

ROOT = Path(__file__).parents[1]
EQUAL = Path(__file__).with_name("equal.toml")
CHEAPER = {"EXAMPLES": "25", "PATIENCE": "5"}
"""Settings that make the tests of each mutant faster: the number of examples of each property, and
the seconds to wait for something that must not happen."""
SURVIVED = {0: "survived", 5: "no test", 33: "no test"}
"""The exit statuses of pytest that mean that no test failed."""


def mutmut(*arguments: str, **variables: str) -> str:
    """Run mutmut, and return its output. The output of `mutmut run` is printed instead."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    shown = arguments[0] == "run"
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | CHEAPER | variables,
        stdout=None if shown else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout or ""


def verdicts() -> Iterator[tuple[str, int]]:
    """Yield each tested mutant with the exit status of pytest."""
    for meta in sorted(ROOT.glob("mutants/api/**/*.meta")):
        for name, status in json.loads(meta.read_text())["exit_code_by_key"].items():
            if status is not None:
                yield name, status


def change(name: str) -> dict[str, str]:
    """Return the lines that a mutant removes and adds, in the format of `equal.toml`."""
    lines = mutmut("show", name).splitlines()
    cut = [line for line in lines if not line.startswith(("---", "+++"))]
    return {
        "was": " ".join(line[1:].strip() for line in cut if line.startswith("-")),
        "now": " ".join(line[1:].strip() for line in cut if line.startswith("+")),
    }


def main() -> None:
    """Print the score. Exit with 1 if a mutant survives that is not listed as equivalent."""
    with stack.postgres() as server:
        migrations.upgrade(server.url)
        mutmut("run", *sys.argv[1:], POSTGRES_TO_COPY=server.url)
    tried = list(verdicts())
    equal = tomllib.loads(EQUAL.read_text())["equal"]
    known = {(one["in"], one["was"], one["now"]) for one in equal}
    lived, excused = [], []
    for name, status in tried:
        if status in SURVIVED:
            changed = change(name)
            entry = (name.rpartition("__mutmut_")[0], changed["was"], changed["now"])
            if entry in known:
                excused.append(entry)
            else:
                lived.append((name, SURVIVED[status], changed))
    files = Counter(name.split(".x", 1)[0] for name, _ in tried)
    dead = len(tried) - len(excused) - len(lived)
    print(f"{len(tried)} mutants: {dict(files)}")
    print(
        f"{dead} killed, {len(excused)} equivalent, {len(lived)} survived: "
        f"{len(tried) - len(lived)}/{len(tried)}"
    )
    for name, why, changed in lived:
        print(f"\n{name}: {why}\n- {changed['was']}\n+ {changed['now']}")
    if not sys.argv[1:]:
        for where, was, now in sorted(known.difference(excused)):
            print(f"\n{where}: listed as equivalent, but killed or not generated\n- {was}\n+ {now}")
    raise SystemExit(1 if lived else 0)


if __name__ == "__main__":
    main()

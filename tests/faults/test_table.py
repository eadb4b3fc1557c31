"""The table of faults in docs/operate.md has each fault that is tested."""

import re
from pathlib import Path

from dev.postgres import ROOT

PAGE = (ROOT / "docs/operate.md").read_text()


def test_each_fault_is_in_the_table() -> None:
    files = Path(__file__).parent.glob("test_*.py")
    faults = [name for file in files for name in re.findall(r'writing\("(.+?)"', file.read_text())]
    assert len(faults) > 10
    assert [name for name in faults if f"| {name} |" not in PAGE] == []

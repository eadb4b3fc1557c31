"""A check detects a package that cannot be installed on a platform in docs/settings.md."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dev.platforms import PLATFORMS, Unreachable, node_gaps, python_gap
from dev.postgres import ROOT
from tests import stack
from tests.dev import wheel

LOCK = "frontend/package-lock.json"


def lacking(folder: Path, built_for: str) -> list[str]:
    """Return the platforms where a package with a wheel for only one platform is missing."""
    for left in folder.glob("*.whl"):
        left.unlink()
    octets = wheel.content(built_for)
    (folder / wheel.name(built_for)).write_bytes(octets)
    digest = hashlib.sha256(octets).hexdigest()
    (folder / "demo.lock").write_text(f"demo==1.0 --hash=sha256:{digest}\n")
    gaps = {p.name: python_gap(folder, "demo.lock", p, "3.11") for p in PLATFORMS}
    for name, gap in gaps.items():
        assert gap is None or gap.startswith(f"demo.lock, {name}, Python 3.11: "), gap
        assert gap is None or "demo" in gap, gap
    return [name for name, gap in gaps.items() if gap]


def test_missing_wheel_for_a_platform_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FIND_LINKS": str(tmp_path), "NO_INDEX": "1", "NO_CONFIG": "1"}.items():
        monkeypatch.setenv(f"UV_{name}", value)
    every = [platform.name for platform in PLATFORMS]
    assert lacking(tmp_path, "any") == []
    assert lacking(tmp_path, "macosx_11_0_arm64") == every[:3]
    assert lacking(tmp_path, "manylinux_2_17_x86_64") == every[1:]


def test_check_without_a_network_reports_no_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{stack.NOBODY}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    (tmp_path / "demo.lock").write_text(f"demo==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(Unreachable, match="Failed to fetch"):
        python_gap(tmp_path, "demo.lock", PLATFORMS[0], "3.11")


@pytest.mark.parametrize(
    ("package", "platform"),
    [
        ("node_modules/@next/swc-darwin-x64", "macOS (Intel): node_modules/next"),
        ("node_modules/@biomejs/cli-linux-arm64", "Linux (arm64): node_modules/@biomejs/biome"),
    ],
)
def test_missing_binary_in_the_npm_lock_file_is_detected(
    tmp_path: Path, package: str, platform: str
) -> None:
    lock: dict[str, Any] = json.loads((ROOT / LOCK).read_text())
    (tmp_path / "frontend").mkdir()
    for change, found in (("leave", []), ("drop", [f"{LOCK}, {platform} has no binary for it"])):
        changed = copy.deepcopy(lock)
        if change == "drop":
            del changed["packages"][package]
        (tmp_path / LOCK).write_text(json.dumps(changed))
        assert list(node_gaps(tmp_path, LOCK)) == found


def test_package_without_alternatives_must_run_on_every_platform(tmp_path: Path) -> None:
    packages = {"node_modules/a": {"os": ["!win32"], "cpu": ["x64"]}}
    (tmp_path / "lock").write_text(json.dumps({"packages": packages}))
    arm = [platform.name for platform in PLATFORMS if platform.cpu == "arm64"]
    assert [gap.split(":")[0] for gap in node_gaps(tmp_path, "lock")] == [
        f"lock, {name}" for name in arm
    ]

"""The Chromium that the tests of a run share."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import playwright
from playwright.sync_api import (
    Browser,
    Playwright,
)

from tests import stack

DRIVER = Path(playwright.__file__).parent / "driver"
# Chromium's sandbox does not start for root. The browser opens only pages of the product.
ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []


def executable() -> str:
    """Return the Chromium of this machine, or that of the web app's packages."""
    command = [str(stack.NODE), "scripts/chromium.mjs"]
    found = subprocess.run(command, cwd=stack.FRONTEND, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def browser(playwright: Playwright) -> Browser:
    """Launch Chromium."""
    return playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)


@contextmanager
def browser_server(folder: Path) -> Iterator[stack.Server]:
    """Run Chromium behind a WebSocket, to which several workers connect."""
    config = folder / "browser.json"
    told = {"executablePath": executable(), "args": ARGUMENTS, "host": "127.0.0.1"}
    config.write_text(json.dumps(told))
    # Not by `python -m playwright`: if that is killed, the Node that it started lives on.
    command: list[str | Path] = [DRIVER / "node", DRIVER / "package/cli.js", "launch-server"]
    env = stack.environment()
    server = stack.Server(
        [*command, "--browser", "chromium", "--config", config], folder, env, r"(ws://\S+)"
    )
    try:
        yield server
    finally:
        server.stop()

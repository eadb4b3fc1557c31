"""Measure the first sign-up after `make dev`: `python -m benchmarks.first_use`.

In each round, `make dev` starts in a fresh clone with the tools and packages of this checkout. A
browser opens the printed URL at once, types as fast as a script does, and clicks "Create account".
Another person then does the same. For both, this prints the seconds from the click to the list of
tasks.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from dev.postgres import ROOT
from tests.dev.test_make_dev import COLD, Dev, clean_environment, clone, install_as_here, kill_all
from tests.e2e.chromium import ARGUMENTS, executable
from tests.e2e.person import PASSWORD

ROUNDS = 3


def seconds_to_list(chromium: Browser, url: str, email: str) -> tuple[float, float]:
    """Sign up, and return the seconds to the form and from the click to the list."""
    page = chromium.new_page()
    started = time.monotonic()
    page.goto(f"{url}/sign-up")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    clicked = time.monotonic()
    page.get_by_role("button", name="Create account").click()
    page.locator("main[data-complete=true]").wait_for(timeout=120_000)
    listed = time.monotonic()
    page.context.close()
    return clicked - started, listed - clicked


def main() -> int:
    """Run the rounds, and print a line for each."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as home:
        chromium = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        for number in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="first-use-", dir=ROOT / ".data") as place:
                Path(place).chmod(0o755)  # PostgreSQL may run as another user
                folder = clone(Path(place) / "clone")
                install_as_here(folder)
                dev = Dev(folder, clean_environment(Path(home)))
                try:
                    dev.until_it_runs(COLD)
                    spans = [
                        seconds_to_list(chromium, dev.url, f"{name}@example.com")
                        for name in ("ada", "eve")
                    ]
                finally:
                    os.killpg(dev.make.pid, signal.SIGINT)
                    dev.make.wait()
                    kill_all(folder)
            (form, first), (_, second) = spans
            print(
                f"round {number + 1}: form after {form:.1f} s, list {first:.1f} s after the click, "
                f"for the second person {second:.1f} s",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

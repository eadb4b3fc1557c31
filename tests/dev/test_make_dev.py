"""`make dev` in a fresh clone: one URL, one curl command, and nothing left running."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dev.postgres import ROOT
from dev.run import NAMES
from dev.tools import DONE
from tests import plain
from tests.waiting import PATIENCE, wait_until

COLD, WARM = 1200.0, 10 * PATIENCE
"""Seconds to wait for the start, with and without the installation."""


def clone(to: Path) -> Path:
    """Copy what a clone would contain if all changes were committed, as a repository of its own."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    subprocess.run(["git", "init", "--quiet"], cwd=to, check=True)
    return to


def install_as_here(folder: Path) -> None:
    """Link what `make setup` has installed in this checkout into a clone.

    `make setup` then has nothing to do in the clone: the files that record an installation are new,
    and the one of `.tools` names the clone.
    """
    for installed in (".tools", ".venv", "frontend/node_modules"):
        source = (ROOT / installed).resolve()
        subprocess.run(["cp", "-al", source, folder / installed], check=True)
    tools = (ROOT / ".tools").resolve()
    for done in (DONE, ".venv/.done", ".tools/clients/.done", "frontend/node_modules/.done"):
        record = (folder / done).read_text().replace(str(tools.parent), str(folder), 1)
        (folder / done).unlink()  # the link: writing it would also change the file of this checkout
        (folder / done).write_text(record)


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment without variables of the product, this checkout or the outer make.

    Packages that the outer make has fetched from the registries are not fetched again.
    """
    ours = {*NAMES, "HOME", "PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    ours.add("PYTHONDONTWRITEBYTECODE")  # otherwise each process would compile all packages again
    env = {name: value for name, value in os.environ.items() if name not in ours}
    folders = [part for part in env["PATH"].split(os.pathsep) if not part.startswith(str(ROOT))]
    fetched = {
        "PIP_CACHE_DIR": ".cache/pip",
        "UV_CACHE_DIR": ".cache/uv",
        "npm_config_cache": ".npm",
    }
    caches = {name: str(Path.home() / folder) for name, folder in fetched.items()}
    return caches | env | {"HOME": str(home), "PATH": os.pathsep.join(folders)}


class Dev:
    """A `make dev` in a terminal of its own."""

    def __init__(self, folder: Path, env: dict[str, str], stdin: int = subprocess.DEVNULL) -> None:
        self.env = env
        self.folder = folder
        self.make = subprocess.Popen(
            ["make", "dev"],
            cwd=folder,
            env=self.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed = ""
        self._runs = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.make.stdout
        with self.make.stdout:
            for line in self.make.stdout:
                self.printed += line
                if line.lstrip().startswith("-d '"):  # the last line of the curl command
                    self._runs.set()
        self._runs.set()

    def until_it_runs(self, limit: float) -> None:
        """Wait until the product runs, or fail with the output."""
        assert self._runs.wait(limit), self.printed
        assert "is running" in self.printed, self.printed

    @property
    def url(self) -> str:
        """Return the URL that is printed alone on a line."""
        [url] = re.findall(r"^ +(http://\S+)$", self.printed, re.MULTILINE)
        return str(url)

    def curl(self) -> str:
        """Run the printed curl command in a shell, and return its output."""
        command = self.printed[self.printed.index("    curl ") :]
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        return done.stdout

    def ask(self, query: str) -> object:
        """Query the API with the token of the printed command."""
        url, token = re.findall(r"curl (\S+)|Bearer (\S+)'", self.printed)[-2:]
        headers = {"Authorization": f"Bearer {token[1]}"}
        answer = plain.post(url[0], json={"query": query}, headers=headers)
        return answer.raise_for_status().json()["data"]

    def ends(self) -> None:
        """Wait for the end, and check that no process is left."""
        self.make.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), "somebody still holds the terminal"
        # Next's process for telemetry, which is off, lives on for a second or two.
        wait_until(lambda: not processes_of(self.folder), lambda: str(processes_of(self.folder)))


def processes_of(folder: Path) -> dict[int, str]:
    """Return the processes that run in, from or on this folder."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in command or str(folder) in str((process / "cwd").readlink()):
                found[int(process.name)] = command
        except OSError:
            continue
    return found


def kill_all(folder: Path) -> None:
    """Kill all processes of a folder with SIGKILL."""
    for pid in processes_of(folder):
        with suppress(ProcessLookupError):  # some end with their parents
            os.kill(pid, signal.SIGKILL)


@contextmanager
def taken(*ports: int) -> Iterator[None]:
    """Occupy these ports, as another program would."""
    with ExitStack() as held:
        for port in ports:
            somebody = held.enter_context(socket.socket())
            somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                somebody.bind(("0.0.0.0", port))  # noqa: S104 - another program may
                somebody.listen()
            except OSError:
                continue  # another program already uses it
        yield


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.prove)])
@pytest.mark.skipif(sys.platform != "linux", reason="what is left running is read from /proc")
def test_fresh_clone_starts_and_leaves_nothing_running(
    whole: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    """Use the tools and packages of this checkout, and stop `make dev` by Ctrl-C.

    `make prove` runs the whole test: it installs the tools and the packages, starts `make dev`
    again with the data of the first start, and ends it without a signal and by SIGTERM. In a fresh
    clone, for example in CI, `make test` itself has installed them.
    """
    home = tmp_path / "home"
    home.mkdir()
    (ROOT / ".data").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="test-", dir=ROOT / ".data") as place:
        Path(place).chmod(
            0o755
        )  # if we are root, PostgreSQL runs as another user, who must be able to enter
        folder = clone(Path(place) / "a fresh clone")
        env = clean_environment(home)
        if not whole:
            install_as_here(folder)
        try:
            check_first_start_and_ctrl_c(folder, env)
            if whole:
                check_ends_without_a_signal(folder, env)
                check_restart_and_sigterm(folder, env)
        finally:
            kill_all(folder)


TASKS = "{ tasks { nodes { title } } }"
KEPT = {"tasks": {"nodes": [{"title": "kept"}]}}


def check_first_start_and_ctrl_c(folder: Path, env: dict[str, str]) -> None:
    with taken(3000, 8000):
        dev = Dev(folder, env)
        dev.until_it_runs(COLD)
        assert not dev.url.endswith(":3000")
        assert "curl http://localhost:8000" not in dev.printed
        assert json.loads(dev.curl()) == {"data": {"viewer": {"id": "curl", "taskCount": 0}}}
        assert "Bearer Tasks" in plain.get(f"{dev.url}/sign-up").text
        check_sign_up_and_api(dev)

        written = folder / ".env"
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        assert re.fullmatch(r"BETTER_AUTH_SECRET=[\w-]{43}\n", written.read_text())

        second = subprocess.run(
            ["make", "dev"], cwd=folder, env=dev.env, capture_output=True, text=True, check=False
        )
        assert second.returncode != 0
        assert f"already running in this folder: {dev.url}" in second.stderr
        dev.ask('mutation { createTask(input: {title: "kept"}) { task { id } } }')
        os.killpg(
            dev.make.pid, signal.SIGINT
        )  # as Ctrl-C does: to all processes in the terminal's foreground
        dev.ends()


def check_ends_without_a_signal(folder: Path, env: dict[str, str]) -> None:
    killed = Dev(folder, env)
    killed.until_it_runs(WARM)
    assert killed.ask(TASKS) == KEPT
    kill_all(folder)  # like a power failure
    killed.ends()

    screen, keyboard = os.openpty()
    in_a_terminal = Dev(folder, env, stdin=keyboard)
    os.close(keyboard)
    in_a_terminal.until_it_runs(WARM)
    os.close(screen)  # the window is closed; make, as its first program, gets no signal
    in_a_terminal.ends()


def check_restart_and_sigterm(folder: Path, env: dict[str, str]) -> None:
    secret = (folder / ".env").read_text()
    again = Dev(folder, env)
    again.until_it_runs(WARM)
    assert again.ask(TASKS) == KEPT
    assert (folder / ".env").read_text() == secret
    os.killpg(again.make.pid, signal.SIGTERM)
    again.ends()
    assert "Installing" not in again.printed


def check_sign_up_and_api(dev: Dev) -> None:
    """Check that Better Auth has its tables, and that both sides use the same URLs."""
    with plain.Client(base_url=dev.url, headers={"Origin": dev.url}) as browser:
        person = {"email": "ada@example.com", "name": "Ada", "password": "correct horse"}
        browser.post("/api/auth/sign-up/email", json=person).raise_for_status()
        assert "No open tasks" in browser.get("/tasks").raise_for_status().text
        token = browser.get("/api/auth/token").raise_for_status().json()["token"]

    def after_the_url() -> str:
        return dev.printed.partition("is running")[2]

    wait_until(lambda: "GET /tasks 200" in after_the_url(), "the request is logged")
    assert "Compiling" not in after_the_url()
    [api] = re.findall(r"curl (\S+)", dev.printed)[-1:]
    answer = plain.post(
        api,
        json={"query": "{ viewer { email } }"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.json() == {"data": {"viewer": {"email": "ada@example.com"}}}
    command = [".venv/bin/python", "-m", "api", "token", "--user", "typed"]
    typed = subprocess.run(
        command, cwd=dev.folder, env=dev.env, capture_output=True, text=True, check=True
    )
    answer = plain.post(
        api,
        json={"query": "{ viewer { id } }"},
        headers={"Authorization": f"Bearer {typed.stdout.strip()}"},
    )
    assert answer.json() == {"data": {"viewer": {"id": "typed"}}}

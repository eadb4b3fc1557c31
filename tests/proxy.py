"""HAProxy and nginx in front of processes of the API, configured as docs/settings.md says."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dev.postgres import ROOT
from dev.processes import Child
from tests import stack
from tests.waiting import accepts_connections, wait_until

PAGE = (ROOT / "docs/settings.md").read_text()
SERVED_BY = "X-Served-By"
"""A header that the proxy adds to each response: the address of the process that sent it."""

Command = list[str | Path]


def haproxy(folder: Path, port: int, servers: Sequence[str]) -> tuple[Command, Command]:
    """Return the command that checks the configuration, and the one that runs HAProxy with it."""
    [example] = re.findall(r"```haproxy\n(.*?)```", PAGE, re.DOTALL)
    head, *_ = re.split(r"^ +server .*\n", example, maxsplit=1, flags=re.MULTILINE)
    lines = [
        head.replace("bind :80\n", f"bind 127.0.0.1:{port}\n"),
        *(f"    server {server} {server}\n" for server in servers),
        f"    http-response set-header {SERVED_BY} %s\n",
    ]
    configuration = folder / "haproxy.cfg"
    configuration.write_text("".join(lines))
    command: Command = [_program("haproxy"), "-f", configuration]
    return [*command, "-c"], [*command, "-db"]


def nginx(folder: Path, port: int, servers: Sequence[str]) -> tuple[Command, Command]:
    """Return the command that checks the configuration, and the one that runs nginx with it."""
    directives = re.findall(r"`(proxy_\w+ [^`]+)`", PAGE)
    assert len(directives) == 4
    lines = [
        f"pid {folder}/pid; daemon off; master_process off; error_log stderr;",
        "events {}",
        "http { access_log off;",
        *(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
        "upstream api {",
        *(f"server {server};" for server in servers),
        "}",
        f"server {{ listen 127.0.0.1:{port};",
        f"add_header {SERVED_BY} $upstream_addr always;",
        "location / { proxy_pass http://api;",
        *(f"{directive};" for directive in directives),
        "} } }",
    ]
    configuration = folder / "nginx.conf"
    configuration.write_text("\n".join(lines))
    command: Command = [_program("nginx"), "-e", "stderr", "-p", folder, "-c", configuration]
    return [*command, "-t"], command


def _program(name: str) -> str:
    """Return the path of a program. Skip the test if the machine does not have the program."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return path or pytest.skip(f"needs {name}: apt-get install {name}")


class Proxy:
    """A proxy in front of servers, on a port that it keeps when it is started again."""

    def __init__(
        self,
        kind: Callable[[Path, int, Sequence[str]], tuple[Command, Command]],
        folder: Path,
        servers: Sequence[stack.Server],
    ) -> None:
        self._port = stack.free_port()
        self._folder = folder
        self.url = f"http://127.0.0.1:{self._port}"
        addresses = [server.url.removeprefix("http://") for server in servers]
        check, self._command = kind(folder, self._port, addresses)
        checked = subprocess.run(check, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        self.start()

    def start(self) -> None:
        """Start the proxy, and wait until it accepts connections."""
        with (self._folder / "log").open("ab") as log:
            self._child = Child(self._command, cwd=self._folder, env={}, output=log)
        wait_until(self._accepts, (self._folder / "log").read_text)

    def kill(self) -> None:
        """Kill the proxy, which closes all of its connections."""
        self._child.process.kill()
        self._child.process.wait()

    def _accepts(self) -> bool:
        assert self._child.process.poll() is None, (self._folder / "log").read_text()
        return accepts_connections(self._port)

"""Make `.tools`, a virtual environment that holds uv, which installs everything else.

`make setup` runs this first, on the standard library of the Python that it was given. The programs
of a virtual environment name their folder and their Python by absolute paths. So `.tools` and
`.venv` are removed and made again after the folder was renamed or Python was replaced.
"""

import contextlib
import ensurepip
import os
import shutil
import signal
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

UV = "0.13.8"
ROOT = Path(__file__).resolve().parent.parent
DONE = ".tools/.done"
"""Holds what the installation was made for. Its date tells make whether it was made again."""


def main() -> None:
    """Make `.tools` unless the one that is there was made for this folder and this Python."""
    done, made_for = ROOT / DONE, _made_for()
    with contextlib.suppress(OSError):
        if done.read_text(encoding="utf-8") == made_for:
            return
    for folder in (ROOT / ".tools", ROOT / ".venv"):
        _remove(folder)
    tools = done.parent
    if subprocess.run([sys.executable, "-m", "venv", tools], check=False).returncode != 0:
        sys.exit("Python came without its venv module. On Debian: apt install python3-venv")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip = [str(tools / "bin/python"), *install, f"uv=={UV}"]
    if subprocess.run(pip, env=trusting_the_system(os.environ), check=False).returncode != 0:
        sys.exit("pip could not install uv; what is above says why.")
    done.write_text(made_for, encoding="utf-8")


def trusting_the_system(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this environment, in which pip trusts the system's certificate authorities too.

    From 24.2 on pip does by itself, and from 23.3 on when it is asked. Before, it takes a file of
    them. What the environment or pip's own configuration names comes before all of this.
    """
    added = {}
    if (23, 3) <= tuple(map(int, ensurepip.version().split(".")[:2])) < (24, 2):
        added["PIP_USE_FEATURE"] = "truststore"
    if (bundle := ssl.get_default_verify_paths().cafile) and "CURL_CA_BUNDLE" not in environment:
        added["REQUESTS_CA_BUNDLE"] = bundle
    return added | dict(environment)


def _made_for() -> str:
    parts = (str(ROOT), sys.base_prefix, sys.version, sysconfig.get_platform(), f"uv {UV}")
    return "\n".join(parts)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    main()

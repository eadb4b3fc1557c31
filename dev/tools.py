"""Create `.tools`, a virtual environment with uv, which installs everything else.

`make setup` runs this script first, so it uses only the standard library of Python. The programs of
a virtual environment contain the absolute paths of their folder and of their Python. So `.tools`
and `.venv` are removed and created again after the folder was renamed or Python was replaced.
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
"""The file that records the folder, the Python and the uv of `.tools`. make compares its date."""


def main() -> None:
    """Create `.tools`, unless it already exists for this folder, this Python and this uv."""
    done, made_for = ROOT / DONE, _made_for()
    with contextlib.suppress(OSError):
        if done.read_text(encoding="utf-8") == made_for:
            return
    for folder in (ROOT / ".tools", ROOT / ".venv"):
        _remove(folder)
    tools = done.parent
    if subprocess.run([sys.executable, "-m", "venv", tools], check=False).returncode != 0:
        sys.exit("This Python has no venv module. On Debian: apt install python3-venv")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip = [str(tools / "bin/python"), *install, f"uv=={UV}"]
    if subprocess.run(pip, env=trusting_the_system(os.environ), check=False).returncode != 0:
        sys.exit("pip could not install uv: see the output above.")
    done.write_text(made_for, encoding="utf-8")


def trusting_the_system(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with variables that make pip trust the system's authorities too.

    pip 24.2 and newer trusts them by default, and pip 23.3 to 24.1 if the feature `truststore` is
    enabled. An older pip needs a file of certificates. Variables of the environment and pip's own
    configuration take precedence.
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

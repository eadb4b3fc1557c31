"""The smallest possible wheel, of a package `demo`, for one platform or any."""

import io
import zipfile


def name(platform: str) -> str:
    """Return the file name, which says where the wheel can be installed."""
    return f"demo-1.0-py3-none-{platform}.whl"


def content(platform: str) -> bytes:
    """Return the file's content, which is always the same."""
    info = "demo-1.0.dist-info"
    files = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        f"Tag: py3-none-{platform}\n",
        f"{info}/RECORD": "",
    }
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return octets.getvalue()

"""Every run of the tests by a machine installs the same Debian packages."""

import re

import pytest

from dev.postgres import ROOT

PACKAGES = (ROOT / ".ci/packages").read_text().split()


@pytest.mark.parametrize("file", [".ci/run", ".github/workflows/ci.yml"])
def test_debian_packages_are_read_from_the_one_list(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    [command] = re.findall(r"^.*apt-get install.*$", text, re.MULTILINE)
    assert ".ci/packages" in command
    assert {*command.split()} & {*PACKAGES} == set()

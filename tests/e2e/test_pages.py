"""Properties of the pages: their headers, scripts and metadata."""

import gzip
import re
from pathlib import Path

import pytest

from tests import plain, stack
from tests.e2e.person import Newcomer


def test_pages_have_a_strict_content_security_policy(site: stack.Site) -> None:
    for path in ("/", "/sign-in", "/tasks", "/nowhere"):
        headers = plain.get(f"{site.url}{path}").headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
        assert "'nonce-" in policy["script-src"]
        assert "unsafe" not in policy["script-src"] + policy["style-src"]
        assert headers["x-content-type-options"] == "nosniff"
    nonces = {plain.get(f"{site.url}/sign-in").headers["content-security-policy"] for _ in "ab"}
    assert len(nonces) == 2


def test_web_app_writes_nothing_into_its_build(site: stack.Site) -> None:
    """The build may belong to another user, or be in a read-only image."""

    def written() -> dict[Path, int]:
        files = (stack.FRONTEND / ".next/standalone").rglob("*")
        return {file: file.stat().st_mtime_ns for file in files if file.is_file()}

    before = written()
    for path in ("/nowhere", "/nowhere/else", "/sign-in", "/icon.svg", "/manifest.webmanifest"):
        for _ in range(2):
            assert plain.get(f"{site.url}{path}").status_code in {200, 404}
    assert written() == before


def test_web_app_can_be_installed(site: stack.Site) -> None:
    manifest = plain.get(f"{site.url}/manifest.webmanifest").json()
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        answer = plain.get(f"{site.url}{icon['src']}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(icon["type"])


@pytest.mark.prove
def test_theme_colour_follows_the_chosen_appearance(site: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(site, color_scheme="light")
    ada.has_an_account()

    def bar() -> str:
        colour: str = ada.page.evaluate(
            """[...document.querySelectorAll("meta[name=theme-color]")]
                .find(meta => matchMedia(meta.media || "all").matches).content"""
        )
        return colour

    light = bar()
    ada.chooses_appearance("Light")
    assert bar() == light
    ada.chooses_appearance("Dark")
    dark = bar()
    assert dark != light
    for path in ("/tasks", "/account"):
        ada.goes_to(path)
        assert bar() == dark, path
    ada.page.emulate_media(color_scheme="dark")
    ada.chooses_appearance("System")
    assert bar() == dark
    ada.page.emulate_media(color_scheme="light")
    assert bar() == light


def test_scripts_of_the_tasks_page_have_less_than_240_kb(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    ada.has_signed_up()
    cookies = {cookie["name"]: cookie["value"] for cookie in ada.context.cookies()}
    html = plain.get(f"{ada.site.url}/tasks", cookies=cookies).text
    # Old browsers also load a script of polyfills.
    old = set(re.findall(r'src="([^"]+)"[^>]*noModule', html))
    scripts = set(re.findall(r"/_next/static/chunks/[^\"\\ ]+\.js", html)) - old
    assert len(scripts) > 5
    files = [plain.get(f"{ada.site.url}{script}").text.encode() for script in scripts]
    assert sum(len(gzip.compress(file)) for file in files) < 240_000

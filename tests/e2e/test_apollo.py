"""The example of a page with Apollo Client, bundled as its author would, against the real API."""

import json
import subprocess
from pathlib import Path

from playwright.sync_api import expect

from dev.postgres import ROOT
from tests import stack
from tests.e2e.person import Newcomer

PAGE = ROOT / "examples/apollo/page.tsx"
BUNDLE = """
import { build } from "rolldown";
const [input, modules, file] = JSON.parse(process.env.PATHS);
await build({
  input,
  platform: "browser",
  resolve: { modules: [modules] },
  transform: { define: { "process.env.NODE_ENV": '"production"' } },
  output: { file, format: "iife" },
});
"""


def bundle(folder: Path) -> str:
    """Return the script of the page, with the packages of the web app."""
    file = folder / "page.js"
    paths = json.dumps([str(PAGE), str(stack.FRONTEND / "node_modules"), str(file)])
    command = [str(stack.NODE), "--input-type=module", "--eval", BUNDLE]
    env = stack.environment(PATHS=paths)
    done = subprocess.run(
        command, cwd=stack.FRONTEND, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return file.read_text()


ROOT_ELEMENT = """api => {
  document.body.innerHTML = '<div id="root"></div>';
  document.getElementById("root").dataset.api = api;
}"""


def test_page_shows_changes_from_elsewhere_as_they_happen(
    site: stack.Site, newcomer: Newcomer, tmp_path: Path
) -> None:
    # The example replaces a page of the web app, whose policy allows only scripts of its own.
    ada = newcomer(site, bypass_csp=True)
    ada.has_an_account()
    page = ada.context.new_page()
    page.goto(f"{site.url}/api/health")
    page.evaluate(ROOT_ELEMENT, site.env["API_URL"])
    page.add_script_tag(content=bundle(tmp_path))
    page.get_by_label("New task").fill("From Apollo")
    page.keyboard.press("Enter")
    expect(ada.task("From Apollo")).to_be_visible()
    ada.adds("From the web app")
    expect(page.get_by_text("From the web app")).to_be_visible()
    ada.renames("From Apollo", "Renamed in the web app")
    item = page.get_by_role("listitem").filter(has_text="Renamed in the web app")
    item.get_by_role("button", name="Complete").click()
    expect(item).to_have_count(0)
    expect(ada.task("Renamed in the web app")).to_have_count(0)

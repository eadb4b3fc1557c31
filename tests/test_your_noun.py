"""The page that tells how to add a field: its diff, applied to a copy, and the field tried."""

import re
import shutil
import subprocess
from pathlib import Path

from dev.postgres import ROOT
from tests import stack
from tests.conftest import Caller, mint, trusting

CREATE = "mutation ($i: CreateTaskInput!) { createTask(input: $i) { task { id place } } }"
UPDATE = "mutation ($id: ID!, $p: TaskPatch!) { updateTask(id: $id, patch: $p) { task { place } } }"


def test_one_more_field_is_the_diff_that_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs/your-noun.md").read_text()
    [diff] = re.findall(r"```diff\n(.*?)```", page, re.DOTALL)
    shutil.copytree(ROOT / "api", tmp_path / "api")
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff, text=True, check=True)

    with stack.postgres() as server:
        api = stack.api(tmp_path, trusting(server.url, PYTHONPATH=str(tmp_path)))
        try:
            ada = Caller(api.url, "ada", mint("ada"))
            created = ada(CREATE, i={"title": "Buy bread", "place": "bakery"})["createTask"]["task"]
            assert created["place"] == "bakery"
            assert ada(CREATE, i={"title": "No place"})["createTask"]["task"]["place"] is None
            patched = ada(UPDATE, id=created["id"], p={"title": "Buy rye"})
            assert patched["updateTask"]["task"]["place"] == "bakery"
            cleared = ada(UPDATE, id=created["id"], p={"place": None})
            assert cleared["updateTask"]["task"]["place"] is None
            error = ada.error(CREATE, i={"title": "x", "place": "x" * 201})
            assert list(error["extensions"]["fields"]) == ["place"]
        finally:
            api.stop()
    _, models_and_schema = diff.split("diff --git a/api/models.py")
    by_hand = re.findall(r"^\+(?!\+\+)", models_and_schema, re.MULTILINE)
    assert f"{len(by_hand)} lines by hand" in page

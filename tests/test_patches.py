"""No test patches our own modules: a test passes arguments to what it tests."""

import ast
from collections.abc import Iterator

import pytest

from dev.postgres import ROOT

OURS = ("api", "dev")
PATCHES = ("setattr", "delattr", "setitem", "delitem", "object", "multiple", "patch", "dict")
"""The functions of `builtins`, `monkeypatch` and `mock` that change their first argument."""


def is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in OURS


def imported(tree: ast.Module) -> set[str]:
    """Return the names that a test imports from our own packages."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                aliases = (alias for alias in node.names if is_ours(alias.name))
                names |= {alias.asname or alias.name.split(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(module), level=0) if is_ours(module):
                names |= {alias.asname or alias.name for alias in node.names}
    return names


def root(node: ast.expr) -> str:
    """Return the name that an expression begins with: `a` for `a.b`, `a[0]` and `vars(a)`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner) | ast.Subscript(value=inner):
            return root(inner)
        case ast.Call(func=ast.Name(id="vars"), args=[inner]):
            return root(inner)
    return ""


def patches(source: str) -> Iterator[str]:
    """Yield each statement or call that changes something that our own packages define."""
    tree = ast.parse(source)
    ours = imported(tree)
    for node in ast.walk(tree):
        changed: list[ast.expr] = []
        match node:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                changed = [part for target in targets for part in members(target)]
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                changed = members(target)
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[first, *_]
            ) if called in PATCHES and ast.unparse(node.func) not in ("dict", "object"):
                match first:
                    case ast.Constant(value=str(text)) if is_ours(text) and "." in text:
                        yield ast.unparse(node)
                    case _:
                        changed = [first]
            case ast.Call(
                func=ast.Attribute(value=whole, attr="update" | "pop" | "clear" | "setdefault")
            ) if ast.unparse(whole).startswith("vars(") or ast.unparse(whole).endswith("__dict__"):
                changed = [whole]
        if any(root(each) in ours for each in changed):
            yield ast.unparse(node)


def members(target: ast.expr) -> list[ast.expr]:
    """Return the attributes and items that an assignment to this target changes."""
    return [n for n in ast.walk(target) if isinstance(n, ast.Attribute | ast.Subscript)]


def test_no_test_patches_our_own_modules() -> None:
    found = {
        str(path.relative_to(ROOT)): [*patches(path.read_text())]
        for path in sorted((ROOT / "tests").rglob("*.py"))
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "monkeypatch.setattr(pool, 'SIZE', 1)",
        "monkeypatch.setattr('api.postgres.pool.SIZE', 1)",
        "monkeypatch.setitem(pool.SIZES, 'one', 1)",
        "mock.patch('api.postgres.pool.SIZE', 1)",
        "mock.patch.object(pool.Pool, 'size')",
        "mock.patch.dict(pool.SIZES, {})",
        "setattr(pool, 'SIZE', 1)",
        "pool.SIZE = 1",
        "pool.SIZE += 1",
        "del pool.SIZE",
        "one, pool.SIZE = (1, 2)",
        "vars(pool)['SIZE'] = 1",
        "pool.__dict__['SIZE'] = 1",
        "vars(pool).update(SIZE=1)",
    ],
)
def test_patches_are_found(line: str) -> None:
    assert [*patches(f"from api.postgres import pool\n{line}")] == [line]


@pytest.mark.parametrize(
    "line",
    [
        "monkeypatch.setattr(time, 'time', lambda: 0)",
        "mock.patch.dict(os.environ, {})",
        "size = vars(pool)['SIZE']",
        "made = pool.Pool(size=1)",
        "sizes = dict(pool.SIZES)",
    ],
)
def test_other_lines_are_allowed(line: str) -> None:
    assert [*patches(f"from api.postgres import pool\n{line}")] == []

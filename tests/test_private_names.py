"""The private names of libraries that the API uses: each is listed, and each listed name exists."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest

from api.private_names import PRIVATE
from dev.postgres import ROOT

PUBLIC = {"_fields", "_make", "_replace", "_exit", "_env_file"}
"""Documented names with an underscore: of named tuples, of `os`, and of pydantic-settings."""
OWN = {"self", "cls"}
LISTED = {name for names in PRIVATE.values() for name in names}


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[A-Za-z]\w*", name) is not None and name not in PUBLIC


def of_libraries(source: str) -> Iterator[str]:
    """Yield the private names that a module uses and does not define itself.

    A string with such a name counts too, since it may be an argument of `getattr`. A part of an
    f-string does not.
    """
    tree = ast.parse(source)
    not_names = own_strings(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in OWN:
                continue
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)) if is_private(name):
                yield name
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] != "api":
                parts = [*module.split("."), *(alias.name for alias in node.names)]
                yield from filter(is_private, parts)
            case ast.Import():
                parts = [part for alias in node.names for part in alias.name.split(".")]
                yield from filter(is_private, parts)
            case ast.Constant(value=str(text)) if is_private(text) and node not in not_names:
                yield text


def own_strings(tree: ast.Module) -> set[ast.AST]:
    """Return the strings that are slots, parts of f-strings, or names that the module defines."""
    found: set[ast.AST] = set()
    defined = set()
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr():
                found |= {*ast.walk(node)}
            case ast.Assign(targets=[ast.Name(id=name)]):
                defined.add(name)
                if name == "__slots__":
                    found |= {*ast.walk(node.value)}
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                defined.add(name)
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return found | {string for string in strings if string.value in defined}


def used() -> dict[str, set[str]]:
    """Return the private names of libraries in each module of the API."""
    found = {}
    for path in sorted((ROOT / "api").rglob("*.py")):
        source = path.read_text()
        if path.name != "private_names.py":
            found[str(path.relative_to(ROOT))] = {*of_libraries(source)}
    return found


def test_each_private_name_of_a_library_is_listed() -> None:
    unlisted = {path: names - LISTED for path, names in used().items()}
    assert {path: names for path, names in unlisted.items() if names} == {}


def mentioned(source: str) -> Iterator[str]:
    """Yield each name that a module uses, imports or defines, and each string."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Attribute(attr=name)
                | ast.Name(id=name)
                | ast.keyword(arg=str(name))
                | ast.alias(name=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.Constant(value=str(name))
            ):
                yield name


def test_each_listed_name_is_used() -> None:
    """An undocumented name needs no underscore, so that every name of the list is looked for."""
    sources = [p.read_text() for p in (ROOT / "api").rglob("*.py") if p.name != "private_names.py"]
    names = {name for source in sources for name in mentioned(source)}
    alone = {place.rpartition(".")[2] for place, listed in PRIVATE.items() if not listed}
    assert (LISTED | alone) - names == set()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("self._own, cls._own, row._replace(a=1)", []),
        ("prepared._state", ["_state"]),
        ("self.connection._protocol.bind", ["_protocol"]),
        ("super()._inherited()", ["_inherited"]),
        ("Info(_raw_info=1)", ["_raw_info"]),
        ("getattr(part, '_hints')", ["_hints"]),
        ("from library._inner import thing", ["_inner"]),
        ("from library import _thing", ["_thing"]),
        ("import library._inner", ["_inner"]),
        ("from api.room import _thing", []),
        ("class A:\n    __slots__ = ('_own',)", []),
        ("T = f'{name}_changed'; _T = TypeVar('_T')", []),
    ],
)
def test_uses_of_private_names_are_found(source: str, names: list[str]) -> None:
    assert list(of_libraries(source)) == names


@pytest.mark.parametrize("place", PRIVATE)
def test_each_listed_private_name_exists(place: str) -> None:
    module, _, kind = place.rpartition(".")
    found = getattr(importlib.import_module(module), kind)
    for name in PRIVATE[place]:
        is_declared = name in dir(found) or name in found.__annotations__
        is_set = re.search(rf"self\.{name}\b[^=]* = |def {name}\(", inspect.getsource(found))
        assert is_declared or is_set, f"{place}.{name}"

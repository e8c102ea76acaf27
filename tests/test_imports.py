"""Imports point one way only: domain <- store <- handlers <- rest, server/sockets <- server/app <- run.py."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("domain", "store", "handlers", "rest", "server", "sandbox", "run")
DRIVERS = ("motor", "pymongo", "bson")
WIRE = ("aiohttp", "socketio", "engineio")
OUTSIDE = (
    *DRIVERS, *WIRE, "redis", "stripe", "aiosmtplib", "prometheus_client", "structlog", "limits", "uvloop", "dotenv",
    "argon2", "jwt", "asyncio", "socket", "ssl", "http", "urllib.request", "subprocess", "threading", "multiprocessing",
    "random", "secrets", "os", "pathlib", "tempfile", "shutil", "time", "logging",
)  # fmt: skip

FORBIDDEN = {
    "domain": (*(name for name in OURS if name != "domain"), *OUTSIDE),
    "store": ("handlers", "rest", "server", "sandbox", "run", *WIRE),
    "handlers": ("rest", "server", "sandbox", "run", *DRIVERS, *WIRE),
    "rest": ("server", "sandbox", "run", *DRIVERS, "socketio", "engineio"),
    "server": ("sandbox", "run", *DRIVERS),
    # A Stripe of our own has nothing of ours, nor of the library that is tried on it.
    "sandbox": (*(name for name in OURS if name != "sandbox"), *DRIVERS, "stripe"),
}
# What has to be known to set up a server before there is a store, and the command that runs the sandbox.
ALLOWED = {("server/embedded/replica_set.py", "pymongo"), ("server/commands/stripe_sandbox.py", "sandbox")}
# The composition root alone sees everything; nothing may lean on it but the command line.
COMPOSITION_ROOT = "server.app"
# Test modules that others may import from: none.
SHARED_TEST_MODULES: frozenset[str] = frozenset()


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@cache
def _imported(path: Path) -> tuple[str, ...]:
    return tuple(_found_imports(path))


def _found_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join([*_package_of(path, node.level), *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _package_of(path: Path, level: int) -> tuple[str, ...]:
    """The package that so many leading dots stand for in this file; nothing for an absolute import."""
    return path.relative_to(ROOT).parts[:-level] if level else ()


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _breaches(package: str) -> Iterator[str]:
    for path in _files(package):
        place = path.relative_to(ROOT).as_posix()
        for module in _imported(path):
            for name in FORBIDDEN[package]:
                if _is_within(module, name) and (place, name) not in ALLOWED:
                    yield f"{place} imports {module}"


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_layer_imports_only_what_lies_below_it(package: str) -> None:
    assert _files(package), f"{package}/ has no modules"
    assert list(_breaches(package)) == []


def test_only_the_command_line_imports_the_composition_root() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for package in FORBIDDEN
        for path in _files(package)
        for module in _imported(path)
        if _is_within(module, COMPOSITION_ROOT) and not _is_part_of_root(path)
    ]
    assert found == []


def _is_part_of_root(path: Path) -> bool:
    """``server/app.py`` itself, a package of that name, and the commands that ``run.py`` offers."""
    place = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    return _is_within(place, COMPOSITION_ROOT) or place.startswith("server.command")


def test_the_exceptions_are_still_needed() -> None:
    for place, name in ALLOWED:
        assert any(_is_within(module, name) for module in _imported(ROOT / place)), f"{place} no longer needs {name}"


def _modules() -> dict[str, Path]:
    """Ours, by their names; a package by its ``__init__``."""
    found = {"run": ROOT / "run.py"}
    for package in FORBIDDEN:
        for path in _files(package):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _module_imports() -> dict[str, set[str]]:
    """What each of our modules imports of ours, for type checking only as well, and inside of functions."""
    modules = _modules()
    imports: dict[str, set[str]] = {}
    for name, path in modules.items():
        imports[name] = {
            found for one in _imported(path) if (found := _nearest(one, modules)) is not None and found != name
        }
    return imports


def _nearest(imported: str, modules: Collection[str]) -> str | None:
    """The module that is imported, or the one that has the imported name."""
    return next((one for one in (imported, imported.rpartition(".")[0]) if one in modules), None)


def _package_imports() -> dict[str, set[str]]:
    """By folder. Modules beside folders, like ``server/app.py``, are on their own: some lie above them, some below."""
    modules = _modules()
    homes = {path.parent for path in modules.values()}

    @cache
    def folder(module: str) -> str:
        home = modules[module].parent
        mixed = any(home in other.parents for other in homes)
        return module if mixed else home.relative_to(ROOT).as_posix()

    imports: dict[str, set[str]] = {}
    for module, imported in _module_imports().items():
        home = folder(module)
        imports.setdefault(home, set()).update(other for one in imported if (other := folder(one)) != home)
    return imports


def _circles(imports: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Groups whose members all reach each other; each once, sorted."""
    reached = {name: _reachable(name, imports) for name in imports}
    circles = {
        tuple(sorted(other for other in reached[name] if name in reached.get(other, ())))
        for name in imports
        if name in reached[name]
    }
    return sorted(map(list, circles))


def _reachable(name: str, imports: Mapping[str, Collection[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for one in imports.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


def test_circles_are_found() -> None:
    assert _circles({"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": ["e"], "e": ["d"]}) == [["b", "c"], ["d", "e"]]
    assert _circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_modules_import_each_other() -> None:
    assert _circles(_module_imports()) == []


def test_no_packages_import_each_other() -> None:
    assert _circles(_package_imports()) == []


def test_no_test_module_is_a_library() -> None:
    """Their names are what pytest collects; what several of them need has a module of its own."""
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in _files("tests")
        if "node_modules" not in path.parts
        for module in _imported(path)
        if _is_in_test_module(module) and not any(_is_within(module, shared) for shared in SHARED_TEST_MODULES)
    ]
    assert found == []


def _is_in_test_module(module: str) -> bool:
    return _is_within(module, "tests") and any(part.startswith("test_") for part in module.split("."))

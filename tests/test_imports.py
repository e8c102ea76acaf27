"""Imports point one way only: domain <- store <- handlers <- rest, server/sockets <- server/app <- run.py."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("domain", "store", "handlers", "rest", "server", "run")
DRIVERS = ("motor", "pymongo", "bson")
WIRE = ("aiohttp", "socketio", "engineio")
OUTSIDE = (
    *DRIVERS, *WIRE, "redis", "stripe", "aiosmtplib", "prometheus_client", "structlog", "limits", "uvloop", "dotenv",
    "argon2", "jwt", "asyncio", "socket", "ssl", "http", "urllib.request", "subprocess", "threading", "multiprocessing",
    "random", "secrets", "os", "pathlib", "tempfile", "shutil", "time", "logging",
)  # fmt: skip

FORBIDDEN = {
    "domain": (*(name for name in OURS if name != "domain"), *OUTSIDE),
    "store": ("handlers", "rest", "server", "run", *WIRE),
    "handlers": ("rest", "server", "run", *DRIVERS, *WIRE),
    "rest": ("server", "run", *DRIVERS, "socketio", "engineio"),
    "server": ("run", *DRIVERS),
}
# What has to be known to set up a server before there is a store.
ALLOWED = {("server/embedded/replica_set.py", "pymongo")}
# The composition root alone sees everything; nothing may lean on it but the command line.
COMPOSITION_ROOT = "server.app"


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imported(path: Path) -> Iterator[str]:
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

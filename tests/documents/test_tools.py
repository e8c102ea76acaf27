"""What the tools of app developers make of the documents: Redocly's rules, AsyncAPI's own parser, generated types."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.documents.loaded import ASYNCAPI, OPENAPI

_FOLDER = Path(__file__).resolve().parents[1] / "js"
_SECONDS = 180


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs node, which is not installed")
    if not (_FOLDER / "node_modules" / "openapi-typescript").is_dir():
        pytest.skip("needs tests/js/node_modules: run `make set-up-js`")
    return found


@pytest.fixture(scope="module")
def tool_output(node: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What the tools say, and the folder with the types that they made."""
    folder = tmp_path_factory.mktemp("documents")
    paths = [folder / "openapi.json", folder / "asyncapi.json", folder / "api.d.ts"]
    for path, document in zip(paths, (OPENAPI, ASYNCAPI), strict=False):
        path.write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        [node, "documents.mjs", *map(str, paths)], cwd=_FOLDER, capture_output=True, text=True, timeout=_SECONDS
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said, folder


def test_redocly_has_no_complaint(tool_output: tuple[dict[str, Any], Path]) -> None:
    """All of its recommended rules, warnings included."""
    assert tool_output[0]["redocly"] == []


def test_the_official_parser_of_asyncapi_has_no_complaint(tool_output: tuple[dict[str, Any], Path]) -> None:
    assert tool_output[0]["asyncapi"] == []


def test_patterns_are_regular_expressions_of_ecmascript(tool_output: tuple[dict[str, Any], Path]) -> None:
    assert tool_output[0]["patterns"] == []


def test_a_client_compiles_against_the_generated_types(node: str, tool_output: tuple[dict[str, Any], Path]) -> None:
    folder = tool_output[1]
    shutil.copy(_FOLDER / "typed_client.ts", folder)
    compiler = _FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    options = ["--noEmit", "--strict", "--noUncheckedIndexedAccess", "--skipDefaultLibCheck"]
    options += ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2022,dom"]
    done = subprocess.run(
        [node, compiler, *options, "typed_client.ts"], cwd=folder, capture_output=True, text=True, timeout=_SECONDS
    )
    assert done.returncode == 0, done.stdout

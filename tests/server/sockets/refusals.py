"""What a refusal looks like on the wire."""

from __future__ import annotations

from collections.abc import Collection

from tests.server.sockets.raw import Data


def assert_refused(answer: Data, codes: Collection[str], field: str | None = None) -> None:
    """An error with one of the codes, and with the field if it is about one."""
    assert answer["ok"] is False, answer
    error = answer["error"]
    assert error["code"] in codes, error
    assert error["message"]
    if field is not None and error["code"] == "validation_failed":
        assert error["errors"][0]["field"].split(".")[0].split("[")[0] == field, error

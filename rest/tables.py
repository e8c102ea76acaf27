"""The same answer as a table (RFC 4180), for those who would rather have that than JSON (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from aiohttp import hdrs, web

CSV = "text/csv"
_JSON = "application/json"


def prefers_table(request: web.Request) -> bool:
    """Whether the table is named, and JSON is not wanted more."""
    wanted: dict[str, float] = {}
    for part in ",".join(request.headers.getall(hdrs.ACCEPT, ())).split(","):
        kind, _, parameters = part.partition(";")
        wanted[kind.strip().lower()] = _quality(parameters)
    return wanted.get(CSV, 0.0) > wanted.get(_JSON, 0.0)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def table_response(body: bytes, name: str) -> web.Response:
    """``name``: of the file, for browsers that keep it."""
    headers = {
        hdrs.CONTENT_TYPE: f"{CSV}; charset=utf-8; header=present",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}.csv"',
        hdrs.CACHE_CONTROL: "private, no-store",
        hdrs.VARY: hdrs.ACCEPT,
    }
    return web.Response(body=body, headers=headers)

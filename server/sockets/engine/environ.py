"""The WSGI-like dictionary that a ``connect`` handler of python-socketio expects."""

from __future__ import annotations

from aiohttp import web


def describe(request: web.Request, remote_address: str) -> dict[str, object]:
    """The request without any reference to it, since python-socketio keeps this as long as the client stays."""
    environ: dict[str, object] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query_string,
        "REMOTE_ADDR": remote_address,
        "wsgi.url_scheme": request.scheme,
    }
    for name, value in request.headers.items():
        key = "HTTP_" + name.upper().replace("-", "_")
        known = environ.get(key)
        environ[key] = value if known is None else f"{known},{value}"
    return environ

"""Every error as ``application/problem+json`` (RFC 9457), in one middleware."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from domain.errors import Code, DomainError, FieldError
from domain.wire import codec
from rest.headers import put_on, request_id_of

log = structlog.get_logger(__name__)

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS: dict[Code, int] = {
    Code.VALIDATION_FAILED: 422,
    Code.MALFORMED: 400,
    Code.UNAUTHENTICATED: 401,
    Code.TOKEN_EXPIRED: 401,
    Code.INVALID_CREDENTIALS: 401,
    Code.EMAIL_NOT_VERIFIED: 403,
    Code.ACCOUNT_BLOCKED: 403,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    # Belongs to the sockets; on this surface it would be a mistake of ours.
    Code.UNKNOWN_EVENT: 500,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.OWN_CONFLICT: 409,
    Code.SLOT_TAKEN: 409,
    Code.SLOT_UNAVAILABLE: 409,
    Code.TRIAL_UNAVAILABLE: 409,
    Code.PRECONDITION_FAILED: 412,
    Code.POLICY_WINDOW_PASSED: 409,
    Code.IDEMPOTENCY_CONFLICT: 409,
    Code.INSUFFICIENT_CREDIT: 402,
    Code.PAYMENT_FAILED: 402,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA: 415,
    Code.INVALID_CODE: 422,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.NOT_IMPLEMENTED: 501,
    Code.HEAD_TOO_LARGE: 431,
    Code.RANGE_NOT_SATISFIABLE: 416,
}
_OF_STATUS: dict[int, Code] = {
    401: Code.UNAUTHENTICATED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.PAYLOAD_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA,
    429: Code.RATE_LIMITED,
    503: Code.UNAVAILABLE,
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An error. ``code`` is for programs, ``detail`` for people; ``errors`` names the fields refused."""

    type: str
    title: str
    status: int
    code: Code
    detail: str
    request_id: str
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: int | None = None


def error_middleware(exempt: tuple[str, ...]) -> Middleware:
    """Outermost but for the request id. Paths that begin with ``exempt`` answer their errors themselves."""

    @web.middleware
    async def errors(request: web.Request, handler: Next) -> web.StreamResponse:
        if request.path.startswith(exempt):
            return await handler(request)
        try:
            return await handler(request)
        except DomainError as error:
            return problem(error, request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _of_http(error, request)
        except Exception as error:
            # Neither body nor query: they may carry what is not ours to keep.
            log.exception("request_failed", method=request.method, route=_route_of(request), error=type(error).__name__)
            return problem(DomainError(Code.INTERNAL, "Something went wrong on our side."), request)

    return errors


class ClosingError(DomainError):
    """The connection ends with it: of what is left of the request nobody knows when it comes, or where it ends."""


NO_CONTENT_CODING = "A body comes as it is: the only Content-Encoding taken is identity."


class UnknownContentCoding(DomainError):
    """The body is in a content coding; the answer says that none is taken (RFC 9110, 15.5.16)."""


def require_no_content_coding(request: web.Request) -> None:
    """Raises ``unsupported_media``."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity":
        raise UnknownContentCoding(Code.UNSUPPORTED_MEDIA, NO_CONTENT_CODING)


def body_too_slow() -> ClosingError:
    """The body stalls, or comes too slowly for its size."""
    return ClosingError(Code.MALFORMED, "The body did not arrive in time.")


def unrouted(error: DomainError, request: web.BaseRequest, *, secure: bool) -> web.Response:
    """For what never reaches a route, where no middleware and no signal adds the headers."""
    request_id = request_id_of(request)
    response = _answer(error, request_id)
    put_on(response, request_id, secure=secure)
    return response


def problem(error: DomainError, request: web.Request) -> web.Response:
    return _answer(error, request_id_of(request))


def _answer(error: DomainError, request_id: str) -> web.Response:
    status = STATUS[error.code]
    body = Problem(
        type=f"urn:spotter:error:{error.code}",
        title=error.code.replace("_", " ").capitalize(),
        status=status,
        code=error.code,
        detail=error.message,
        request_id=request_id,
        errors=error.errors,
        retry_after_ms=error.retry_after_ms,
    )
    response = web.Response(status=status, body=codec.encode(body), content_type="application/problem+json")
    if error.retry_after_ms is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_ms / 1000))
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, UnknownContentCoding):
        response.headers[hdrs.ACCEPT_ENCODING] = "identity"
    if isinstance(error, ClosingError):
        response.force_close()
    return response


def of_http(error: web.HTTPException) -> DomainError:
    """One of aiohttp's own."""
    code = _OF_STATUS.get(error.status, Code.INTERNAL if error.status >= 500 else Code.MALFORMED)
    return DomainError(code, _sentence(error))


def _of_http(error: web.HTTPException, request: web.Request) -> web.Response:
    response = problem(of_http(error), request)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _sentence(error: web.HTTPException) -> str:
    if error.status == HTTPStatus.NOT_FOUND:
        return "There is nothing at this path."
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"This path does not take {error.method}."
    return f"{error.reason}."


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unknown"

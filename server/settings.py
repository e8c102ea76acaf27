"""What a deployment decides, read from the environment and in development from ``.env``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from dotenv import dotenv_values

from domain.networks import LOOPBACK
from server.push.configuration import PushSettings, read_push
from server.setting_values import SettingReader, SettingsError
from server.signing_key import LEAST_BYTES as LEAST_SECRET_BYTES
from server.signing_key import is_weak, kept_key

__all__ = ["Settings", "SettingsError", "load"]

_URL_SCHEMES = {
    "MONGO_URL": ("mongodb", "mongodb+srv"),
    "REDIS_URL": ("redis", "rediss", "redis+sentinel", "redis+cluster", "rediss+cluster"),
    "SMTP_URL": ("smtp", "smtps"),
}
_STRIPE_PREFIXES = {"STRIPE_SECRET_KEY": ("sk_", "rk_"), "STRIPE_PUBLISHABLE_KEY": ("pk_",)}
# Everybody knows them.
_SANDBOX_KEYS = {"sk_test_sandbox", "pk_test_sandbox", "whsec_sandbox"}
_OF_THE_SANDBOX = "is the sandbox's, which is for development"
_REQUIRED_IN_PRODUCTION = (
    "JWT_SECRET",
    "MONGO_URL",
    "REDIS_URL",
    "SMTP_URL",
    "MAIL_FROM",
    "ALLOWED_ORIGINS",
    "STRIPE_SECRET_KEY",
    "STRIPE_PUBLISHABLE_KEY",
    "STRIPE_WEBHOOK_SECRETS",
)
# With what they are without a setting; 0 is for ever.
_KEPT_DAYS = {"AUDIT_DAYS": 0, "IDEMPOTENCY_DAYS": 0, "REVOCATION_DAYS": 1}
_OPERATIONS_PORT = 9090
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what is said of it, not where


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a program listens; ``setting``: what decides its port. Port 0 is a free one."""

    host: str
    port: int
    setting: str

    def url(self, port: int | None = None) -> str:
        """As this machine reaches it; ``port``: the one that it was given."""
        host = "127.0.0.1" if self.host in ANYWHERE else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port if port is None else port}"

    def refusal(self, error: OSError) -> str:
        """A sentence for whoever starts the program."""
        # asyncio puts words of its own before the system's; a name that does not resolve has no number of the system's.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return f"Cannot listen on {self.host}:{self.port}: {reason}. Set {self.setting}."


@dataclass(frozen=True, slots=True)
class Settings:
    """None stands for the development's own: embedded servers, printed mail, the Stripe sandbox.

    What is or may carry a secret stays out of ``repr``.
    """

    production: bool
    host: str
    port: int
    operations_host: str
    operations_port: int | None
    """None: what operators ask is served with everything else."""
    workers: int
    mongo_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    data_dir: Path
    jwt_secret: str = field(repr=False)
    allowed_origins: tuple[str, ...]
    """In development with ``LOOPBACK``, any origin of the machine itself."""
    trusted_proxies: int
    """How many proxies of ours are before the server; that many entries of X-Forwarded-For are believed."""
    rate_limit_scale: float
    sandbox_port: int
    stripe_secret_key: str | None = field(repr=False)
    stripe_publishable_key: str | None
    stripe_webhook_secrets: tuple[str, ...] = field(repr=False)
    stripe_api_base: str | None
    platform_fee_percent: Decimal
    currency: str
    smtp_url: str | None = field(repr=False)
    mail_from: str
    public_url: str | None
    """Where people reach the server, for links in mails to it."""
    push: PushSettings
    webhooks_allow_private: bool
    """Whether outbound webhooks may go to private addresses, and over plain http."""
    kept_days: Mapping[str, int]
    """By setting, how long rows are kept; 0 is for ever."""
    export_days: int
    """How long an archive of somebody's data can be fetched."""

    @property
    def public(self) -> ListenAddress:
        return ListenAddress(self.host, self.port, "PORT")

    @property
    def operations(self) -> ListenAddress | None:
        """A listener of its own for ``/metrics`` and ``/readyz``."""
        if self.operations_port is None:
            return None
        return ListenAddress(self.operations_host, self.operations_port, "OPERATIONS_PORT")


def load(environ: Mapping[str, str], dotenv_path: Path | None = Path(".env")) -> Settings:
    """The settings. Raises SettingsError with every problem; in development a missing signing key is made and kept."""
    production = environ.get("ENVIRONMENT", "").strip() == "production"
    read = SettingReader(environ if production else {**_from_file(dotenv_path), **environ})
    if read.choice("ENVIRONMENT", ("development", "production"), "development") == "production" and not production:
        read.refuse("ENVIRONMENT", "production has to be said in the environment; .env is for development")
    if production:
        _refuse_unfit(read)
    elif (secret := read.text("JWT_SECRET")) and len(secret.encode()) < LEAST_SECRET_BYTES:
        read.refuse("JWT_SECRET", f"must have at least {LEAST_SECRET_BYTES} bytes; without it one is made and kept")
    data_dir = Path(read.text("DATA_DIR") or ".data").expanduser().absolute()
    port = read.integer("PORT", 8080, 0, 65535)
    settings = Settings(
        production=production,
        host=read.text("HOST") or ("0.0.0.0" if production else "127.0.0.1"),  # noqa: S104 - behind a proxy
        port=port,
        operations_host=read.text("OPERATIONS_HOST") or "127.0.0.1",
        operations_port=_operations_port(read, port, production),
        workers=read.integer("WORKERS", 1, 1, 256),
        mongo_url=read.url("MONGO_URL", _URL_SCHEMES["MONGO_URL"]),
        redis_url=read.url("REDIS_URL", _URL_SCHEMES["REDIS_URL"]),
        data_dir=data_dir,
        jwt_secret=read.text("JWT_SECRET") or "",
        allowed_origins=read.origins("ALLOWED_ORIGINS") + (() if production else (LOOPBACK,)),
        trusted_proxies=read.integer("TRUSTED_PROXIES", 0, 0, 16),
        rate_limit_scale=read.positive("RATE_LIMIT_SCALE", 1.0),
        sandbox_port=read.integer("SANDBOX_PORT", 8081, 0, 65535),
        stripe_secret_key=read.text("STRIPE_SECRET_KEY"),
        stripe_publishable_key=read.text("STRIPE_PUBLISHABLE_KEY"),
        stripe_webhook_secrets=read.words("STRIPE_WEBHOOK_SECRETS"),
        stripe_api_base=read.url("STRIPE_API_BASE", ("https",) if production else ("http", "https")),
        platform_fee_percent=read.percent("PLATFORM_FEE_PERCENT", Decimal(10)),
        currency=read.currency("CURRENCY", "usd"),
        smtp_url=read.url("SMTP_URL", _URL_SCHEMES["SMTP_URL"]),
        mail_from=read.mail_address("MAIL_FROM", "Spotter <no-reply@localhost>"),
        public_url=_public_url(read, port, production),
        push=read_push(read, production=production),
        webhooks_allow_private=read.choice("WEBHOOKS_ALLOW_PRIVATE", ("no", "yes"), "no") == "yes",
        kept_days={name: read.integer(name, days, 0, 36_500) for name, days in _KEPT_DAYS.items()},
        export_days=read.integer("EXPORT_DAYS", 7, 1, 365),
    )
    read.raise_problems()
    return settings if settings.jwt_secret else replace(settings, jwt_secret=kept_key(data_dir))


def _public_url(read: SettingReader, port: int, production: bool) -> str | None:
    """In development the machine itself, where its port is known."""
    given = read.url("PUBLIC_URL", ("https",) if production else ("http", "https"))
    return given or (None if production or port == 0 else f"http://127.0.0.1:{port}")


def _operations_port(read: SettingReader, port: int, production: bool) -> int | None:
    if not production and read.text("OPERATIONS_PORT") is None:
        return None
    found = read.integer("OPERATIONS_PORT", _OPERATIONS_PORT, 0, 65535)
    if found != port or found == 0:
        return found
    if production:
        read.refuse("OPERATIONS_PORT", "must be another than PORT in production")
    return None


def _from_file(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}


def _refuse_unfit(read: SettingReader) -> None:
    for name in _REQUIRED_IN_PRODUCTION:
        if not read.text(name):
            read.refuse(name, "is required in production")
    if (secret := read.text("JWT_SECRET")) and (weakness := is_weak(secret)):
        read.refuse("JWT_SECRET", weakness)
    if "*" in read.words("ALLOWED_ORIGINS"):
        read.refuse("ALLOWED_ORIGINS", "must name the origins in production, not *")
    if read.positive("RATE_LIMIT_SCALE", 1.0) != 1:
        read.refuse("RATE_LIMIT_SCALE", "must be 1 in production")
    for name, prefixes in _STRIPE_PREFIXES.items():
        if (key := read.text(name)) and not key.startswith(prefixes):
            read.refuse(name, f"must start with {' or '.join(prefixes)}")
        elif key in _SANDBOX_KEYS:
            read.refuse(name, _OF_THE_SANDBOX)
    if _SANDBOX_KEYS.intersection(read.words("STRIPE_WEBHOOK_SECRETS")):
        read.refuse("STRIPE_WEBHOOK_SECRETS", _OF_THE_SANDBOX)

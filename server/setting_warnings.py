"""What production may be right to do and mostly is not: said in the log at the start, and nothing is refused."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from domain.networks import is_loopback_host, is_loopback_origin
from server.settings import ANYWHERE, Settings


def warnings_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """Of production: the setting's name, and a sentence that repeats no value."""
    if not settings.production:
        return
    if not settings.trusted_proxies:
        yield "TRUSTED_PROXIES", "no proxy is trusted: behind one, all clients are a single address to every limit"
    for name, url in (("MONGO_URL", settings.mongo_url), ("REDIS_URL", settings.redis_url)):
        if url and _is_open(url):
            yield name, "has no password: whoever reaches that server reads and writes everything"
    if settings.smtp_url and _is_plain_mail(settings.smtp_url):
        yield "SMTP_URL", "codes are mailed in the clear unless STARTTLS is offered; smtps insists on it"
    if settings.operations_host in ANYWHERE:
        yield "OPERATIONS_HOST", "whoever reaches the machine may ask /metrics and /readyz"
    if any(origin.startswith("http:") or is_loopback_origin(origin) for origin in settings.allowed_origins):
        yield "ALLOWED_ORIGINS", "a page over plain http can be altered on its way"
    if settings.webhooks_allow_private:
        yield "WEBHOOKS_ALLOW_PRIVATE", "administrators have requests sent to whatever this server reaches"
    keys = (settings.stripe_secret_key, settings.stripe_publishable_key)
    if any(key and "_test_" in key for key in keys):
        yield "STRIPE_SECRET_KEY", "is of the test mode, or the publishable key is: nobody pays"
    if not all(secret.startswith("whsec_") for secret in settings.stripe_webhook_secrets):
        yield "STRIPE_WEBHOOK_SECRETS", "those of Stripe start with whsec_"


def _is_open(url: str) -> bool:
    """Several hosts may be named, which no parser of URLs takes."""
    authority = url.partition("://")[2].partition("/")[0]
    credentials, at, hosts = authority.rpartition("@")
    if at and credentials.partition(":")[2]:
        return False
    names = [host.rpartition(":")[0] or host for host in hosts.split(",")]
    uses_certificates = "authMechanism=" in url or "tlsCertificateKeyFile=" in url
    return not uses_certificates and not all(is_loopback_host(name.strip("[]")) for name in names)


def _is_plain_mail(url: str) -> bool:
    parts = urlsplit(url)
    # With a password STARTTLS is insisted on.
    return parts.scheme == "smtp" and not parts.password and not is_loopback_host(parts.hostname or "")

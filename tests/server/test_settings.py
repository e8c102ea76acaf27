from __future__ import annotations

import json
import stat
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from hashlib import sha384
from pathlib import Path

import pytest

from domain.networks import LOOPBACK
from server.setting_warnings import warnings_of
from server.settings import ListenAddress, Settings, SettingsError, load
from tests.notifications.services import APNS_KEY, FCM_KEY, PushService, pem

# As good as random, yet the same in every test process: it is part of the tests' names.
STRONG = b64encode(sha384(b"a key for the tests").digest()).decode()
PRODUCTION = {
    "ENVIRONMENT": "production",
    "JWT_SECRET": STRONG,
    "MONGO_URL": "mongodb://one,two,three/spotter?replicaSet=rs0",
    "REDIS_URL": "rediss://cache:6379/0",
    "SMTP_URL": "smtps://user:hush@mail.example.com",
    "MAIL_FROM": "Spotter <hello@example.com>",
    "ALLOWED_ORIGINS": "https://app.example.com, https://Admin.example.com/",
    "STRIPE_SECRET_KEY": "sk_live_hush",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_open",
    "STRIPE_WEBHOOK_SECRETS": "whsec_new,whsec_old",
}


def problems(environ: dict[str, str], dotenv: Path | None = None) -> list[str]:
    """The names of the settings that are refused."""
    with pytest.raises(SettingsError) as caught:
        load(environ, dotenv)
    return [problem.partition(":")[0] for problem in caught.value.problems]


def development(folder: Path, **environ: str) -> Settings:
    return load({"DATA_DIR": str(folder), **environ}, None)


def test_development_needs_nothing(tmp_path: Path) -> None:
    settings = development(tmp_path)

    assert (settings.production, settings.host, settings.port, settings.workers) == (False, "127.0.0.1", 8080, 1)
    assert (settings.mongo_url, settings.redis_url, settings.smtp_url) == (None, None, None)
    assert (settings.stripe_secret_key, settings.stripe_api_base, settings.stripe_webhook_secrets) == (None, None, ())
    assert settings.allowed_origins == (LOOPBACK,)
    assert (settings.trusted_proxies, settings.rate_limit_scale, settings.sandbox_port) == (0, 1.0, 8081)
    assert (settings.platform_fee_percent, settings.currency) == (Decimal(10), "usd")
    assert settings.kept_days == {"AUDIT_DAYS": 0, "IDEMPOTENCY_DAYS": 0, "REVOCATION_DAYS": 1}
    assert settings.export_days == 7


def test_what_is_kept_is_kept_for_whole_days(tmp_path: Path) -> None:
    """So that no revocation goes before the tokens that it ends."""
    names = ["AUDIT_DAYS", "EXPORT_DAYS", "IDEMPOTENCY_DAYS", "REVOCATION_DAYS"]
    for value in ("0.5", "-1", "20m", "40000"):
        assert sorted(problems({"DATA_DIR": str(tmp_path), **dict.fromkeys(names, value)})) == names
    settings = development(tmp_path, **dict.fromkeys(names, "9"))
    assert (set(settings.kept_days.values()), settings.export_days) == ({9}, 9)


def test_a_full_production_environment_is_accepted() -> None:
    settings = load(PRODUCTION, None)

    assert settings.production
    assert settings.host == "0.0.0.0"
    assert settings.allowed_origins == ("https://app.example.com", "https://admin.example.com")
    assert settings.stripe_webhook_secrets == ("whsec_new", "whsec_old")


def test_where_operators_ask(tmp_path: Path) -> None:
    assert load(PRODUCTION, None).operations == ListenAddress("127.0.0.1", 9090, "OPERATIONS_PORT")
    own = {"OPERATIONS_HOST": "10.0.0.11", "OPERATIONS_PORT": "9100"}
    assert load({**PRODUCTION, **own}, None).operations == ListenAddress("10.0.0.11", 9100, "OPERATIONS_PORT")
    # Beside everybody else they would be public.
    assert problems({**PRODUCTION, "PORT": "9090"}) == ["OPERATIONS_PORT"]
    assert problems({**PRODUCTION, "OPERATIONS_PORT": "8080"}) == ["OPERATIONS_PORT"]
    assert problems({**PRODUCTION, "OPERATIONS_PORT": "many"}) == ["OPERATIONS_PORT"]
    # In development they ask where everybody does, unless they have a port of their own.
    assert development(tmp_path).operations is None
    assert development(tmp_path, OPERATIONS_PORT="8080").operations is None
    assert development(tmp_path, OPERATIONS_PORT="0").operations == ListenAddress("127.0.0.1", 0, "OPERATIONS_PORT")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:9090"),
        ("::", "http://127.0.0.1:9090"),
        ("::1", "http://[::1]:9090"),
        ("localhost", "http://localhost:9090"),
    ],
)
def test_a_place_as_this_machine_reaches_it(host: str, url: str) -> None:
    assert ListenAddress(host, 0, "PORT").url(9090) == url


def test_loopback_origins_are_allowed_besides_in_development_only(tmp_path: Path) -> None:
    one = development(tmp_path, ALLOWED_ORIGINS="https://app.example.com")
    assert one.allowed_origins == ("https://app.example.com", LOOPBACK)
    assert LOOPBACK not in load(PRODUCTION, None).allowed_origins
    assert problems({**PRODUCTION, "ALLOWED_ORIGINS": LOOPBACK}) == ["ALLOWED_ORIGINS"]


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "ENVIRONMENT"])
@pytest.mark.parametrize("blank", [None, "", "  "])
def test_production_refuses_to_start_without(name: str, blank: str | None) -> None:
    environ = {key: value for key, value in PRODUCTION.items() if key != name}
    assert problems(environ if blank is None else {**environ, name: blank}) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", STRONG[:31]),
        ("JWT_SECRET", "a" * 64),
        ("JWT_SECRET", "abcdefgh" * 8),
        ("JWT_SECRET", "abcdefghijklmnopqrstuvwxyz0123456789"),
        ("JWT_SECRET", "change-me-" + STRONG),
        ("JWT_SECRET", "MySuperSecretKeyForSigningTokens2026"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://app.example.com,*"),
        ("ALLOWED_ORIGINS", "app.example.com"),
        ("ALLOWED_ORIGINS", "https://app.example.com/path"),
        ("RATE_LIMIT_SCALE", "2"),
        ("RATE_LIMIT_SCALE", "0.5"),
        ("STRIPE_API_BASE", "http://127.0.0.1:8081"),
        ("STRIPE_SECRET_KEY", "pk_live_mixed_up"),
        ("STRIPE_PUBLISHABLE_KEY", "sk_live_mixed_up"),
        ("STRIPE_SECRET_KEY", "sk_test_sandbox"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_test_sandbox"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_new,whsec_sandbox"),
        ("MONGO_URL", "postgres://elsewhere/spotter"),
        ("REDIS_URL", "cache:6379"),
        ("SMTP_URL", "mail.example.com"),
        ("MAIL_FROM", "Spotter"),
    ],
)
def test_production_refuses_unfit_values(name: str, value: str) -> None:
    assert problems({**PRODUCTION, name: value}) == [name]


@pytest.mark.parametrize("value", ["1", "1.0"])
def test_production_takes_a_scale_of_one(value: str) -> None:
    assert load({**PRODUCTION, "RATE_LIMIT_SCALE": value}, None).rate_limit_scale == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "８０８０"),
        ("WORKERS", "0"),
        ("WORKERS", "1.5"),
        ("SANDBOX_PORT", "99999"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("RATE_LIMIT_SCALE", "0"),
        ("RATE_LIMIT_SCALE", "-3"),
        ("RATE_LIMIT_SCALE", "nan"),
        ("RATE_LIMIT_SCALE", "inf"),
        ("PLATFORM_FEE_PERCENT", "101"),
        ("PLATFORM_FEE_PERCENT", "ten"),
        ("CURRENCY", "dollars"),
        ("ENVIRONMENT", "staging"),
    ],
)
def test_values_of_the_wrong_kind_are_named(tmp_path: Path, name: str, value: str) -> None:
    assert problems({"DATA_DIR": str(tmp_path), name: value}) == [name]


def test_all_problems_are_told_at_once() -> None:
    assert problems({"PORT": "x", "WORKERS": "0", "ALLOWED_ORIGINS": "nowhere"}) == [
        "PORT",
        "WORKERS",
        "ALLOWED_ORIGINS",
    ]


def test_the_environment_wins_over_the_file_even_with_an_empty_value(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "PORT=9000\nCURRENCY=eur\nSMTP_URL=smtp://file\nMAIL_FROM='A $B <a@example.com>'\n", encoding="utf-8"
    )

    settings = load({"DATA_DIR": str(tmp_path), "PORT": "9001", "SMTP_URL": ""}, file)

    assert (settings.port, settings.currency, settings.smtp_url) == (9001, "eur", None)
    assert settings.mail_from == "A $B <a@example.com>"


def test_production_does_not_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=9000\n", encoding="utf-8")
    assert load(PRODUCTION, file).port == 8080


def test_the_file_cannot_turn_production_on(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("\n".join(f"{name}={value}" for name, value in PRODUCTION.items()), encoding="utf-8")
    assert problems({"DATA_DIR": str(tmp_path)}, file) == ["ENVIRONMENT"]


def test_secrets_stay_out_of_repr_and_messages() -> None:
    text = repr(load({**PRODUCTION, "MONGO_URL": "mongodb://user:hush@one/spotter"}, None))
    assert "hush" not in text
    assert STRONG not in text
    assert "whsec" not in text

    with pytest.raises(SettingsError) as caught:
        load({**PRODUCTION, "JWT_SECRET": "hush", "SMTP_URL": "user:hush@mail"}, None)
    assert "hush" not in str(caught.value)


def test_the_generated_key_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    first = development(tmp_path / "new" / "folder")

    assert len(first.jwt_secret) >= 32
    assert development(tmp_path / "new" / "folder").jwt_secret == first.jwt_secret
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "folder").iterdir()] == [0o600]
    assert development(tmp_path / "other").jwt_secret != first.jwt_secret
    assert development(tmp_path / "new" / "folder", JWT_SECRET="g" * 32).jwt_secret == "g" * 32


def test_programs_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: development(tmp_path).jwt_secret, range(64)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["jwt_secret"]


def test_a_damaged_key_is_reported(tmp_path: Path) -> None:
    (tmp_path / "jwt_secret").write_text("half", encoding="ascii")
    assert problems({"DATA_DIR": str(tmp_path)}) == ["JWT_SECRET"]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert problems({"DATA_DIR": str(tmp_path / "file" / "data")}) == ["JWT_SECRET"]


def test_a_signing_key_that_is_too_short_is_refused_in_development_too(tmp_path: Path) -> None:
    assert problems({"DATA_DIR": str(tmp_path), "JWT_SECRET": "short"}) == ["JWT_SECRET"]


APNS = {"APNS_KEY_ID": "K", "APNS_TEAM_ID": "T", "APNS_TOPIC": "example.spotter"}


def test_push_services_are_set_up_whole_or_not_at_all(tmp_path: Path) -> None:
    nothing = development(tmp_path).push
    assert (nothing.apns, nothing.fcm, nothing.after.total_seconds()) == (None, None, 10)
    key, file = pem(APNS_KEY), tmp_path / "key.p8"
    file.write_text(key)
    for given in (key, str(file)):
        apns = development(tmp_path, APNS_KEY=given, **APNS).push.apns
        assert apns is not None
        assert (apns.key.strip(), apns.topic) == (key.strip(), "example.spotter")
        assert key.splitlines()[1] not in repr(development(tmp_path, APNS_KEY=given, **APNS))
    account = json.dumps(PushService(url="https://accounts.example").account())
    fcm = development(tmp_path, FCM_SERVICE_ACCOUNT=account).push.fcm
    assert fcm is not None and fcm["token_uri"] == "https://accounts.example/token"
    assert problems({"APNS_KEY": key, "APNS_TOPIC": "x"}) == ["APNS_KEY_ID", "APNS_TEAM_ID"]


@pytest.mark.parametrize(
    "environ",
    [
        {"APNS_KEY": "nonsense", **APNS},
        {"APNS_KEY": "-----BEGIN PRIVATE KEY-----", **APNS},
        {"APNS_KEY": pem(FCM_KEY), **APNS},
        {"FCM_SERVICE_ACCOUNT": "/nowhere/account.json"},
        {"FCM_SERVICE_ACCOUNT": "{}"},
        {"FCM_SERVICE_ACCOUNT": "{"},
        {"FCM_SERVICE_ACCOUNT": "[1]"},
        {"FCM_API_BASE": "ftp://example.com"},
        {"PUSH_AFTER_SECONDS": "0"},
        {"WEBHOOKS_ALLOW_PRIVATE": "perhaps"},
        {"DIGEST_AFTER_MINUTES": "soon"},
        {"PUBLIC_URL": "example.com"},
    ],
    ids=lambda environ: " ".join(environ)[:40],
)
def test_what_is_no_push_setting_is_named(environ: dict[str, str]) -> None:
    assert problems(environ) == [next(iter(environ))]


@pytest.mark.parametrize("name", ["APNS_API_BASE", "FCM_API_BASE", "PUBLIC_URL"])
def test_production_connects_to_nothing_in_the_clear(name: str) -> None:
    assert problems({**PRODUCTION, name: "http://example.com"}) == [name]


TIDY = {
    **PRODUCTION,
    "MONGO_URL": "mongodb://user:hush@one,two/spotter?replicaSet=rs0",
    "REDIS_URL": "rediss://:hush@cache:6379/0",
    "TRUSTED_PROXIES": "1",
}


def warned(**environ: str) -> list[str]:
    """The names of the settings that are warned of."""
    found = list(warnings_of(load({**TIDY, **environ}, None)))
    assert not any("hush" in why for _, why in found)
    return [name for name, _ in found]


def test_nothing_is_said_of_settings_that_are_in_order(tmp_path: Path) -> None:
    assert warned() == []
    local = {"MONGO_URL": "mongodb://127.0.0.1:27017,localhost:27018/spotter", "REDIS_URL": "redis://[::1]:6379/0"}
    assert warned(**local, SMTP_URL="smtp://localhost:25") == []
    assert warned(MONGO_URL="mongodb+srv://cluster.example/spotter?authMechanism=MONGODB-X509") == []
    # With a password STARTTLS is insisted on.
    assert warned(SMTP_URL="smtp://user:hush@mail.example.com:587") == []
    assert list(warnings_of(development(tmp_path, MONGO_URL="mongodb://elsewhere/spotter"))) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUSTED_PROXIES", "0"),
        ("MONGO_URL", "mongodb://one,two/spotter"),
        ("MONGO_URL", "mongodb://user@one/spotter"),
        ("REDIS_URL", "redis://cache:6379/0"),
        ("REDIS_URL", "redis://cache"),
        ("SMTP_URL", "smtp://mail.example.com"),
        ("OPERATIONS_HOST", "0.0.0.0"),
        ("WEBHOOKS_ALLOW_PRIVATE", "yes"),
        ("OPERATIONS_HOST", "::"),
        ("ALLOWED_ORIGINS", "https://app.example.com,http://app.example.com"),
        ("ALLOWED_ORIGINS", "http://localhost:5173"),
        ("STRIPE_SECRET_KEY", "sk_test_hush"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_new,hush"),
    ],
)
def test_production_warns_of(name: str, value: str) -> None:
    assert warned(**{name: value}) == [name]

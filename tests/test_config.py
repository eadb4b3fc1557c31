"""Settings: defaults, and one line for each invalid value, without the value of a secret."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from api.app import create_app
from api.config import Config, DatabaseConfig, TokenConfig
from api.environment import ConfigError

GOOD = {
    "BETTER_AUTH_SECRET": "x" * 32,
    "NEXT_PUBLIC_BETTER_AUTH_URL": "http://localhost:3000/",
    "DATABASE_URL": "postgresql://u:hunter2@localhost/db",
}


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.mark.usefixtures("env")
def test_three_variables_are_sufficient() -> None:
    config = Config.read()
    assert config.issuer == config.audience == "http://localhost:3000"
    assert (config.access_token_max_age, config.raw_secret_tokens) == (86_400, True)
    assert config.origins == ("http://localhost:3000",)
    assert config.direct_url == GOOD["DATABASE_URL"]


def test_optional_variables_are_read(env: pytest.MonkeyPatch) -> None:
    env.setenv("JWT_ISSUER", "https://issuer.example/")
    env.setenv("JWT_AUDIENCE", "off")
    env.setenv("RAW_SECRET_TOKENS", "0")
    env.setenv("ALLOWED_ORIGINS", "https://a.example:443/, HTTPS://B.example:8443")
    env.setenv("DATABASE_URL_UNPOOLED", "postgres://u@direct/db")
    env.setenv("TRUSTED_PROXIES", "10.1.2.3/8, 192.0.2.1,, fd00::1")
    config = Config.read()
    assert [*map(str, config.trusted_proxies)] == ["10.0.0.0/8", "192.0.2.1/32", "fd00::1/128"]
    assert (config.issuer, config.audience) == ("https://issuer.example/", None)
    assert not config.raw_secret_tokens
    assert config.origins[1:] == ("https://a.example", "https://b.example:8443")
    assert config.direct_url == "postgres://u@direct/db"


def test_key_set_disables_shared_secrets_unless_a_variable_enables_them(
    env: pytest.MonkeyPatch,
) -> None:
    assert Config.read().accepts_shared_secrets
    env.setenv("JWKS_URL", "https://issuer.example/.well-known/jwks.json?tenant=1")
    assert not Config.read().accepts_shared_secrets
    env.setenv("SHARED_SECRET_TOKENS", "1")
    assert Config.read().accepts_shared_secrets


def test_current_secret_comes_before_the_previous_one(env: pytest.MonkeyPatch) -> None:
    assert Config.read().secrets == [GOOD["BETTER_AUTH_SECRET"]]
    env.setenv("BETTER_AUTH_SECRET_PREVIOUS", "y" * 32)
    assert Config.read().secrets == [GOOD["BETTER_AUTH_SECRET"], "y" * 32]
    assert "y" * 32 not in repr(Config.read())


def test_empty_variable_is_like_an_unset_one(env: pytest.MonkeyPatch) -> None:
    env.setenv("JWT_ISSUER", "")
    env.setenv("ACCESS_TOKEN_MAX_AGE", "")
    assert Config.read().issuer == "http://localhost:3000"


def test_environment_overrides_the_env_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JWT_ISSUER=https://file\nACCESS_TOKEN_MAX_AGE=60\n")
    env.setenv("JWT_ISSUER", "https://environment")
    config = Config.read()
    assert (config.issuer, config.access_token_max_age) == ("https://environment", 60)


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_env_file_may_have_a_byte_order_mark_and_any_line_endings(
    env: pytest.MonkeyPatch, tmp_path: Path, mark: str, ending: str
) -> None:
    env.delenv("NEXT_PUBLIC_BETTER_AUTH_URL")
    lines = ["NEXT_PUBLIC_BETTER_AUTH_URL=https://file.example", "JWT_ISSUER='Ä'", ""]
    (tmp_path / ".env").write_bytes(ending.join(lines).encode(mark))
    config = Config.read(tmp_path / ".env")
    assert config.next_public_better_auth_url == "https://file.example"
    assert config.issuer == "Ä"


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_env_file_in_another_encoding_is_an_error_of_one_line(
    tmp_path: Path, encoding: str
) -> None:
    (tmp_path / ".env").write_bytes("JWT_ISSUER='hunter2 Ä'\n".encode(encoding))
    for settings in (Config, DatabaseConfig, TokenConfig):
        with pytest.raises(ConfigError, match=r"\A\.env: expected .* UTF-8, for .*\Z") as told:
            settings.read(tmp_path / ".env")
        assert "hunter2" not in str(told.value)


def test_secret_is_not_trimmed(env: pytest.MonkeyPatch) -> None:
    env.setenv("BETTER_AUTH_SECRET", f" {'x' * 30} ")
    assert Config.read().better_auth_secret.get_secret_value() == f" {'x' * 30} "


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BETTER_AUTH_SECRET", None),
        ("BETTER_AUTH_SECRET", "short-and-secret"),
        ("BETTER_AUTH_SECRET", "é" * 15),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", None),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", "localhost:3000"),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", "http://"),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", "http://localhost:"),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", "http://localhost:99999"),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", "http://bücher.example"),
        ("DATABASE_URL", None),
        ("DATABASE_URL", "mysql://u:hunter2@localhost/db"),
        ("DATABASE_URL", "postgresql://boss:hunter2/x@localhost/db"),
        ("DATABASE_URL", "postgresql://u:p@localhost:port/db"),
        ("DATABASE_URL_UNPOOLED", "u:hunter2@localhost"),
        ("ACCESS_TOKEN_MAX_AGE", "0"),
        ("ACCESS_TOKEN_MAX_AGE", "a day"),
        ("RAW_SECRET_TOKENS", "perhaps"),
        ("BETTER_AUTH_SECRET_PREVIOUS", "short-and-secret"),
        ("BETTER_AUTH_SECRET_PREVIOUS", GOOD["BETTER_AUTH_SECRET"]),
        ("JWKS_URL", "localhost:3000/jwks"),
        ("JWKS_URL", "file:///etc/passwd"),
        ("JWKS_URL", "https:///jwks"),
        ("JWKS_URL", "https://ada:hunter2@issuer.example/jwks"),
        ("JWKS_URL", "https://issuer.example:0/jwks"),
        ("JWKS_URL", "https://issuer.example/jwks#a"),
        ("JWKS_URL", "https://issuer.example/j wks\n"),
        ("SHARED_SECRET_TOKENS", "sometimes"),
        ("JWT_ISSUER", "x" * 256),
        ("API_URL", "http://localhost:8000/graphql"),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", "https://tasks.example.com/app"),
        ("NEXT_PUBLIC_BETTER_AUTH_URL", "https://ada:hunter2@tasks.example.com"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example,*"),
        ("ALLOWED_HEADERS", "*"),
        ("ALLOWED_HEADERS", "x-tenant,"),
        ("ALLOWED_HEADERS", "x-tenant x-other"),
        ("ALLOWED_HEADERS", "x-tenant: 7"),
        ("RATE_LIMIT_PER_SECOND", "-1"),
        ("RATE_LIMIT_PER_SECOND", "0.5"),
        ("RATE_LIMIT_BURST", "0"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ],
)
def test_invalid_value_is_an_error_of_one_line_with_an_example(
    env: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    env.delenv(name, raising=False)
    if value is not None:
        env.setenv(name, value)
    with pytest.raises(ConfigError) as told:
        Config.read()
    [line] = str(told.value).splitlines()
    assert line.startswith(f"{name}: expected ")
    assert ", for example " in line
    assert "hunter2" not in line
    assert "short-and-secret" not in line


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_URL_UNPOOLED"])
def test_error_about_a_database_url_does_not_quote_its_values(
    env: pytest.MonkeyPatch, name: str
) -> None:
    for written, expected in (
        ("postgresql://ada@db.example/t?service=hunter2", "no parameter service"),
        (
            "postgresql://ada:hunter2#@db.example/t",
            "special characters in its parts to be percent-encoded",
        ),
        ("postgresql://ada@db.example/t?sslrootcert=/hunter2", "sslrootcert to be system, or"),
    ):
        env.setenv(name, written)
        with pytest.raises(ConfigError, match=rf"\A{name}: expected {expected}.*\Z") as told:
            Config.read()
        assert "hunter2" not in str(told.value)


@pytest.mark.usefixtures("env")
def test_repr_of_the_config_shows_no_secret() -> None:
    printed = repr(Config.read())
    assert GOOD["BETTER_AUTH_SECRET"] not in printed
    assert "hunter2" not in printed


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "{",
        "{}",
        "[]",
        '["{ viewer { id } }"]',
        '{"sha256:00": "{ viewer { id } }"}',
        '{"sha256:' + sha256(b"{ viewer { id } }").hexdigest() + '": "{ viewer { email } }"}',
        '{"sha256:' + sha256(b"7").hexdigest() + '": 7}',
    ],
)
def test_invalid_manifest_of_trusted_documents_is_an_error(
    env: pytest.MonkeyPatch, tmp_path: Path, written: str | None
) -> None:
    path = tmp_path / "manifest.json"
    if written is not None:
        path.write_text(written)
    env.setenv("TRUSTED_DOCUMENTS", str(path))
    with pytest.raises(ConfigError, match=r"\ATRUSTED_DOCUMENTS: expected .*for example [^\n]*\Z"):
        Config.read()


def test_manifest_for_another_schema_is_an_error(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "{ elsewhere }"
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({f"sha256:{sha256(text.encode()).hexdigest()}": text}))
    env.setenv("TRUSTED_DOCUMENTS", str(path))
    with pytest.raises(ConfigError, match=r"\ATRUSTED_DOCUMENTS: expected [^\n]*elsewhere[^\n]*\Z"):
        create_app(Config.read())


def test_trusted_documents_only_needs_trusted_documents(env: pytest.MonkeyPatch) -> None:
    env.setenv("TRUSTED_DOCUMENTS_ONLY", "1")
    with pytest.raises(ConfigError, match=r"\ATRUSTED_DOCUMENTS_ONLY: expected 1 to run only"):
        Config.read()

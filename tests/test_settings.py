"""settings: the environment is read into one value, or refused with every mistake in it.

That the README names each variable is tested with the documentation; what `--help` prints, with the
command line.
"""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp import settings
from ghapp.errors import ConfigError
from ghapp.secret import Secret

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\n"
APP = {
    "CHECKRAIL_GITHUB_APP_ID": "42",
    "CHECKRAIL_GITHUB_PRIVATE_KEY": PEM,
    "CHECKRAIL_GITHUB_WEBHOOK_SECRET": "current\nformer\n",
}


def mistakes(**variables: str) -> list[str]:
    """What is said of these settings."""
    with pytest.raises(ConfigError) as caught:
        settings.read({f"CHECKRAIL_{name}": value for name, value in variables.items()})
    return list(caught.value.mistakes)


def test_without_settings_there_are_defaults_and_no_github() -> None:
    chosen = settings.read({})
    assert chosen == settings.Settings()
    assert chosen.github is None
    assert (chosen.host, chosen.port, chosen.cluster) == ("0.0.0.0", 8080, "default")


def test_each_setting_has_its_field() -> None:
    chosen = settings.read(
        {
            "CHECKRAIL_STORE": "sqlite:////var/lib/checkrail/checkrail.db",
            "CHECKRAIL_LISTEN": "127.0.0.1:0",
            "CHECKRAIL_CLUSTER": "prod-1",
            "CHECKRAIL_NAMESPACES": "ci, apps,,",
            "CHECKRAIL_CDEVENTS_SINK": "http://broker.example/events",
            "CHECKRAIL_PUBLIC_URL": "https://checkrail.example/base",
            "CHECKRAIL_DASHBOARD_URL": "https://dashboard.example/#/{namespace}/{name}?k={kind}",
            "CHECKRAIL_PROGRESS_INTERVAL": "0.5",
            "CHECKRAIL_LOGS": "off",
            "CHECKRAIL_LOG_LEVEL": "debug",
            "CHECKRAIL_LOG_FORMAT": "text",
        }
    )
    assert chosen.store == "sqlite:////var/lib/checkrail/checkrail.db"
    assert (chosen.host, chosen.port) == ("127.0.0.1", 0)
    assert (chosen.cluster, chosen.namespaces) == ("prod-1", ("ci", "apps"))
    assert chosen.cdevents_sink == "http://broker.example/events"
    assert chosen.public_url == "https://checkrail.example/base"
    assert chosen.dashboard_url.startswith("https://dashboard.example/")
    assert chosen.progress_interval == 0.5
    assert (chosen.log_level, chosen.log_format) == ("debug", "text")
    assert chosen.logs is False


def test_logs_are_shown_unless_it_is_said_that_they_are_not() -> None:
    assert settings.read({}).logs is True
    assert settings.read({"CHECKRAIL_LOGS": "on"}).logs is True
    assert mistakes(LOGS="no") == ["CHECKRAIL_LOGS: 'no' is none of on, off"]


def test_an_address_may_be_one_of_ipv6() -> None:
    chosen = settings.read({"CHECKRAIL_LISTEN": "[::1]:8080"})
    assert (chosen.host, chosen.port) == ("::1", 8080)


def test_a_github_app_is_read_with_all_its_webhook_secrets() -> None:
    github = settings.read(APP).github
    assert github is not None
    assert github.app_id == "42"
    assert github.api_url == "https://api.github.com"
    assert github.private_key.reveal() == PEM.strip()
    assert github.webhook_secrets == (Secret("current"), Secret("former"))


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(PEM)
    (tmp_path / "secret").write_text("current\n")
    github = settings.read(
        {
            "CHECKRAIL_GITHUB_APP_ID": "Iv23liABC",
            "CHECKRAIL_GITHUB_PRIVATE_KEY_FILE": str(tmp_path / "key.pem"),
            "CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE": str(tmp_path / "secret"),
            "CHECKRAIL_GITHUB_API_URL": "https://ghe.example/api/v3/",
        }
    ).github
    assert github is not None
    assert github.private_key.reveal() == PEM.strip()
    assert github.webhook_secrets == (Secret("current"),)
    assert github.api_url == "https://ghe.example/api/v3"


def test_nothing_prints_a_secret() -> None:
    shown = repr(settings.read(APP))
    assert "MIIEow" not in shown
    assert "current" not in shown


def test_every_mistake_is_said_at_once() -> None:
    found = mistakes(
        LISTEN="localhost", CLUSTER="a b", LOG_LEVEL="loud", STORE="db", SINK="x", GITHUB_APP_ID="1"
    )
    said = "\n".join(found)
    for name in ("LISTEN", "CLUSTER", "LOG_LEVEL", "STORE", "SINK"):
        assert f"CHECKRAIL_{name}: " in said
    assert "CHECKRAIL_GITHUB_PRIVATE_KEY: is missing" in said
    assert "CHECKRAIL_GITHUB_WEBHOOK_SECRET: is missing" in said
    assert len(found) == 7


def test_a_misspelled_setting_is_refused_with_what_was_meant() -> None:
    (line,) = mistakes(CLUSTR="prod")
    assert line == "CHECKRAIL_CLUSTR: unknown setting; did you mean CHECKRAIL_CLUSTER?"


def test_what_kubernetes_injects_beside_a_service_of_our_name_is_left_alone() -> None:
    names = ("PORT", "SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_80_TCP_ADDR")
    settings.read({f"CHECKRAIL_{name}": "tcp://10.0.0.1:80" for name in names})


def test_other_programs_variables_are_left_alone() -> None:
    settings.read({"HOME": "/root", "KUBECONFIG": "/x", "CHECKRAIL_TEST_KUBE_URL": "http://x"})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LISTEN", "localhost", "is not HOST:PORT"),
        ("LISTEN", "localhost:99999", "is not HOST:PORT"),
        ("LISTEN", "localhost:http", "is not HOST:PORT"),
        ("LISTEN", "8080", "is not HOST:PORT"),
        ("LISTEN", "x:²", "is not HOST:PORT"),
        ("LISTEN", "a b:80", "is not HOST:PORT"),
        ("NAMESPACES", "ci,A_b/..", "'A_b/..' is not the name of a namespace"),
        ("CDEVENTS_SINK", "https://[", "is not an http or https URL"),
        ("CDEVENTS_SINK", "https://broker:99999999", "is not an http or https URL"),
        ("CDEVENTS_SINK", "https://bro ker/", "is not an http or https URL"),
        ("DASHBOARD_URL", "https://[{name}", "is not an http or https URL"),
        ("DASHBOARD_URL", "https://d/{name!x}", "name in braces and nothing else"),
        ("DASHBOARD_URL", "https://d/{name:99999999999}", "name in braces and nothing else"),
        ("CONFIG", "/" + "x" * 5_000, "File name too long"),
        ("STORE", "foo://", "is not a URL"),
        ("CLUSTER", "x" * 41, "at most 40"),
        ("PUBLIC_URL", "checkrail.example", "is not an http or https URL"),
        ("PUBLIC_URL", "https://checkrail.example/?x=1", "must have no query and no fragment"),
        ("PUBLIC_URL", "https://u:p@checkrail.example", "must not carry credentials"),
        ("CDEVENTS_SINK", "broker", "is not an http or https URL"),
        ("CDEVENTS_SINK", "ftp://broker", "is not an http or https URL"),
        ("CDEVENTS_SINK", "https://u:p@broker", "must not carry credentials"),
        ("GITHUB_API_URL", "api.github.com", "is not an http or https URL"),
        ("DASHBOARD_URL", "https://d/{pod}", "{pod} is unknown; there are cluster, kind"),
        ("DASHBOARD_URL", "https://d/{", "is not a template"),
        ("DASHBOARD_URL", "{namespace}", "is not an http or https URL"),
        ("PROGRESS_INTERVAL", "soon", "is not a number of seconds"),
        ("PROGRESS_INTERVAL", "-1", "is not a number of seconds"),
        ("PROGRESS_INTERVAL", "nan", "is not a number of seconds"),
        ("LOG_LEVEL", "loud", "is none of debug, info"),
        ("LOG_FORMAT", "xml", "is none of json, text"),
        ("STORE", "checkrail.db", "is not a URL"),
        ("CONFIG", "/no/such/folder", "does not exist"),
        ("GITHUB_PRIVATE_KEY_FILE", "/no/such/key.pem", "is not readable by uid"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_right(name: str, value: str, said: str) -> None:
    found = [line for line in mistakes(**{name: value}) if line.startswith(f"CHECKRAIL_{name}: ")]
    assert len(found) == 1
    assert said in found[0]


def test_an_empty_file_of_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    found = mistakes(GITHUB_WEBHOOK_SECRET_FILE=str(tmp_path / "secret"))
    assert any("secret is empty" in line for line in found)


def test_a_file_and_a_value_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("one")
    path = str(tmp_path / "secret")
    found = mistakes(GITHUB_WEBHOOK_SECRET_FILE=path, GITHUB_WEBHOOK_SECRET="two")
    assert any("not both" in line for line in found)


def test_a_key_that_is_no_key_is_refused_without_being_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        settings.read(APP | {"CHECKRAIL_GITHUB_PRIVATE_KEY": "hunter2"})
    assert "is not a PEM private key" in str(caught.value)
    assert "hunter2" not in str(caught.value)


names = st.sampled_from([variable.name for variable in settings.VARIABLES])
# No environment can hold a NUL.
values = st.text(st.characters(exclude_characters="\0"), max_size=20)


@given(environ=st.dictionaries(names, values, max_size=5))
def test_any_environment_is_settings_or_mistakes(environ: dict[str, str]) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(settings.read(environ), settings.Settings)


def test_each_variable_is_described_once() -> None:
    found = [variable.name for variable in settings.VARIABLES]
    assert len(found) == len(set(found))
    assert all(variable.meaning for variable in settings.VARIABLES)


GITHUB_PROXY = {**APP, "HTTPS_PROXY": "http://us:pass@proxy.example:3128"}


@pytest.mark.parametrize(
    ("changes", "used"),
    [
        ({}, True),
        ({"NO_PROXY": "api.github.com"}, False),
        ({"CHECKRAIL_GITHUB_API_URL": "http://127.0.0.1:8080/github"}, False),
    ],
)
def test_github_is_reached_by_the_proxy_of_the_environment(
    changes: dict[str, str], used: bool
) -> None:
    chosen = settings.read({**GITHUB_PROXY, **changes}).github
    assert chosen is not None
    assert (chosen.proxy == Secret("http://us:pass@proxy.example:3128")) is used
    assert "pass@" not in repr(chosen)


@pytest.mark.parametrize("proxy", ["socks5://us:pass@proxy.example", "http://", "http://a b"])
def test_a_proxy_that_is_none_is_a_mistake_without_its_password(proxy: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY: not an http or https URL") as caught:
        settings.read({**APP, "HTTPS_PROXY": proxy})
    assert "pass" not in str(caught.value).replace("proxy", "")

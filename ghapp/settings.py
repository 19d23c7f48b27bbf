"""The environment, read once into one frozen value; all mistakes are reported together.

A variable that starts with ``CHECKRAIL_`` and is not in `VARIABLES` is a mistake: a misspelled
setting must not be silently without effect.
"""

import os
import re
import ssl
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ghapp import kubeconfigs
from ghapp.core import selector
from ghapp.core.proxy import proxy_for
from ghapp.errors import ConfigError
from ghapp.secret import Secret

PREFIX: Final = "CHECKRAIL_"


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: what `--help` and the README say of it."""

    name: str
    meaning: str
    default: str = ""


VARIABLES: Final = (
    Variable("CHECKRAIL_CONFIG", "a YAML file, or a folder of them, with documents"),
    Variable("CHECKRAIL_STORE", "where state is kept", "sqlite:///checkrail.db"),
    Variable("CHECKRAIL_LISTEN", "address and port of the web server", "0.0.0.0:8080"),
    Variable(
        "CHECKRAIL_CLUSTER", "this cluster's name in check names and event sources", "default"
    ),
    Variable(
        "CHECKRAIL_CLUSTERS",
        "a folder with a kubeconfig for each further cluster to watch: `NAME/value`, "
        "`NAME/kubeconfig` (mounted Secrets) or `NAME.kubeconfig`",
    ),
    Variable(
        "CHECKRAIL_SECRETS_NAMESPACE",
        "namespace of the Secrets that ClusterProviders refer to",
        "the one that checkrail runs in, else `checkrail`",
    ),
    Variable("CHECKRAIL_NAMESPACES", "comma list of namespaces to watch; empty: all"),
    Variable(
        "CHECKRAIL_SELECTOR",
        "label selector of the runs and releases to watch, such as `team=shop`; empty: all",
    ),
    Variable(
        "CHECKRAIL_GITHUB_API_URL",
        "GitHub's REST API; `https://HOST/api/v3` for Enterprise Server",
        "https://api.github.com",
    ),
    Variable("CHECKRAIL_GITHUB_APP_ID", "the App's id or client id; without it no checks are made"),
    Variable(
        "CHECKRAIL_GITHUB_PRIVATE_KEY_FILE",
        "PEM file with the App's private key; read again when it changes, as are the other secrets",
    ),
    Variable("CHECKRAIL_GITHUB_PRIVATE_KEY", "the PEM itself, instead of the file"),
    Variable(
        "CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE",
        "file with one webhook secret a line, the first is current",
    ),
    Variable("CHECKRAIL_GITHUB_WEBHOOK_SECRET", "the secret itself, instead of the file"),
    Variable(
        "CHECKRAIL_GITHUB_CA_FILE",
        "PEM file with the CA certificates of an Enterprise Server; trusted beside the system's",
    ),
    Variable(
        "CHECKRAIL_FLUX_SECRET_FILE",
        "file with secrets, one a line, of who may post events of clusters that are not watched",
    ),
    Variable("CHECKRAIL_FLUX_SECRET", "the secret itself, instead of the file"),
    Variable("CHECKRAIL_CDEVENTS_SINK", "URL that CDEvents are posted to; empty: none are sent"),
    Variable(
        "CHECKRAIL_PUBLIC_URL",
        "where GitHub and people reach this server, such as `https://checkrail.example.com`; with "
        "it, checks of runs that are over have a picture of when each step ran",
    ),
    Variable(
        "CHECKRAIL_DASHBOARD_URL",
        "template of a run's page: {cluster} {namespace} {name} {kind} {plural} {uid}",
    ),
    Variable("CHECKRAIL_PROGRESS_INTERVAL", "seconds between two updates of a running check", "30"),
    Variable(
        "CHECKRAIL_LOGS",
        "on: a failed run's check shows its masked log; off: no pod, log or Secret is ever read",
        "on",
    ),
    Variable("CHECKRAIL_LOG_LEVEL", "debug, info, warning or error", "info"),
    Variable("CHECKRAIL_LOG_FORMAT", "json or text", "json; text on a terminal"),
    Variable(
        "HTTPS_PROXY",
        "proxy to GitHub, `http://[USER:PASSWORD@]HOST:PORT`; nothing else goes by it "
        "(`HTTP_PROXY` where GitHub's address begins with http:)",
    ),
    Variable(
        "NO_PROXY", "comma list of names, addresses and networks that are reached without the proxy"
    ),
    Variable("KUBECONFIG", "as kubectl reads it; in a cluster the service account is used"),
)

DASHBOARD_FIELDS: Final = frozenset({"cluster", "namespace", "name", "kind", "plural", "uid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubSettings:
    """A GitHub App and where it lives."""

    api_url: str
    app_id: str
    private_key: Secret
    webhook_secrets: tuple[Secret, ...]
    ca: str = ""
    """Certificates in PEM that are trusted beside the system's."""
    proxy: Secret | None = None
    """A URL, perhaps with a password in it."""
    private_key_file: Path | None = None
    webhook_secret_file: Path | None = None
    """Where they were read from, and are read again when they change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a GitHub is reached: as `GitHubSettings` has it, without an App."""

    ca: str
    proxy: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided."""

    config: Path | None = None
    store: str = "sqlite:///checkrail.db"
    host: str = "0.0.0.0"  # noqa: S104 - a container has to be reachable; the demo binds loopback
    port: int = 8080
    cluster: str = "default"
    clusters: Path | None = None
    """Where the kubeconfigs of further clusters are mounted; looked at again each half minute."""
    secrets_namespace: str = "checkrail"
    """Of the Secrets that ClusterProviders refer to."""
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    """Of the sources' own objects; what belongs to a selected run need not be selected."""
    github: GitHubSettings | None = None
    github_url: str = "https://api.github.com"
    """API of the environment's GitHub, and..."""
    github_ca: str = ""
    """...whom to trust there, which count without an App, too."""
    flux_secrets: tuple[Secret, ...] = ()
    """Of posted events, Flux' and Tekton's; without any, nothing may be posted."""
    flux_secret_file: Path | None = None
    cdevents_sink: str = ""
    dashboard_url: str = ""
    public_url: str = ""
    progress_interval: float = 30.0
    """Seconds. GitHub allows 500 content writes an hour; a check nobody looks at needs few."""
    logs: bool = True
    """Whether pods, their logs and their Secrets are read; `checkrail rbac --without-logs`."""
    log_level: str = "info"
    log_format: str = ""
    """Empty: text on a terminal, else json."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment it was read from: the Kubernetes client finds its credentials there."""


class _Reader:
    """Collects mistakes instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.mistakes: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self.environ.get(PREFIX + name, "").strip() or default

    def wrong(self, name: str, problem: str) -> None:
        self.mistakes.append(f"{PREFIX}{name}: {problem}")

    def checked(self, name: str, default: str, check: Callable[[str], str | None]) -> str:
        value = self.text(name, default)
        problem = check(value) if value else None
        if problem:
            self.wrong(name, problem)
        return value

    def secret(self, name: str) -> str:
        """The content of ``NAME_FILE``, or of ``NAME``; a value is never part of a message."""
        path, inline = self.text(f"{name}_FILE"), self.text(name)
        if path and inline:
            self.wrong(name, f"set this or {PREFIX}{name}_FILE, not both")
        return self.content(f"{name}_FILE", path) if path else inline

    def secrets(self, name: str) -> tuple[Secret, ...]:
        """The secrets in ``NAME_FILE`` or ``NAME``, one a line."""
        return secret_lines(self.secret(name))

    def path(self, name: str) -> Path | None:
        """The file that ``NAME_FILE`` names."""
        path = self.text(f"{name}_FILE")
        return Path(path) if path else None

    def content(self, name: str, path: str) -> str:
        """What is in a file; empty where that is a mistake."""
        try:
            content = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            who = f"by uid {os.getuid()}"
            self.wrong(name, f"{path} is not readable {who} ({error.strerror}); mount it 0440")
            return ""
        except UnicodeDecodeError:
            self.wrong(name, f"{path} is not a text file")
            return ""
        if not content:
            self.wrong(name, f"{path} is empty")
        return content


def secret_lines(content: str) -> tuple[Secret, ...]:
    """One secret a line; the first is current."""
    lines = (line.strip() for line in content.splitlines())
    return tuple(Secret(line) for line in lines if line)


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; raises ConfigError with every mistake in it."""
    reader = _Reader(environ)
    _refuse_unknown(reader)
    host, port = _listen(reader)
    api_url = reader.checked("GITHUB_API_URL", "https://api.github.com", _url).rstrip("/")
    ca = _ca(reader)
    config = reader.checked("CONFIG", "", _existing)
    settings = Settings(
        config=Path(config) if config else None,
        store=reader.checked("STORE", "sqlite:///checkrail.db", _store),
        host=host,
        port=port,
        cluster=reader.checked("CLUSTER", "default", kubeconfigs.wrong_name),
        clusters=_clusters(reader),
        secrets_namespace=_secrets_namespace(reader),
        namespaces=_namespaces(reader),
        selector=reader.checked("SELECTOR", "", selector.problem),
        github=_github(reader, api_url, ca),
        github_url=api_url,
        github_ca=ca,
        flux_secrets=reader.secrets("FLUX_SECRET"),
        flux_secret_file=reader.path("FLUX_SECRET"),
        cdevents_sink=reader.checked("CDEVENTS_SINK", "", _url),
        dashboard_url=reader.checked("DASHBOARD_URL", "", _template),
        public_url=reader.checked("PUBLIC_URL", "", _base),
        progress_interval=_seconds(reader, "PROGRESS_INTERVAL", 30.0),
        logs=reader.checked("LOGS", "on", _one_of("on", "off")) != "off",
        log_level=reader.checked("LOG_LEVEL", "info", _one_of("debug", "info", "warning", "error")),
        log_format=reader.checked("LOG_FORMAT", "", _one_of("json", "text")),
        environ=environ,
    )
    if reader.mistakes:
        raise ConfigError(*reader.mistakes)
    return settings


def way(api_url: str, environ: Mapping[str, str]) -> Way:
    """How the GitHub with this API is reached; no other setting counts. Raises ConfigError."""
    reader = _Reader(environ)
    found = Way(ca=_ca(reader), proxy=_proxy(reader, api_url))
    if reader.mistakes:
        raise ConfigError(*reader.mistakes)
    return found


def _refuse_unknown(reader: _Reader) -> None:
    known = {variable.name for variable in VARIABLES}
    for name in sorted(reader.environ):
        if not name.startswith(PREFIX) or name in known or _NOT_OURS.match(name):
            continue
        ours = {known_name.removeprefix(PREFIX): known_name for known_name in known}
        near = get_close_matches(name.removeprefix(PREFIX), ours, n=1)
        hint = f"; did you mean {ours[near[0]]}?" if near else ""
        reader.mistakes.append(f"{name}: unknown setting{hint}")


_NOT_OURS: Final = re.compile(r"CHECKRAIL_(TEST_|SERVICE_|PORT$|PORT_\d+_)")
"""The tests have variables of their own, and Kubernetes injects CHECKRAIL_PORT and the like into
every pod beside a Service named checkrail."""


def _listen(reader: _Reader) -> tuple[str, int]:
    value = reader.text("LISTEN", "0.0.0.0:8080")
    host, _, port = value.rpartition(":")
    if not _is_port(port) or not _HOST.fullmatch(host):
        reader.wrong("LISTEN", f"{value!r} is not HOST:PORT, such as 0.0.0.0:8080")
        return "", 0
    return host.strip("[]"), int(port)


_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65_535


def _github(reader: _Reader, api_url: str, ca: str) -> GitHubSettings | None:
    app_id = reader.text("GITHUB_APP_ID")
    key = reader.secret("GITHUB_PRIVATE_KEY")
    secrets = reader.secrets("GITHUB_WEBHOOK_SECRET")
    proxy = _proxy(reader, api_url)
    given = {"APP_ID": app_id, "PRIVATE_KEY": key, "WEBHOOK_SECRET": secrets}
    if not any(given.values()):
        return None
    for name in (name for name, value in given.items() if not value):
        reader.wrong(f"GITHUB_{name}", "is missing; a GitHub App needs id, key and webhook secret")
    if key and "PRIVATE KEY-----" not in key:
        reader.wrong("GITHUB_PRIVATE_KEY", "is not a PEM private key (-----BEGIN ... PRIVATE KEY)")
    return GitHubSettings(
        api_url=api_url,
        app_id=app_id,
        private_key=Secret(key),
        webhook_secrets=secrets,
        private_key_file=reader.path("GITHUB_PRIVATE_KEY"),
        webhook_secret_file=reader.path("GITHUB_WEBHOOK_SECRET"),
        ca=ca,
        proxy=proxy,
    )


def _ca(reader: _Reader) -> str:
    path = reader.text("GITHUB_CA_FILE")
    content = reader.content("GITHUB_CA_FILE", path) if path else ""
    try:
        if content:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content)
    except (ssl.SSLError, ValueError) as error:
        what = getattr(error, "reason", None) or error
        reader.wrong("GITHUB_CA_FILE", f"{path} has no CA certificates in PEM in it ({what})")
    return content


def _proxy(reader: _Reader, api_url: str) -> Secret | None:
    """Named without its value where it is wrong: there may be a password in it."""
    if _url(api_url) is not None:
        return None
    proxy = proxy_for(api_url, reader.environ)
    name = f"{urlsplit(api_url).scheme.upper()}_PROXY"
    if proxy and not _is_http(proxy):
        reader.mistakes.append(f"{name}: not an http or https URL of a proxy")
    return Secret(proxy) if proxy else None


def _seconds(reader: _Reader, name: str, default: float) -> float:
    value = reader.text(name)
    try:
        seconds = float(value) if value else default
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3_600:
        reader.wrong(name, f"{value!r} is not a number of seconds between 0 and 3600")
        return default
    return seconds


def _url(value: str) -> str | None:
    if not _is_http(value):
        return f"{value!r} is not an http or https URL"
    parts = urlsplit(value)
    if parts.username or parts.password:
        return "must not carry credentials in the URL"
    return None


def _base(value: str) -> str | None:
    """An address that paths can be added to."""
    if "?" in value or "#" in value:
        return f"{value!r} must have no query and no fragment"
    return _url(value)


def _is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:  # a port that is none, or an address with half a bracket
        return False
    spaced = any(character.isspace() for character in value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0 and not spaced


def _existing(value: str) -> str | None:
    try:
        return None if Path(value).exists() else f"{value} does not exist"
    except (OSError, ValueError) as error:
        return f"{value[:100]}: {error}"


def _namespaces(reader: _Reader) -> tuple[str, ...]:
    names = tuple(name.strip() for name in reader.text("NAMESPACES").split(",") if name.strip())
    for name in names:
        if not _DNS_LABEL.fullmatch(name):
            reader.wrong("NAMESPACES", f"{name!r} is not the name of a namespace")
    return names


OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _secrets_namespace(reader: _Reader) -> str:
    value = reader.text("SECRETS_NAMESPACE") or _own_namespace()
    if not _DNS_LABEL.fullmatch(value):
        reader.wrong("SECRETS_NAMESPACE", f"{value!r} is not the name of a namespace")
    return value


def _own_namespace() -> str:
    try:
        return OWN_NAMESPACE.read_text(encoding="utf-8").strip() or "checkrail"
    except (OSError, UnicodeDecodeError):
        return "checkrail"


_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _store(value: str) -> str | None:
    if not value.partition("://")[2]:
        return f"{value!r} is not a URL, such as sqlite:////var/lib/checkrail/checkrail.db"
    return None


def _clusters(reader: _Reader) -> Path | None:
    """The folder; a cluster that is down is no mistake, one that cannot be told from others is."""
    value = reader.text("CLUSTERS")
    if not value:
        return None
    try:
        found = kubeconfigs.find(Path(value), home=reader.text("CLUSTER", "default"))
    except (OSError, ValueError) as error:
        reader.wrong("CLUSTERS", f"{value[:100]} is not a folder that can be read: {error}")
        return None
    for mistake in found.mistakes:
        reader.wrong("CLUSTERS", mistake)
    return Path(value)


def _template(value: str) -> str | None:
    try:
        parts = [part for part in string.Formatter().parse(value) if part[1] is not None]
    except ValueError as error:
        return f"{value!r} is not a template: {error}"
    if any(spec or conversion for _, _, spec, conversion in parts):
        return f"{value!r}: a field is a name in braces and nothing else"
    unknown = {str(field) for _, field, _, _ in parts} - DASHBOARD_FIELDS
    if unknown:
        known = ", ".join(sorted(DASHBOARD_FIELDS))
        return f"{{{min(unknown)}}} is unknown; there are {known}"
    return _url(value.format_map(dict.fromkeys(DASHBOARD_FIELDS, "x")))


def _one_of(*words: str) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        return None if value in words else f"{value!r} is none of {', '.join(words)}"

    return check

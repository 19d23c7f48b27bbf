"""Which App to register, and the manifest that asks GitHub for it. Pure: no network, no files."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ghapp import app_manifest, discovery
from ghapp.errors import ConfigError
from ghapp.github.hosts import GITHUB, api_of, host_of, is_githubs

GITHUB_URL: Final = f"https://{GITHUB}"
WEBHOOK_PATH: Final = "/github/webhook"
NAME_LIMIT: Final = 34
"""Characters; GitHub's."""
_LOGIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An App that does not exist yet."""

    github: str
    """Where GitHub's pages are, without a slash at the end."""
    api_url: str
    organization: str
    """Empty: the App belongs to whoever clicks."""
    name: str
    webhook_url: str
    """Empty: not known yet; the page asks for it."""
    public: bool

    @property
    def owner(self) -> str:
        """For people."""
        return self.organization or "your personal account"

    @property
    def settings_url(self) -> str:
        """Where the owner's Apps are."""
        part = f"/organizations/{quote(self.organization)}" if self.organization else ""
        return f"{self.github}{part}/settings/apps"

    @property
    def has_queues(self) -> bool:
        """Whether it is a GitHub of GitHub's own: those have merge queues."""
        return is_githubs(self.api_url)

    def manifest(self, redirect_url: str) -> dict[str, Any]:
        """What GitHub is asked for."""
        manifest = app_manifest.manifest(discovery.sinks(), queues=self.has_queues)
        asked = json.loads(json.dumps(manifest))
        parts = urlsplit(self.webhook_url)
        return {
            **asked,
            "name": self.name,
            "url": f"{parts.scheme}://{parts.netloc}",
            "hook_attributes": {"url": self.webhook_url, "active": True},
            "redirect_url": redirect_url,
            "public": self.public,
        }


def wish(
    *,
    github: str,
    api_url: str,
    organization: str,
    name: str,
    webhook_url: str,
    public: bool,
) -> Wish:
    """What was asked for, checked; an empty text is what follows from the others.

    Raises ConfigError with all mistakes.
    """
    urls = {"--github": github, "--api-url": api_url, "--webhook-url": webhook_url}
    problems = {option: url_problem(url) for option, url in urls.items() if url}
    mistakes = [f"{option}: {problem}" for option, problem in problems.items() if problem]
    if organization and not _LOGIN.fullmatch(organization):
        mistakes.append(f"--organization: {organization!r} is not the login of an organisation")
    name = name or f"checkrail-{organization}"[:NAME_LIMIT].rstrip("-")
    if len(name) > NAME_LIMIT:
        mistakes.append(f"--name: {name!r} has more than {NAME_LIMIT} characters")
    if not mistakes and (problem := webhook_problem(github, webhook_url)):
        mistakes.append(f"--webhook-url: {problem}")
    if mistakes:
        raise ConfigError(*mistakes)
    return Wish(
        github=github.rstrip("/"),
        api_url=(api_url or api_of(github)).rstrip("/"),
        organization=organization,
        name=name,
        webhook_url=whole_webhook(webhook_url),
        public=public,
    )


def whole_webhook(url: str) -> str:
    """An address of checkrail's, with the path of the endpoint where none is given."""
    return url.rstrip("/") + WEBHOOK_PATH if url and urlsplit(url).path in {"", "/"} else url


def webhook_problem(github: str, url: str) -> str:
    """Why GitHub would not take this address; empty where it would."""
    if not url:
        return ""
    if problem := url_problem(url):
        return problem
    if host_of(api_of(github)) == GITHUB and urlsplit(url).hostname in _LOOPBACK:
        return f"{url} cannot be reached from github.com; give the public address of checkrail"
    return ""


def url_problem(url: str) -> str:
    """Why this is no address; empty where it is one."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    odd = any(character.isspace() or not character.isprintable() for character in url)
    if not whole or odd or len(url) > 500:
        return f"{url[:100]!r} is not an http or https URL"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "give it without credentials, query and fragment"
    return ""

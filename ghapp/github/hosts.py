"""Which host's repositories an API serves. One client serves one host."""

from typing import Final
from urllib.parse import urlsplit

GITHUB: Final = "github.com"
_DATA_RESIDENCY: Final = ".ghe.com"


def host_of(api_url: str) -> str | None:
    """The host of the repositories behind this API, or None for any.

    ``https://api.github.com`` serves github.com, ``https://api.SUBDOMAIN.ghe.com`` serves
    SUBDOMAIN.ghe.com (data residency), ``https://HOST/api/v3`` serves HOST (Enterprise Server).
    Any other address is a stand-in or a proxy, which cannot be told by its name: it is asked
    about every repository, whatever host that names.
    """
    parts = urlsplit(api_url)
    host = (parts.hostname or "").lower()
    if host == f"api.{GITHUB}":
        return GITHUB
    if host.startswith("api.") and host.endswith(_DATA_RESIDENCY):
        return host.removeprefix("api.")
    return host if host and parts.path.rstrip("/") == "/api/v3" else None


def api_of(web_url: str) -> str:
    """The API of the GitHub whose pages are at `web_url`: the other way round."""
    parts = urlsplit(web_url)
    host = (parts.hostname or "").lower()
    if host == GITHUB or host.endswith(_DATA_RESIDENCY):
        return f"https://api.{host}"
    return f"{web_url.rstrip('/')}/api/v3"


def keeps_published_limits(api_url: str) -> bool:
    """Whether GitHub's published secondary limits hold there: on GitHub's own hosts only.

    "Rate limits are disabled by default for GitHub Enterprise Server":
    https://docs.github.com/en/enterprise-server@3.19/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    return is_githubs(api_url)


def is_githubs(api_url: str) -> bool:
    """Whether GitHub itself keeps it, and it always is of the newest version."""
    host = host_of(api_url)
    return host is not None and (host == GITHUB or host.endswith(_DATA_RESIDENCY))

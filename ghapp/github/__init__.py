"""GitHub as an App sees it: who we are, which installation, how much we may ask, what it answered.

The only package that knows gidgethub. `client.GitHubClient` is the port `ghapp.ports.GitHub`.
"""

from ghapp.github.client import GitHubClient
from ghapp.github.hosts import host_of

__all__ = ["GitHubClient", "host_of"]

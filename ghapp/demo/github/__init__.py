"""A stand-in for GitHub with a memory: REST, Apps, webhooks, checks and pull requests.

It keeps the real limits and can be told to misbehave. The demo embeds it and the tests use it; it
is not a git server, and knows no Actions, issues (beside pull requests) or releases.
"""

from .faults import Fault, Faults, Kind
from .github import GitHub
from .limits import GITHUB_COM, OFF, RELAXED, Limits
from .model import Account, App, CheckRun, CheckSuite, Installation, Pull, Repository
from .notices import Notice
from .webhooks import Delivery

__all__ = [
    "GITHUB_COM",
    "OFF",
    "RELAXED",
    "Account",
    "App",
    "CheckRun",
    "CheckSuite",
    "Delivery",
    "Fault",
    "Faults",
    "GitHub",
    "Installation",
    "Kind",
    "Limits",
    "Notice",
    "Pull",
    "Repository",
]

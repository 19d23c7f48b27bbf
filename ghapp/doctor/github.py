"""The doctor at GitHub: the App, what it may, where it is installed, its webhooks, the clock.

Permissions and events are compared with what the code (`app_manifest`) and the declared Providers
(`needs`) ask for, and everything that a person has to click comes with the link to it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from ghapp import app_manifest
from ghapp.doctor.finding import Finding
from ghapp.doctor.needs import Need, Needs
from ghapp.errors import CheckrailError
from ghapp.github import GitHubClient
from ghapp.github.hosts import is_githubs

ABOUT: Final = "GitHub"
SKEW: Final = 30.0
"""Seconds that a clock may be wrong."""
LAST: Final = 20
"""Deliveries that are looked at."""
RECENT: Final = 5
"""If the newest so many arrived, what failed before is mended."""
SHOWN: Final = 10
"""Installations that are named."""
_LEVELS: Final = ("none", "read", "write", "admin")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """An App, and what it should be able to do."""

    github: GitHubClient
    api_url: str
    needs: Needs
    hears: bool = True
    """Whether its webhooks count."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person or an organisation; an enterprise has a slug only."""

    login: str = ""
    slug: str = ""
    type: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return self.login or self.slug


class App(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of ``GET /app``."""

    id: int
    name: str
    slug: str = ""
    html_url: str = ""
    owner: Account | None = None
    permissions: dict[str, str] = {}
    events: list[str] = []

    @property
    def settings(self) -> str:
        """The page of its permissions and events, for its owner."""
        root = self.html_url.removesuffix(f"/{self.slug}").removesuffix("/apps")
        root = root.removesuffix("/github-apps")  # on Enterprise Server
        owner = self.owner or Account()
        inside = f"/organizations/{owner.login}" if owner.type == "Organization" else ""
        return f"{root}{inside}/settings/apps/{self.slug}"


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of one in ``GET /app/installations``."""

    id: int
    html_url: str = ""
    account: Account | None = None
    permissions: dict[str, str] = {}
    suspended_at: str | None = None

    @property
    def name(self) -> str:
        """Whose it is."""
        return (self.account.name if self.account else "") or f"installation {self.id}"


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """``GET /app/hook/config``; the secret is shown as asterisks."""

    url: str = ""
    secret: str = ""
    insecure_ssl: str | float = "0"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One of ``GET /app/hook/deliveries``."""

    delivered_at: datetime
    status: str
    status_code: int = 0
    event: str = ""

    @property
    def arrived(self) -> bool:
        """Whether we answered with 2xx."""
        return self.status == "OK"


# --- the App ------------------------------------------------------------------------------------


async def app(patient: Patient) -> Sequence[Finding]:
    """Who we are there, and what the App may do and hears."""
    about = await _about(patient)
    owner = f" of {about.owner.name}" if about.owner else ""
    known = Finding(ABOUT, f"the App {about.name} (id {about.id}){owner} is known")
    found = [known, _permissions(about, patient.needs)]
    return [*found, _events(about), *queue(about, patient.api_url)] if patient.hears else found


def _permissions(about: App, needs: Needs) -> Finding:
    missing = _missing(about.permissions, needs)
    if not missing:
        return Finding(ABOUT, "the App asks for the permissions it needs")
    return Finding(
        ABOUT,
        f"the App lacks {', '.join(missing)}",
        f"add them at {about.settings}/permissions; then each installation has to accept them",
    )


def _events(about: App) -> Finding:
    missing = sorted(app_manifest.EVENTS.keys() - set(about.events))
    if not missing:
        return Finding(ABOUT, "the App hears the events it needs")
    return Finding(
        ABOUT,
        f"the App does not hear of {', '.join(missing)}",
        f"subscribe to them at {about.settings}/permissions",
    )


def queue(about: App, api_url: str) -> Iterable[Finding]:
    """What only those miss who have a merge queue: no illness. Enterprise Server has none."""
    if not is_githubs(api_url):
        return
    needs = {name: Need(level=level) for name, level in map(_parted, app_manifest.QUEUE)}
    missing = _missing(about.permissions, needs)
    missing += [
        f"the event {event}" for event in app_manifest.QUEUE_EVENTS if event not in about.events
    ]
    if missing:
        text = f"the App lacks {' and '.join(missing)}: needed only where there is a merge queue"
        yield Finding(ABOUT, f"{text}; add them at {about.settings}/permissions")


def _parted(permission: str) -> tuple[str, str]:
    name, _, level = permission.partition(":")
    return name, level


def _missing(granted: Mapping[str, str], needs: Needs) -> list[str]:
    """What is needed and not granted, or at a lower level."""
    return [
        f"{name}: {need.level}" + (f" (for {' and '.join(need.of)})" if need.of else "")
        for name, need in needs.items()
        if _rank(granted.get(name, "none")) < _rank(need.level)
    ]


def _rank(level: str) -> int:
    """A level that we do not know is no level."""
    return _LEVELS.index(level) if level in _LEVELS else 0


# --- its installations --------------------------------------------------------------------------


async def installations(patient: Patient) -> Sequence[Finding]:
    """Where it is installed, and whether it may do there what it asks for."""
    about = await _about(patient)
    pages = patient.github.pages("/app/installations", repository=None)
    found = [_read(each, Installation) async for each in pages]
    if not found:
        mend = f"install it: {about.html_url}/installations/new"
        return [Finding(ABOUT, "the App is installed nowhere", mend)]
    names = sorted(each.name for each in found)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    ill = [finding for each in found for finding in _installation(each, about, patient.needs)]
    return [Finding(ABOUT, f"installed on {', '.join(names[:SHOWN])}{more}"), *_few(ill)]


def _installation(each: Installation, about: App, needs: Needs) -> Iterable[Finding]:
    if each.suspended_at:
        yield Finding(ABOUT, f"suspended by {each.name}", f"unsuspend it at {each.html_url}")
    offered = set(_missing(each.permissions, needs)) - set(_missing(about.permissions, needs))
    if offered:
        yield Finding(
            ABOUT,
            f"{each.name} has not accepted {', '.join(sorted(offered))}",
            f"its owner accepts at {each.html_url}/permissions/update",
        )


def _few(findings: Sequence[Finding]) -> Sequence[Finding]:
    left = len(findings) - SHOWN
    if left <= 0:
        return findings
    mend = "mend those above, then ask again"
    return [*findings[:SHOWN], Finding(ABOUT, f"{left} more such findings", mend)]


# --- its webhooks -------------------------------------------------------------------------------

_REFUSED: Final = (
    "is the secret at GitHub a line of CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE? "
    "`checkrail setup --rotate-webhook-secret` sets a new one; or does something before checkrail "
    "ask for a login?"
)
_MENDS: Final[Mapping[int, str]] = {
    401: _REFUSED,
    403: _REFUSED,
    404: "is its path /github/webhook, and does that reach checkrail?",
    413: "let what stands before checkrail take bodies of 25 MB",
    500: "checkrail failed; its log says why",
    502: "is it open to GitHub, does its name resolve, and is checkrail ready behind it?",
    503: "is checkrail ready? `kubectl get pods` and /readyz say",
    504: "an answer is due within 10 s; what stands between GitHub and checkrail?",
}
_ELSE: Final = "is the address right and open to GitHub, with a certificate that it trusts?"


async def webhook(patient: Patient) -> Sequence[Finding]:
    """Whether GitHub reaches us: its own log of the last deliveries tells."""
    about, github = await _about(patient), patient.github
    hook = _read(await github.request("GET", "/app/hook/config", repository=None), Hook)
    if not hook.url:
        mend = f"set it to https://YOUR-HOST/github/webhook and make it active: {about.settings}"
        return [Finding(ABOUT, "no webhook URL is set", mend)]
    path = f"/app/hook/deliveries?per_page={LAST}"
    listed = await github.request("GET", path, repository=None)
    return [*_hook(hook, about), _deliveries(_read(listed, list[Attempt]), hook.url)]


def _hook(hook: Hook, about: App) -> Iterable[Finding]:
    if not hook.secret:
        yield Finding(
            ABOUT,
            "GitHub signs no webhook: there is no secret, so all are refused",
            f"set the one of CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE at {about.settings}",
        )
    if str(hook.insecure_ssl).startswith("1"):
        mend = f"enable SSL verification at {about.settings}"
        yield Finding(ABOUT, "GitHub does not verify the webhook's certificate", mend)


def _deliveries(attempts: Sequence[Attempt], url: str) -> Finding:
    """The newest comes first."""
    failed = [each for each in attempts if not each.arrived]
    if not attempts:
        quiet = "nothing happened, or the webhook is not active (Settings, Webhook, Active)"
        return Finding(ABOUT, f"GitHub sent no webhook to {url} in the last days: {quiet}")
    if not failed:
        last = f"{attempts[0].event} at {attempts[0].delivered_at.astimezone(UTC):%d %b %H:%M} UTC"
        text = f"webhooks reach {url}: all of the last {len(attempts)}, the newest {last}"
        return Finding(ABOUT, text)
    kinds = Counter(f"{each.status_code} {each.status}" for each in failed)
    why = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
    text = f"{len(failed)} of the last {len(attempts)} webhooks did not reach {url} ({why})"
    if all(each.arrived for each in attempts[:RECENT]):
        return Finding(ABOUT, f"{text}; the newest {RECENT} did, and what was missed is fetched")
    return Finding(ABOUT, text, _MENDS.get(failed[0].status_code, _ELSE))


# --- the clock ----------------------------------------------------------------------------------


async def clock(patient: Patient) -> Sequence[Finding]:
    """How far ours is from GitHub's, by the ``Date`` of its last answer."""
    await _about(patient)
    skew = patient.github.skew
    if skew is None:
        return []
    if abs(skew) <= SKEW:
        return [Finding(ABOUT, "our clock agrees with GitHub's")]
    way = "behind" if skew > 0 else "ahead of"
    mend = "set it, by NTP: tokens are corrected by GitHub's clock, times of checks are not"
    return [Finding(ABOUT, f"our clock is {abs(skew):.0f} s {way} GitHub's", mend)]


QUESTIONS: Final = (app, clock, installations, webhook)
OF_OWN_APPS: Final = (app, installations)
"""What is asked about the App of a Provider."""


async def _about(patient: Patient) -> App:
    return _read(await patient.github.request("GET", "/app", repository=None), App)


def _read(content: Any, type_: type[T]) -> T:
    try:
        return msgspec.convert(content, type_)
    except msgspec.ValidationError as error:
        raise CheckrailError(f"GitHub answered with something unexpected: {error}") from error

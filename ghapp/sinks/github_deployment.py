"""GitHub deployments: what a HelmRelease or a Kustomization brings where, on its commit.

A deployment is one revision of one object in one environment; its statuses tell how it goes. All
attempts of a revision are one deployment, for a status may follow a verdict. It is created once:
its payload names the run, and where an earlier try may have got through unheard, or another attempt
may have made it, it is looked up first.

GitHub can retire what was deployed before by itself (``auto_inactive``), but takes everything in
the same environment for one thing: in a repository with two services the deployment of one would
retire the other. So it is told not to, and what the same object deployed there before is retired
here, when its successor succeeds. https://docs.github.com/en/rest/deployments/deployments
"""

import asyncio
import json
import string
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from cachetools import LRUCache
from msgspec import Meta, Struct

from ghapp.core import globs, markdown, retry
from ghapp.core.budget import Urgency
from ghapp.core.effects import Deployed, Effect, SetCheck
from ghapp.core.model import Conclusion, Phase, Subject
from ghapp.core.moments import stamp
from ghapp.core.provider import GitHubApp, Pattern
from ghapp.errors import ConfigError, DeliveryError, Reject, Retry
from ghapp.ports import Receipt, SinkType, Slot, UrgentGitHub

DESCRIPTION_LIMIT: Final = 140
"""Characters."""
LOOKED_BACK: Final = 20
"""Deployments before this one that are looked at when it succeeds."""
LISTED_AT_MOST: Final = 500
"""Deployments of an environment, whoever made them, that are looked through: five requests."""
REMEMBERED: Final = 10_000
TASK: Final = "deploy"
URL_FIELDS: Final = frozenset({"environment", "cluster", "namespace", "name"})

INACTIVE: Final = "inactive"
STATES: Final[Mapping[Conclusion, str]] = {
    Conclusion.SUCCESS: "success",
    Conclusion.SKIPPED: "success",
    Conclusion.NEUTRAL: INACTIVE,  # another revision took its place before it had a verdict
    Conclusion.FAILURE: "failure",
    Conclusion.TIMED_OUT: "failure",
    Conclusion.ACTION_REQUIRED: "failure",
    Conclusion.CANCELLED: "error",
}

_REPLACED: Final[Mapping[str, str]] = {
    "state": INACTIVE,
    "description": "Another revision took its place.",
}

Environments = Annotated[tuple[Pattern, ...], Meta(max_length=50)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What is said of environments beside their names, which the objects have."""

    environment_url: Annotated[str, Meta(max_length=2048)] = ""
    """Template of the address of an environment, where the annotation
    ``checkrail.dev/environment-url`` names none: ``{environment}``, ``{cluster}``, ``{namespace}``,
    ``{name}``."""
    production_environments: Environments = ()
    """Patterns of names that GitHub shall show as production."""
    transient_environments: Environments = ()
    """Patterns of names of environments that will be gone one day: previews."""
    app: GitHubApp | None = None
    """Without it, the App that the process is set up with."""


@dataclass(slots=True, kw_only=True)
class _Turn:
    """What one object deploys in one environment; `lock` is held by whoever tells of it.

    Two of its versions may be owed at one time, and GitHub's lists are some seconds late.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    number: str = ""
    """The deployment that was told a success last; empty: not known."""
    began: str = ""
    """When that began."""


@dataclass(frozen=True, slots=True)
class GithubDeployment:
    """The deployments of a repository."""

    settings: Settings
    github: UrgentGitHub
    _turns: "LRUCache[tuple[str, str, str], _Turn]" = field(
        default_factory=lambda: LRUCache(REMEMBERED), init=False, repr=False
    )
    """By repository, environment and object."""

    def __post_init__(self) -> None:
        """Raises ConfigError where the template cannot be filled in."""
        _check(self.settings.environment_url)

    def accepts(self, effect: Effect) -> bool:
        """Checks of what deploys, in repositories on this host."""
        return (
            isinstance(effect, SetCheck)
            and effect.deployed is not None
            and self.github.serves(effect.repository)
        )

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Tells the state of a deployment, which is made where there is none."""
        if not isinstance(effect, SetCheck) or effect.deployed is None:
            raise Reject(f"{key}: githubDeployments takes checks of deployed objects only")
        place = (effect.repository.url.lower(), effect.deployed.environment)
        turn = self._turns.setdefault((*place, _object(effect.subject)), _Turn())
        async with turn.lock:
            return await self._told(effect, effect.deployed, slot, turn)

    async def _told(
        self, effect: SetCheck, deployed: Deployed, slot: Slot, turn: _Turn
    ) -> Receipt | None:
        step = _Step(
            effect=effect, deployed=deployed, github=self.github, settings=self.settings, turn=turn
        )
        known, _, told = (slot.id or "").partition(":")
        number = known or await step.found(slot)
        if number:
            return Receipt(slot=f"{number}:{await step.told(number, told)}")
        number = await step.created()
        if not number:
            return None  # it was superseded before anybody heard of it
        return Receipt(slot=f"{number}:{await step.first_told(number)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What one state of one deployment asks of GitHub."""

    effect: SetCheck
    deployed: Deployed
    github: UrgentGitHub
    settings: Settings
    turn: _Turn

    async def found(self, slot: Slot) -> str:
        """The number of the deployment of an earlier try or attempt; empty: there is none."""
        if slot.certain and not self.effect.search and not self.effect.attempt:
            return ""
        ours = self.effect.check.external_id
        async for one in self._deployments(sha=self.effect.commit):
            if _payload(one).get("external_id") == ours:
                return str(one["id"])
        return ""

    async def created(self) -> str:
        """The number of a new deployment; empty: it is none any more."""
        if state(self.effect) == INACTIVE:
            return ""
        try:
            made = await self._ask("POST", "/deployments", self._body())
        except Reject as error:
            if error.status == 422 and "No ref found" in error.reason:
                url, commit = self.effect.repository.url, self.effect.commit
                raise Reject(f"{url} has no commit {commit}: was it pushed?", status=422) from error
            raise
        except Retry as error:
            raise retry.listed(error) from error
        return str(made["id"])

    async def first_told(self, number: str) -> str:
        """As `told`, of a deployment that was made just now and that nobody knows of yet.

        Whatever stops us here, the next try must not make another: it has to look.
        """
        try:
            return await self.told(number, "")
        except DeliveryError as error:
            raise retry.unheard(error) from error

    async def told(self, number: str, before: str) -> str:
        """Tells the state unless it was the last that was told; returns what was told."""
        body = self._status()
        mark = _mark(body)
        if _says_the_same(before, mark):
            return before
        if body["state"] == "success" and not await self._takes_over(number):
            body |= _REPLACED
        await self._tell(number, body)
        if body["state"] == "success":
            self.turn.number, self.turn.began = number, self._began
        return mark

    async def _takes_over(self, number: str) -> bool:
        """Retires what the same object deployed here before; there is one such at most.

        False: its successor is there already, for a verdict may come late. Another attempt of a
        revision comes after all that there is.
        """
        if self.turn.number:
            return await self._replaces(self.turn.number, self.turn.began, number)
        looked = 0
        async for one in self._deployments():
            if str(one["id"]) == number or not self._is_ours(one):
                continue
            looked += 1
            if looked > LOOKED_BACK:
                break
            if await self._last_state(one) == "success":
                began = str(_payload(one).get("began") or "")
                return await self._replaces(str(one["id"]), began, number)
        return True

    async def _replaces(self, other: str, began: str, number: str) -> bool:
        """Retires the other one, unless it is the successor: what failed to be told may be made
        after what came after it, so numbers tell only where there are no times."""
        mine = self._began if began else ""
        later = (began if mine else "", int(other)) > (mine, int(number))
        after = later and not self.effect.attempt and other != number
        if not after and other != number:
            await self._tell(other, _REPLACED)
        return not after

    @property
    def _began(self) -> str:
        return stamp(self.effect.check.started_at)

    def _is_ours(self, one: Mapping[str, Any]) -> bool:
        """Whether the same object deployed it."""
        return _payload(one).get("object") == _object(self.effect.subject)

    async def _tell(self, number: str, body: Mapping[str, Any]) -> None:
        path = f"/deployments/{quote(number, safe='')}/statuses"
        await self._ask("POST", path, dict(body))

    async def _last_state(self, one: Mapping[str, Any]) -> str:
        statuses = await self._ask("GET", f"/deployments/{one['id']}/statuses?per_page=1", None)
        return str(statuses[0].get("state", "")) if statuses else ""

    async def _deployments(self, **query: str) -> AsyncIterator[Mapping[str, Any]]:
        """The newest in our environment, newest first; others may deploy there all day."""
        wanted = urlencode({"environment": self.deployed.environment, "task": TASK, **query})
        pages = self.github.pages(
            f"{self.effect.repository.api_path}/deployments?{wanted}",
            repository=self.effect.repository,
            urgency=self._urgency,
        )
        left = LISTED_AT_MOST
        async for one in pages:
            yield one
            left -= 1
            if not left:
                return

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        return await self.github.request(
            method,
            f"{self.effect.repository.api_path}{path}",
            body,
            repository=self.effect.repository,
            urgency=self._urgency,
        )

    @property
    def _urgency(self) -> Urgency:
        done = self.effect.check.status == "completed"
        return Urgency.FINAL if done else Urgency.ANSWER

    def _body(self) -> dict[str, Any]:
        """Of a new deployment. GitHub would merge the default branch into the commit, and refuse
        while any check is not green: both are not ours to want."""
        subject, place = self.effect.subject, self.deployed.environment
        what = f"{subject.kind} {subject.namespace}/{subject.name} {subject.revision}".strip()
        return {
            "ref": self.effect.commit,
            "task": TASK,
            "auto_merge": False,
            "required_contexts": [],
            "environment": place,
            "description": markdown.cut(what, DESCRIPTION_LIMIT),
            "payload": {
                "external_id": self.effect.check.external_id,
                "object": _object(subject),
                "began": self._began,
            },
            "production_environment": globs.any_matches(
                place, self.settings.production_environments
            ),
            "transient_environment": globs.any_matches(place, self.settings.transient_environments),
        }

    def _status(self) -> dict[str, Any]:
        check = self.effect.check
        body = {
            "state": state(self.effect),
            "description": markdown.cut(check.title, DESCRIPTION_LIMIT),
            "log_url": check.details_url,
            "environment_url": self.deployed.url or self._environment_url(),
            "auto_inactive": False,
        }
        return {name: value for name, value in body.items() if value != ""}

    def _environment_url(self) -> str:
        subject = self.effect.subject
        fields = {
            "environment": self.deployed.environment,
            "cluster": subject.cluster,
            "namespace": subject.namespace,
            "name": subject.name,
        }
        quoted = {name: quote(value, safe="") for name, value in fields.items()}
        return self.settings.environment_url.format_map(quoted)


def state(effect: SetCheck) -> str:
    """GitHub's word for how a deployment stands."""
    check = effect.check
    if effect.deployed is not None and effect.deployed.over:
        return INACTIVE
    if check.status != "completed" or check.conclusion is None:
        return check.status
    if effect.phase is Phase.ERRORED and check.conclusion is Conclusion.FAILURE:
        return "error"
    return STATES[check.conclusion]


def _object(subject: Subject) -> str:
    """What is deployed again and again; it may be deleted and come back as another object."""
    return f"{subject.cluster}/{subject.kind}/{subject.namespace}/{subject.name}"


def _payload(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ours is an object; another tool's may be any text, and GitHub may give an object as text."""
    payload = deployment.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            return {}
    return payload if isinstance(payload, dict) else {}


def _mark(body: Mapping[str, Any]) -> str:
    """What was told: ``STATE:DIGEST``."""
    words = json.dumps(body, sort_keys=True)
    return f"{body['state']}:{sha256(words.encode()).hexdigest()[:12]}"


def _says_the_same(before: str, mark: str) -> bool:
    """Details are news of a verdict only."""
    was, now = before.partition(":")[0], mark.partition(":")[0]
    return before == mark or (was == now and now in ("queued", "in_progress"))


def _check(template: str) -> None:
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ConfigError(f"environmentUrl: {template!r} is not a template: {error}") from error
    wrong = [name for _, name, spec, how in parts if name not in URL_FIELDS or spec or how]
    if wrong:
        known = ", ".join(f"{{{name}}}" for name in sorted(URL_FIELDS))
        raise ConfigError(f"environmentUrl: {{{wrong[0]}}} is unknown; there are {known}")
    if template and not template.startswith(("https://", "http://")):
        raise ConfigError(f"environmentUrl: {template!r} is not an http(s) URL")


SINK = SinkType(
    "github-deployments",
    Settings,
    GithubDeployment,
    provider="githubDeployments",
    permissions={"deployments:write": "tells what is deployed where, and how it went"},
    optional=True,
)

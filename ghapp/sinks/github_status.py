"""GitHub commit statuses: a run's state beside its commit, without Checks and so without an App.

A status has a state, a line and a link; no summary, no annotations, no buttons. It is posted with a
token from the Provider's Secret, or by the App where there is none. GitHub keeps a thousand
statuses of one context on a commit and refuses more, so one is posted only when the state changes,
and for a verdict whose words change; what was posted last is what the lane remembers, and after a
try that was not heard GitHub is asked. The newest of a context counts, so an old run's verdict that
comes late is not posted once a newer run of the same context was told.

A branch rule that requires a name wants the check and the status of that name, both: tell a run to
one of the two, or give the statuses a prefix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Final
from urllib.parse import quote

from msgspec import Meta, Struct

from ghapp.core import markdown, retry
from ghapp.core.budget import Urgency
from ghapp.core.effects import Effect, SetCheck
from ghapp.core.model import Conclusion, Phase
from ghapp.core.provider import GitHubApp
from ghapp.errors import ConfigError, Reject, Retry
from ghapp.ports import Receipt, RepositoryApi, Runs, SinkType, Slot
from ghapp.secret import Secret

ApiUrl = Annotated[str, Meta(max_length=2048, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
WithToken = Callable[[str, Secret], RepositoryApi]
"""(URL of the API, token) -> a client."""

CONTEXT_LIMIT: Final = 255
DESCRIPTION_LIMIT: Final = 140
"""Characters, both."""

PENDING: Final = "pending"
STATES: Final[Mapping[Conclusion, str]] = {
    Conclusion.SUCCESS: "success",
    Conclusion.NEUTRAL: "success",
    Conclusion.SKIPPED: "success",
    Conclusion.FAILURE: "failure",
    Conclusion.TIMED_OUT: "failure",
    Conclusion.ACTION_REQUIRED: "failure",
    Conclusion.CANCELLED: "error",
}
"""A branch rule is content with a neutral or skipped check; a status has no such words."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """How statuses are called, and whose API takes them."""

    api_url: ApiUrl = "https://api.github.com"
    """For the token; without one, the App's own API is used. Enterprise Server:
    ``https://HOST/api/v3``."""
    context_prefix: Annotated[str, Meta(max_length=100)] = ""
    """Stands before the name of the check."""
    app: GitHubApp | None = None
    """An App of its own, whose key is in the Secret, to post with instead of a token."""


@dataclass(frozen=True, slots=True)
class GithubStatus:
    """The statuses of a commit."""

    settings: Settings
    with_token: WithToken
    runs: Runs
    provider: str
    secret: Mapping[str, Secret] = field(default_factory=dict)
    github: RepositoryApi | None = None
    """The App; None: there is none."""
    _api: RepositoryApi = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ConfigError where there is neither a token nor an App."""
        object.__setattr__(self, "_api", self._signed())

    def accepts(self, effect: Effect) -> bool:
        """Checks of repositories on this host."""
        return isinstance(effect, SetCheck) and self._api.serves(effect.repository)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt:
        """Posts a status, unless the last one said the same."""
        if not isinstance(effect, SetCheck):
            raise Reject(f"{key}: githubStatus takes checks only")
        body = status(effect, self.settings.context_prefix)
        mark = _mark(body)
        owed = not (_says_the_same(slot.id, mark) or await self._replaced(effect))
        if owed and (slot.certain or not await self._stands(effect, body)):
            await self._post(effect, body)
        return Receipt(slot=mark)

    async def _post(self, effect: SetCheck, body: Mapping[str, Any]) -> None:
        path = f"{effect.repository.api_path}/statuses/{quote(effect.commit, safe='')}"
        try:
            await self._ask("POST", path, effect, dict(body))
        except Retry as error:
            raise retry.listed(error) from error

    async def _stands(self, effect: SetCheck, body: Mapping[str, Any]) -> bool:
        """Whether an earlier try got through unheard: then the newest of the context says so."""
        commit = quote(effect.commit, safe="")
        path = f"{effect.repository.api_path}/commits/{commit}/statuses?per_page=100"
        context = str(body["context"]).lower()
        for one in await self._ask("GET", path, effect, None):
            if str(one.get("context", "")).lower() == context:
                return all((one.get(name) or "") == value for name, value in body.items())
        return False

    async def _ask(
        self, method: str, path: str, effect: SetCheck, body: Mapping[str, Any] | None
    ) -> Any:
        done = effect.check.status == "completed"
        urgency = Urgency.FINAL if done else Urgency.ANSWER
        return await self._api.request(
            method, path, body, repository=effect.repository, urgency=urgency
        )

    async def _replaced(self, effect: SetCheck) -> bool:
        """Whether a newer run speaks for this context."""
        rows = await self.runs.on_commit(effect.repository, effect.commit)
        told = [row for row in rows if self.provider in row.shown]
        same = [row for row in told if row.check_name.lower() == effect.check.name.lower()]
        return bool(same) and same[-1].look.subject != effect.subject

    def _signed(self) -> RepositoryApi:
        token = self.secret.get("token")
        if token and self.settings.app is None:
            return self.with_token(self.settings.api_url, token)
        if self.secret and self.settings.app is None:
            raise ConfigError("its Secret has no token")
        if self.github is None:
            raise ConfigError(
                "there is no GitHub App, so it needs a token: set secretRef to a Secret with the"
                " key token"
            )
        return self.github


def status(effect: SetCheck, prefix: str = "") -> dict[str, Any]:
    """The body of the request: https://docs.github.com/en/rest/commits/statuses."""
    check = effect.check
    body = {
        "state": state(effect),
        "context": markdown.cut(_narrow(f"{prefix}{check.name}"), CONTEXT_LIMIT),
        "description": markdown.cut(_narrow(check.title), DESCRIPTION_LIMIT),
    }
    return {**body, "target_url": check.details_url} if check.details_url else body


def _narrow(text: str) -> str:
    """Without emoji and the like: GitHub "doesn't accept 4-byte Unicode" here (422)."""
    return " ".join("".join(c if ord(c) <= _WIDEST else " " for c in text).split())


_WIDEST: Final = 0xFFFF


def state(effect: SetCheck) -> str:
    """pending, success, failure (a bad verdict) or error (none)."""
    conclusion = effect.check.conclusion
    if effect.check.status != "completed" or conclusion is None:
        return PENDING
    if effect.phase is Phase.ERRORED and conclusion is Conclusion.FAILURE:
        return "error"
    return STATES[conclusion]


def _mark(body: Mapping[str, Any]) -> str:
    """What was said: ``STATE:DIGEST``."""
    words = f"{body['context']}\n{body['description']}\n{body.get('target_url', '')}"
    return f"{body['state']}:{sha256(words.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _says_the_same(told: str | None, mark: str) -> bool:
    """Progress is no news: of a run that is pending only its end is."""
    return told == mark or (mark.startswith(PENDING) and (told or "").startswith(PENDING))


SINK = SinkType(
    "github-status",
    Settings,
    GithubStatus,
    provider="githubStatus",
    secret_keys={
        "token": "a personal access token with `statuses: write`; without a Secret the App posts"
    },
    permissions={"statuses:write": "posts a status for each run"},
    optional=True,
)

"""What declared Providers need of GitHub Apps, of the environment's and of their own. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ghapp import app_manifest, discovery
from ghapp.core.provider import GitHubApp, Provider
from ghapp.documents.kinds import provider_types
from ghapp.plugs import app_of
from ghapp.ports import SinkType

CHECKS: Final = "github"
"""The type whose App hears clicks and comments."""
_ANSWERS: Final = "github-reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A level of a permission, and which Providers need it; none: whoever has an App."""

    level: str
    of: tuple[str, ...] = ()


Needs = Mapping[str, Need]
"""By permission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnApp:
    """An App that Providers declare; where several do, it is one."""

    app: GitHubApp
    providers: Sequence[Provider]

    @property
    def hears(self) -> bool:
        """Whether webhooks of it count."""
        return any(one.type == CHECKS for one in self.providers)

    @property
    def needs(self) -> Needs:
        """What its Providers use, and what clicks on checks are judged with."""
        heard = [sink for sink in discovery.sinks() if sink.name == _ANSWERS]
        common = app_manifest.permissions(heard) if self.hears else {}
        return _with({name: level for name, (level, _) in common.items()}, self.providers)


def title(provider: Provider) -> str:
    """For people."""
    place = f"{provider.namespace}/" if provider.namespace else ""
    return f"{provider.kind} {place}{provider.name}"


def of_environment(providers: Iterable[Provider]) -> Needs:
    """Of the App that the process is set up with."""
    common = app_manifest.base(discovery.sinks())
    served = [one for one in providers if not _signs_itself(one)]
    return _with({name: level for name, (level, _) in common.items()}, served)


def own_apps(providers: Iterable[Provider]) -> list[OwnApp]:
    """All that are declared."""
    found: dict[GitHubApp, list[Provider]] = {}
    for one in providers:
        app = app_of(one)
        if app is not None and not one.suspend:
            found.setdefault(app, []).append(one)
    return [OwnApp(app=app, providers=those) for app, those in found.items()]


def _signs_itself(provider: Provider) -> bool:
    """Whether it has an App or a token of its own."""
    has_token = bool(provider.secret) and "token" in _type(provider).secret_keys
    return app_of(provider) is not None or has_token


def _with(common: Mapping[str, str], providers: Iterable[Provider]) -> Needs:
    """What all need, and beyond that what each of these does."""
    levels = app_manifest.LEVELS
    needs = {name: Need(level=level) for name, level in common.items()}
    asked = [
        (*permission.split(":"), title(one))
        for one in providers
        if not one.suspend
        for permission in _type(one).permissions
    ]
    for name, level, whom in asked:
        known = needs.get(name)
        if known is None or levels.index(level) > levels.index(known.level):
            needs[name] = Need(level=level, of=(whom,))
        elif known.of and known.level == level and whom not in known.of:
            needs[name] = Need(level=level, of=(*known.of, whom))
    return needs


def _type(provider: Provider) -> SinkType:
    return provider_types()[provider.type]

"""What a filter or a text of a user is told of a run, and what a filter may answer.

`run_facts` is the documented model of a run: `FIELDS` is both what is read and what is written
about it, so the two cannot differ. A `Rule` is an expression behind an interface; which engine
reads it is no concern of the kernel. An expression that cannot be evaluated does not match, and
says why.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

from ghapp.core import checks
from ghapp.core.cdevents import timestamp
from ghapp.core.model import Observation, Repository, Step, without_credentials


@dataclass(frozen=True, slots=True)
class Failed:
    """A rule could not be evaluated; `why` is a sentence for whoever wrote it.

    False in conditions: an error is not a match.
    """

    why: str

    def __bool__(self) -> bool:
        return False


Verdict: TypeAlias = bool | Failed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """What rules are asked about: make them once, then ask all rules."""

    run: Mapping[str, Any]
    """As `run_facts` makes it."""
    object: Mapping[str, Any] | None = None
    """The whole Kubernetes object as JSON has it; None where it is not at hand."""
    old_phase: str = ""
    """The phase before this look; empty: this is the first one."""
    prepared: dict[str, Any] = field(default_factory=dict, repr=False)
    """What an engine made of them, by the engine's name: converting costs more than evaluating."""


class Rule(Protocol):
    """A condition on a run."""

    @property
    def source(self) -> str:
        """As it was written."""

    @property
    def needs_object(self) -> bool:
        """Whether it looks at the object; where it does not, nobody has to read it."""

    def matches(self, facts: Facts) -> Verdict:
        """Never raises."""


VARIABLES: Final[Mapping[str, str]] = {
    "run": "the run, as in the table of its fields",
    "object": "the whole Kubernetes object, or null where it is not at hand",
    "oldPhase": "the phase before this one; empty at the first sight of the run",
}
"""Name in an expression -> meaning."""

# --- the run --------------------------------------------------------------------------------------

Read: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the documented model."""

    name: str
    meaning: str
    read: Read
    inside: "tuple[Field, ...]" = ()
    """Of an object, or of each item of a list."""
    many: bool = False

    def value(self, whole: Any) -> Any:
        """What stands there; JSON values only."""
        found = self.read(whole)
        if not self.inside:
            return found
        if self.many:
            return [_values(self.inside, item) for item in found]
        return _values(self.inside, found)


def _values(fields: tuple[Field, ...], whole: Any) -> dict[str, Any]:
    return {each.name: each.value(whole) for each in fields}


def run_facts(look: Observation, *, dashboard_url: str = "") -> dict[str, Any]:
    """The run as expressions and texts see it; `dashboard_url` is the template of its page.

    What is not known is empty text, or null where it is a number or a time, so that asking for it
    is no error. The revision is what `look` says: whoever does not trust it removes it before.
    """
    facts = _values(FIELDS, look)
    facts["dashboardUrl"] = checks.details_url(look, dashboard_url)
    return facts


def documented() -> Iterator[tuple[str, str]]:
    """(name, meaning) of every field, nested ones as ``repository.owner``, ``steps[].name``."""
    for each in FIELDS:
        yield each.name, each.meaning
        joint = "[]." if each.many else "."
        yield from ((each.name + joint + one.name, one.meaning) for one in each.inside)


def _time(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _seconds(of: Observation | Step) -> float | None:
    """Never negative: two machines' clocks may have written the times."""
    if of.started is None or of.finished is None:
        return None
    return max((of.finished - of.started).total_seconds(), 0.0)


def _conclusion(look: Observation) -> str:
    if not look.phase.finished:
        return ""
    return (look.conclusion or checks.CONCLUSION[look.phase]).value


_NOWHERE: Final = Repository(host="", owner="", name="")


def _repository(look: Observation) -> Repository:
    return look.revision.repository if look.revision else _NOWHERE


def _results(look: Observation) -> dict[str, str]:
    return {name: without_credentials(value) for name, value in look.results}


_REPOSITORY: Final = (
    Field("host", "`github.com`", lambda of: of.host),
    Field("owner", "`acme`; with slashes for groups in groups", lambda of: of.owner),
    Field("name", "`shop`", lambda of: of.name),
    Field("slug", "`acme/shop`", lambda of: of.slug if of.name else ""),
    Field("url", "`https://github.com/acme/shop`", lambda of: of.url if of.name else ""),
)
_STEP: Final = (
    Field("name", "name of the task, pod or action", lambda step: step.name),
    Field("phase", "its phase, one of a run's phases", lambda step: step.phase.value),
    Field("detail", "the source's own words", lambda step: without_credentials(step.detail)),
    Field("started", "RFC 3339, or null", lambda step: _time(step.started)),
    Field("finished", "RFC 3339, or null", lambda step: _time(step.finished)),
    Field("duration", "seconds from started to finished, or null", _seconds),
    Field("skipped", "whether it was left out", lambda step: step.skipped),
)
FIELDS: Final = (
    Field("kind", "`PipelineRun`, as the object writes it", lambda look: look.subject.kind),
    Field("cluster", "name of the cluster", lambda look: look.subject.cluster),
    Field("namespace", "namespace of the object", lambda look: look.subject.namespace),
    Field("name", "name of the object", lambda look: look.subject.name),
    Field("uid", "uid of the object", lambda look: look.subject.uid),
    Field(
        "phase",
        "`queued`, `running`, `succeeded`, `failed`, `cancelled` or `errored` (no verdict)",
        lambda look: look.phase.value,
    ),
    Field(
        "reason", "the source's word for its state", lambda look: without_credentials(look.reason)
    ),
    Field(
        "message",
        "the source's sentence about its state",
        lambda look: without_credentials(look.message),
    ),
    Field("conclusion", "GitHub's word for the verdict; empty before the end", _conclusion),
    Field("pipeline", "what runs: the pipeline, CronJob or release", lambda look: look.name),
    Field("checkName", "name of the check on GitHub", checks.check_name),
    Field(
        "environment", "environment named by annotation, or empty", lambda look: look.environment
    ),
    Field("version", "version that was deployed, or empty", lambda look: look.version),
    Field(
        "commit",
        "full id of the commit, or empty",
        lambda look: look.revision.commit if look.revision else "",
    ),
    Field(
        "ref",
        "`refs/heads/main` or `main`, as the object says; or empty",
        lambda look: look.revision.ref if look.revision else "",
    ),
    Field(
        "pullRequest",
        "number of the pull request, or null",
        lambda look: look.revision.pull_request if look.revision else None,
    ),
    Field(
        "repository", "repository of the commit; all empty without one", _repository, _REPOSITORY
    ),
    Field("created", "RFC 3339", lambda look: _time(look.created)),
    Field("started", "RFC 3339, or null", lambda look: _time(look.started)),
    Field("finished", "RFC 3339, or null", lambda look: _time(look.finished)),
    Field("duration", "seconds from started to finished, or null", _seconds),
    Field("results", "name -> text of each result", _results),
    Field("steps", "its parts, in order", lambda look: look.steps, _STEP, many=True),
    Field("dashboardUrl", "URL of its page, or empty", lambda look: look.dashboard_url),
)
"""The fields of `run`, in the order in which they are documented."""

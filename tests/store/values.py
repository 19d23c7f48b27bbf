"""Values for the tests of the store: looks, rows, effects, deliveries, in a few words."""

from datetime import UTC, datetime, timedelta

from ghapp.core.effects import Check, Effect, EmitEvent, SetCheck
from ghapp.core.model import Observation, Phase, Repository, Revision, Subject, SubjectType
from ghapp.core.seen import Seen
from ghapp.ports import Addressed, Claimed, Commit, Delivery, Store

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
SHA = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = Repository(host="github.com", owner="Acme", name="Shop")


def at(seconds: float) -> datetime:
    """So many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def subject(name: str = "build-1", *, revision: str = "", cluster: str = "default") -> Subject:
    """A run; with a revision, one of a long-lived object."""
    kind = "HelmRelease" if revision else "PipelineRun"
    return Subject(
        kind=kind, cluster=cluster, namespace="ci", name=name, uid=f"uid-{name}", revision=revision
    )


def check(name: str = "build") -> Check:
    """A check in progress."""
    return Check(name=name, external_id="e", status="in_progress", title="t", summary="s")


def row(
    of: Subject,
    *,
    version: int = 1,
    phase: Phase = Phase.RUNNING,
    commit: str = SHA,
    repository: Repository = REPOSITORY,
    told: Check | None = None,
    closed: bool = False,
) -> Seen:
    """What is remembered of a run; `told` puts its check on the commit."""
    look = Observation(
        subject=of,
        resource="tekton.dev/v1/pipelineruns",
        type=SubjectType.PIPELINERUN,
        phase=phase,
        name="build",
        check_name="tekton / build",
        created=NOW,
        started=at(0.000001),
        revision=Revision(repository=repository, commit=commit),
        living=bool(of.revision),
    )
    return Seen(look=look, version=version, check=told, closed=closed)


def state(serial: int, of: Subject | None = None) -> SetCheck:
    """A state of a check: only the newest counts."""
    return SetCheck(
        subject=of or subject(), repository=REPOSITORY, commit=SHA, check=check(), serial=serial
    )


def event(number: int, of: Subject | None = None) -> EmitEvent:
    """An event of a subject: every one counts, in order."""
    about = of or subject()
    return EmitEvent(
        subject=about,
        id=f"{about.name}-{number}",
        type="pipelinerun.started",
        source="here",
        at=at(number),
        subject_id=about.key,
        content={"n": number, "when": at(0.5)},
        chain="c",
    )


def to(sink: str, *effects: Effect, due: datetime = NOW) -> tuple[Addressed, ...]:
    """These effects for one sink."""
    return tuple(Addressed(effect=effect, sink=sink, due=due) for effect in effects)


def delivery(guid: str, *, received: datetime = NOW, body: bytes = b"{}") -> Delivery:
    """A webhook."""
    return Delivery(guid=guid, event="check_run", body=body, received=received)


async def put(store: Store, *effects: Effect, sink: str = "a", due: datetime = NOW) -> None:
    """Commits effects and nothing else."""
    await store.commit(Commit(effects=to(sink, *effects, due=due)))


async def take(store: Store, *, sink: str = "a", now: datetime = NOW) -> list[Claimed]:
    """Claims all there is."""
    return list(await store.claim(sink, now, 1000))


async def take_one(store: Store, *, sink: str = "a", now: datetime = NOW) -> Claimed:
    """Claims the only one there is."""
    (claimed,) = await store.claim(sink, now, 1000)
    return claimed

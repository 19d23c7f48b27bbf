"""Looks for tests of the kernel: valid by default, one field changed at a time."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from ghapp.core.audience import Audience, Listening, Recipient
from ghapp.core.decide import Rules, decide
from ghapp.core.model import (
    Observation,
    Phase,
    Repository,
    Revision,
    Step,
    Subject,
    SubjectType,
    Verb,
)
from ghapp.documents.compiled import compile_documents
from ghapp.documents.config import Config

T0 = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
COMMIT = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
SHOP = Repository(host="github.com", owner="acme", name="shop")
REVISION = Revision(repository=SHOP, commit=COMMIT, ref="refs/heads/main", rule="checkrail.dev")
RULES = Rules(born=T0 - timedelta(days=1), horizon=T0 - timedelta(days=1))


def audience(*providers: str) -> Audience:
    """These are told of everything."""
    return Audience(recipients=tuple(Recipient(provider=provider) for provider in providers))


EVERYBODY = audience("github-check", "cdevents")


tell = partial(decide, audience=EVERYBODY, rules=RULES)
"""Decides as in a process without documents."""


def told_to(*providers: str) -> tuple[Listening, ...]:
    """As without any document: these are told of everything."""
    return compile_documents(Config(), providers, cluster="default").listening


def at(seconds: float) -> datetime:
    """Seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def run_look(phase: Phase = Phase.RUNNING, **changes: Any) -> Observation:
    """A PipelineRun `build` in a phase, with the times that such a run has."""
    ran = phase is not Phase.QUEUED
    look = Observation(
        subject=Subject(
            kind="PipelineRun",
            cluster="default",
            namespace="ci",
            name="build-1",
            uid="5e1f0c9a-7a3e-4d52-9f55-2f6a3a0d1b11",
        ),
        resource="tekton.dev/v1/pipelineruns",
        type=SubjectType.PIPELINERUN,
        phase=phase,
        name="build",
        check_name="tekton / build",
        created=T0,
        started=at(1) if ran else None,
        finished=at(31) if phase.finished else None,
        reason=phase.value.title(),
        message=f"it is {phase}",
        revision=REVISION,
        steps=(Step(name="test", phase=phase, started=at(1) if ran else None),),
        verbs=(Verb.RERUN,) if phase.finished else (Verb.CANCEL,),
    )
    return replace(look, **changes)


def release_look(
    phase: Phase = Phase.RUNNING, version: str = "1.1.0", **changes: Any
) -> Observation:
    """A HelmRelease `shop` in namespace dev that rolls out a chart version."""
    look = run_look(
        phase,
        subject=Subject(
            kind="HelmRelease",
            cluster="default",
            namespace="dev",
            name="shop",
            uid="c0ffee00-0000-4000-8000-000000000001",
            revision=version,
        ),
        resource="helm.toolkit.fluxcd.io/v2/helmreleases",
        type=SubjectType.SERVICE,
        name="shop",
        check_name="flux / dev/shop",
        steps=(),
        version=version if phase is Phase.SUCCEEDED else "",
        living=True,
        verbs=(Verb.RECONCILE,),
    )
    return replace(look, **changes)

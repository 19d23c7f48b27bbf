"""docs/sources.md says what each state of each source becomes, and which test holds it to that."""

import os
from pathlib import Path

import pytest

from tests.adapters.states import SOURCES, State, Told, told

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sources.md"
STATES = [(kind, state) for kind, states in SOURCES.items() for state in states()]
IDS = [f"{kind}: {state.words[:60]}" for kind, state in STATES]

OPENING = """\
# What each state becomes

For each source, each of its states: the check on the commit, the CDEvents (`dev.cdevents.` in
front, of drift `dev.cdeventsx.`, and the version behind left out; the outcome in brackets), and
the test that goes into it.
Written by a test (`GOLDEN=write`), from what checkrail does.

The events are those of somebody who sees the object for the first time in this state, or in the
state before it where the row speaks of one. Without a commit there is no check, and the events are
the same.

A run's check is completed once. A HelmRelease or a Kustomization may break and recover later: then
its check changes where it stands. When it runs again, that is a new check of the same name. Which
commit it is about belongs to the state of its spec (`metadata.generation`): later commits that
leave the object alone change nothing.
"""
COMMITS = """\
## Which commit is it about?

The first rule that names a repository and a full commit id wins; `checkrail explain` shows what
each of them said.

Of a PipelineRun, a TaskRun, a CustomRun or a Job:

1. `checkrail.dev/repository` and `checkrail.dev/commit`
2. `pipelinesascode.tekton.dev/…`; with its `check-run-id`, Pipelines-as-Code reports the run itself
3. `tekton.dev/git-status: "true"` with `git-repo` and `git-revision`, or parameters of that name
4. `github.integrations.tekton.dev/…`
5. `pipelinesfeedback.keskad.pl/…`; a `technical-job` is about no commit
6. `integrations.tekton.ornew.io/…`
7. parameters and results with Tekton Chains' type hints (not of Jobs)

Of a HelmRelease:

1. `checkrail.dev/repository` and `checkrail.dev/commit`
2. `event.toolkit.fluxcd.io/commit`, with the repository of rule 1 or 3
3. the Kustomization that applied it (label `kustomize.toolkit.fluxcd.io/name`): what it attempted
   last, of its GitRepository, or of an OCIRepository whose artifact names
   `org.opencontainers.image.revision` and `org.opencontainers.image.source`
4. its chart: out of a GitRepository with `reconcileStrategy: Revision`, or an OCI artifact as in 3
5. the HelmRelease that made it (label `helm.toolkit.fluxcd.io/name`), by these rules

Of a Kustomization: rules 1 and 2, then the revision that it attempts, of its source. A Bucket has
no commits, and the digest of an OCI artifact is none. `checkrail.dev/repository` alone stands in
for a source's URL.
"""


@pytest.mark.parametrize(("kind", "state"), STATES, ids=IDS)
def test_whichever_object_is_in_a_state_the_same_is_told(kind: str, state: State) -> None:
    found = [told(state, manifest) for manifest in state.manifests]
    assert found
    assert {manifest["kind"] for manifest in state.manifests} == {kind}
    assert len({(one.check, tuple(one.events)) for one in found}) == 1, found


@pytest.mark.parametrize(("kind", "state"), STATES, ids=IDS)
def test_each_state_names_a_test_that_there_is(kind: str, state: State) -> None:
    del kind
    file, _, name = state.test.partition("::")
    path = ROOT / file if "/" in file else Path(__file__).parent / file
    assert f"def {name}(" in path.read_text(encoding="utf-8")


def test_the_page_is_the_golden_one() -> None:
    text = page()
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "if this is meant: GOLDEN=write"


def page() -> str:
    """The page, from what is told."""
    parts = [OPENING]
    for kind, states in SOURCES.items():
        rows = ["| state | check | CDEvents | test |", "| --- | --- | --- | --- |"]
        rows += [_row(state) for state in states()]
        parts.append(f"## {kind}\n\n{(states.__doc__ or '').strip()}\n\n" + "\n".join(rows) + "\n")
    return "\n".join([*parts, COMMITS])


def _row(state: State) -> str:
    found = told(state, state.manifests[0])
    test = state.test.rpartition("::")[2]
    return f"| {state.words} | {found.check} | {_events(found)} | `{test}` |"


def _events(found: Told) -> str:
    return ", ".join(found.events) or "none"

"""What people wrote for the abandoned tools means the same: every name, through every adapter.

Which family of annotations comes first is test_revision's matter; how their configuration is moved
over is tests/migrate.
"""

from typing import Any

import pytest

from ghapp.core.checks import check_name
from ghapp.core.decide import Rules
from ghapp.core.effects import EmitEvent, SetCheck
from ghapp.core.model import Observation
from tests.adapters import recorded, test_job, test_tekton
from tests.core.builders import EVERYBODY
from tests.core.builders import tell as decided

SHA = "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b"
FEEDBACK = "pipelinesfeedback.keskad.pl"
INTEGRATION = "integrations.tekton.ornew.io"
URL = {f"{FEEDBACK}/https-repo-url": "https://github.com/acme/shop.git", f"{FEEDBACK}/commit": SHA}
OWNED = {
    f"{INTEGRATION}/github-owner": "acme",
    f"{INTEGRATION}/github-repo": "shop",
    f"{INTEGRATION}/github-sha": SHA,
}
RUNS = ("PipelineRun", "TaskRun", "Job")


def seen(kind: str, notes: dict[str, str], labels: dict[str, str] | None = None) -> Observation:
    """One look at a run with these annotations."""
    done = test_tekton.condition("True", "Succeeded")
    made: dict[str, Any] = {
        "PipelineRun": lambda: test_tekton.run(done),
        "TaskRun": lambda: test_tekton.task_run(done),
        "Job": lambda: test_job.job(("Complete", "True", "Completed")),
    }[kind]()
    metadata = {**made["metadata"], "annotations": notes, "labels": labels or {}}
    found = recorded.observe({**made, "metadata": metadata})
    assert found is not None
    return found


def effects(look: Observation) -> list[Any]:
    rules = Rules(born=recorded.LONG_AGO, horizon=recorded.LONG_AGO)
    return list(decided(None, look, audience=EVERYBODY, rules=rules).effects)


def checks(look: Observation) -> list[SetCheck]:
    return [one for one in effects(look) if isinstance(one, SetCheck)]


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("notes", [URL, OWNED], ids=["feedback", "integration"])
def test_each_kind_of_run_has_its_check_at_the_commit(kind: str, notes: dict[str, str]) -> None:
    (check,) = checks(seen(kind, notes))
    assert (check.repository.slug, check.commit) == ("acme/shop", SHA)


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("value", ["true", " True "])
def test_the_label_that_opted_in_does_no_harm(kind: str, value: str) -> None:
    assert len(checks(seen(kind, URL, {f"{FEEDBACK}/enabled": value}))) == 1


@pytest.mark.parametrize("kind", RUNS)
def test_the_label_that_opted_out_is_about_that_tool_only(kind: str) -> None:
    off = {f"{FEEDBACK}/enabled": "false"}
    assert checks(seen(kind, URL, off)) == []
    assert len(checks(seen(kind, OWNED, off))) == 1


@pytest.mark.parametrize("kind", RUNS)
def test_a_technical_job_has_no_check_and_its_events_are_sent(kind: str) -> None:
    look = seen(kind, {**URL, f"{FEEDBACK}/technical-job": "backup"})
    assert checks(look) == []
    assert any(isinstance(one, EmitEvent) for one in effects(look))


@pytest.mark.parametrize("kind", RUNS)
def test_ref_and_pull_request_are_read(kind: str) -> None:
    notes = {**URL, f"{FEEDBACK}/ref": "refs/heads/main", f"{FEEDBACK}/pr-id": "7"}
    revision = seen(kind, notes).revision
    assert revision is not None
    assert (revision.ref, revision.pull_request) == ("refs/heads/main", 7)


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://github.com/acme/shop", "acme/shop"),
        ("https://git.example.org/books/anarchism/shop.git", "books/anarchism/shop"),
        ("https://github.com/acme", None),
    ],
)
def test_a_repository_may_be_in_a_group_of_a_group(url: str, slug: str | None) -> None:
    revision = seen("PipelineRun", {**URL, f"{FEEDBACK}/https-repo-url": url}).revision
    assert (revision and revision.repository.slug) == slug


@pytest.mark.parametrize("kind", ["PipelineRun", "TaskRun"])
def test_a_context_id_is_the_name_of_the_check_as_it_was_of_the_status(kind: str) -> None:
    look = seen(kind, {**OWNED, f"{INTEGRATION}/context-id": "build"})
    assert check_name(look) == "tekton: build"


def test_without_a_context_id_nothing_fails() -> None:
    assert check_name(seen("PipelineRun", OWNED)) == "tekton / build"


def test_a_status_that_was_asked_for_or_written_changes_nothing() -> None:
    more = {f"{INTEGRATION}/github-commit-status": "false", f"{INTEGRATION}/last-status": "x"}
    assert checks(seen("PipelineRun", {**OWNED, **more})) == checks(seen("PipelineRun", OWNED))


@pytest.mark.parametrize("base", ["https://d.example", "https://d.example/"])
def test_the_dashboard_of_a_run_is_linked(base: str) -> None:
    look = seen("PipelineRun", {**OWNED, f"{INTEGRATION}/tekton-dashboard-base-url": base})
    assert look.dashboard_url == "https://d.example/#/namespaces/ci/pipelineruns/build-abc"

"""What expressions and texts are told of a run: every field as documented, whatever the run is.

The engines that read it are in tests/test_cel.py and tests/test_templates.py.
"""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core.model import Conclusion, Phase, Repository, Step
from ghapp.core.rule import FIELDS, Failed, documented, run_facts
from tests.core.builders import COMMIT, REVISION, T0, at, release_look, run_look

FACTS = {
    "kind": "PipelineRun",
    "cluster": "default",
    "namespace": "ci",
    "name": "build-1",
    "uid": "5e1f0c9a-7a3e-4d52-9f55-2f6a3a0d1b11",
    "phase": "failed",
    "reason": "Failed",
    "message": "it is failed",
    "conclusion": "failure",
    "pipeline": "build",
    "checkName": "tekton / build",
    "environment": "dev",
    "version": "1.2.3",
    "commit": COMMIT,
    "ref": "refs/heads/main",
    "pullRequest": 7,
    "repository": {
        "host": "github.com",
        "owner": "acme",
        "name": "shop",
        "slug": "acme/shop",
        "url": "https://github.com/acme/shop",
    },
    "created": "2026-11-21T09:00:00Z",
    "started": "2026-11-21T09:00:01Z",
    "finished": "2026-11-21T09:00:31Z",
    "duration": 30.0,
    "results": {"image": "shop@sha256:1"},
    "steps": [
        {
            "name": "test",
            "phase": "failed",
            "detail": "exit code 1",
            "started": "2026-11-21T09:00:01Z",
            "finished": "2026-11-21T09:00:03Z",
            "duration": 2.5,
            "skipped": False,
        }
    ],
    "dashboardUrl": "https://dash.example/ci/build-1",
}


def test_a_run_is_told_in_full() -> None:
    look = run_look(
        Phase.FAILED,
        revision=replace(REVISION, pull_request=7),
        environment="dev",
        version="1.2.3",
        results=(("image", "shop@sha256:1"),),
        steps=(
            Step(
                name="test",
                phase=Phase.FAILED,
                detail="exit code 1",
                started=at(1),
                finished=at(3.5),
            ),
        ),
    )
    facts = run_facts(look, dashboard_url="https://dash.example/{namespace}/{name}")
    assert facts == FACTS


def test_what_is_not_known_is_empty_or_null() -> None:
    facts = run_facts(run_look(Phase.QUEUED, revision=None, steps=()))
    empty = {name for name, value in facts.items() if value in ("", [], {})}
    assert empty == {
        *("conclusion", "environment", "version", "commit", "ref", "results", "steps"),
        "dashboardUrl",
    }
    null = {name for name, value in facts.items() if value is None}
    assert null == {"pullRequest", "started", "finished", "duration"}
    assert set(facts["repository"].values()) == {""}


def test_every_field_is_documented_once() -> None:
    found = [
        *FACTS,
        *(f"repository.{name}" for name in FACTS["repository"]),  # type: ignore[attr-defined]
        *(f"steps[].{name}" for name in FACTS["steps"][0]),  # type: ignore[index]
    ]
    names = [name for name, _ in documented()]
    assert sorted(names) == sorted(found)
    assert len(set(names)) == len(names)
    assert all(meaning and "|" not in meaning for _, meaning in documented())
    assert [field.name for field in FIELDS] == list(FACTS)


@pytest.mark.parametrize("phase", Phase)
def test_a_conclusion_is_given_at_the_end_only(phase: Phase) -> None:
    conclusion = run_facts(run_look(phase))["conclusion"]
    assert bool(conclusion) is phase.finished


def test_a_conclusion_of_the_source_goes_first() -> None:
    look = run_look(Phase.FAILED, conclusion=Conclusion.TIMED_OUT)
    assert run_facts(look)["conclusion"] == "timed_out"


def test_the_cluster_is_in_front_of_the_checks_name_as_on_github() -> None:
    look = run_look()
    look = replace(look, subject=replace(look.subject, cluster="west"))
    assert run_facts(look)["checkName"] == "west / tekton / build"


def test_clocks_that_disagree_give_no_negative_duration() -> None:
    assert run_facts(run_look(Phase.FAILED, finished=T0 - timedelta(days=1)))["duration"] == 0


def test_no_credentials_are_told() -> None:
    secret = "cannot clone https://bob:hunter2@git.example/x"
    step = Step(name="clone", phase=Phase.FAILED, detail=secret)
    look = run_look(
        Phase.FAILED, message=secret, reason=secret, steps=(step,), results=(("url", secret),)
    )
    assert "hunter2" not in json.dumps(run_facts(look))


@given(
    st.sampled_from(list(Phase)),
    st.text(max_size=20),
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3),
    st.booleans(),
)
def test_facts_are_json_values(
    phase: Phase, word: str, results: list[tuple[str, str]], released: bool
) -> None:
    build = release_look if released else run_look
    repository = Repository(host=word, owner=word, name=word)
    look = build(
        phase,
        message=word,
        name=word,
        results=tuple(results),
        revision=replace(REVISION, repository=repository, ref=word),
    )
    facts = run_facts(look)
    assert json.loads(json.dumps(facts)) == facts


def test_a_failure_is_no_match() -> None:
    assert not Failed("it has no name")

"""Which tasks a run may be repeated without, and what takes the place of what they gave.

That the copy is otherwise as clean as any is `test_copies.py`.
"""

from typing import Any

import pytest

from adapters._read.tekton_resume import resumed
from adapters.tekton_pipelinerun import pieces
from ghapp.core.model import Verb
from ghapp.errors import Refused
from tests.adapters import recorded

Json = dict[str, Any]


def ran(task: str, status: str = "True", **results: Any) -> Json:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": f"run-{task}",
            "namespace": "ci",
            "uid": f"uid-{task}",
            "creationTimestamp": "2026-05-04T02:00:00Z",
            "labels": {"tekton.dev/pipelineTask": task},
            "ownerReferences": [
                {"kind": "PipelineRun", "name": "r", "uid": "u", "controller": True}
            ],
        },
        "status": {
            "conditions": [{"type": "Succeeded", "status": status}],
            "startTime": "2026-05-04T02:00:00Z",
            "completionTime": "2026-05-04T02:00:30Z",
            "results": [{"name": name, "value": value} for name, value in results.items()],
        },
    }


def task(name: str, *after: str, **fields: Any) -> Json:
    more = {"runAfter": list(after)} if after else {}
    return {"name": name, "taskRef": {"name": name}, **more, **fields}


def spec(*tasks: Json, **fields: Any) -> Json:
    last = fields.pop("last", [])
    pipeline = {"tasks": list(tasks), **({"finally": last} if last else {})}
    return {"pipelineSpec": {**pipeline, **fields.pop("pipeline", {})}, **fields}


def names(cut: Json) -> list[str]:
    return [one["name"] for one in cut["pipelineSpec"]["tasks"]]


def param(value: Any) -> Json:
    return {"params": [{"name": "it", "value": value}]}


def value_of(cut: Json) -> Any:
    return cut["pipelineSpec"]["tasks"][0]["params"][0]["value"]


GOOD, BAD = ran("build"), ran("test", "False")


def test_what_succeeded_is_left_out_and_nothing_waits_for_it() -> None:
    given = spec(task("build"), task("lint"), task("test", "build", "lint"))
    cut = resumed(given, [GOOD, ran("lint", "False"), BAD])
    assert names(cut) == ["lint", "test"]
    assert cut["pipelineSpec"]["tasks"][1]["runAfter"] == ["lint"]
    assert names(resumed(given, [GOOD, ran("lint"), BAD])) == ["test"]
    assert "runAfter" not in resumed(given, [GOOD, ran("lint"), BAD])["pipelineSpec"]["tasks"][0]


def test_what_came_after_a_failure_that_did_not_count_runs_again_too() -> None:
    given = spec(task("scan", onError="continue"), task("build", "scan"), task("test"))
    with pytest.raises(Refused, match="no task could be left out"):
        resumed(given, [ran("scan", "False"), GOOD, BAD])


def test_what_comes_finally_runs_again() -> None:
    last = [task("tell", **param("$(tasks.build.status) $(tasks.test.status) $(tasks.status)"))]
    cut = resumed(spec(task("build"), task("test"), last=last), [GOOD, BAD, ran("tell")])
    (tell,) = cut["pipelineSpec"]["finally"]
    assert tell["params"][0]["value"] == "Succeeded $(tasks.test.status) $(tasks.status)"
    with pytest.raises(Refused, match="under finally"):
        resumed(spec(task("build"), last=last), [GOOD, ran("tell", "False")])


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("$(tasks.build.results.image)", "ghcr.io/acme/shop:1"),
        ("x-$(tasks.build.results.image)-$(params.y)", "x-ghcr.io/acme/shop:1-$(params.y)"),
        ('$(tasks.build.results["image"])', "ghcr.io/acme/shop:1"),
        ("$(tasks.build.results.list[*])", ["a", "b"]),
        ("$(tasks.build.results.list[1])", "b"),
        ("$(tasks.build.results.map.key)", "v"),
        ("$(tasks.build.results.map[*])", {"key": "v"}),
        (["1", "$(tasks.build.results.list[*])"], ["1", "a", "b"]),
    ],
)
def test_results_are_written_in_as_tekton_would_have_done(asked: Any, written: Any) -> None:
    build = ran("build", image="ghcr.io/acme/shop:1", list=["a", "b"], map={"key": "v"})
    cut = resumed(spec(task("build"), task("test", **param(asked))), [build, BAD])
    assert value_of(cut) == written


def test_a_task_that_gives_the_pipelines_results_runs_again() -> None:
    results = [{"name": "image", "value": "$(tasks.build.results.image)"}]
    tasks = (task("lint"), task("build"), task("sign", "build"), task("test"))
    parts = [ran("lint"), ran("build", image="i"), ran("sign"), BAD]
    cut = resumed(spec(*tasks, pipeline={"results": results}), parts)
    assert names(cut) == ["build", "sign", "test"]
    assert cut["pipelineSpec"]["results"] == results


@pytest.mark.parametrize(
    ("asked", "given", "why"),
    [
        ("$(tasks.build.results.gone)", {}, "result gone of build, which is not known"),
        ("$(tasks.build.results.list[7])", {"list": ["a"]}, "which is not known"),
        ("-$(tasks.build.results.list[*])", {"list": ["a"]}, "which is no text"),
        ("$(tasks.build.reason)", {}, "needs reason of build"),
        ("$(tasks.build.results.evil)", {"evil": "$(params.token)"}, "looks like a variable"),
        ("$(tasks.build.results.evil[*])", {"evil": ["$(params.token)"]}, "looks like a variable"),
    ],
)
def test_what_cannot_be_written_in_is_said(asked: str, given: Json, why: str) -> None:
    with pytest.raises(Refused, match=why):
        resumed(spec(task("build"), task("test", **param(asked))), [ran("build", **given), BAD])


def test_the_results_of_a_matrix_are_too_many_to_write_in() -> None:
    given = spec(task("build"), task("test", **param("$(tasks.build.results.image[*])")))
    with pytest.raises(Refused, match="not known"):
        resumed(given, [ran("build", image="a"), ran("build", image="b"), BAD])


VOLUMES = [
    ({"volumeClaimTemplate": {}}, False),
    ({"persistentVolumeClaim": {"claimName": "c"}}, False),
    ({"csi": {"driver": "d"}}, False),
    ({"emptyDir": {}}, True),
    ({"secret": {"secretName": "s"}}, True),
    ({"configMap": {"name": "c"}}, True),
]


@pytest.mark.parametrize(("binding", "safe"), VOLUMES)
@pytest.mark.parametrize("how", ["named", "embedded"])
def test_what_was_left_in_a_volume_is_missed(binding: Json, safe: bool, how: str) -> None:
    fields: Json = (
        {"workspaces": [{"name": "src", "workspace": "source"}]}
        if how == "named"
        else {"taskSpec": {"steps": []}}
    )
    bound = [{"name": "source", **binding}]
    given = spec(task("build", **fields), task("test", **fields), workspaces=bound)
    if safe:
        assert names(resumed(given, [GOOD, BAD])) == ["test"]
    else:
        with pytest.raises(Refused, match="test may need what build left in the volume"):
            resumed(given, [GOOD, BAD])


def test_a_volume_of_others_is_none_of_its_business() -> None:
    uses = {"workspaces": [{"name": "source"}]}
    bound = [{"name": "source", "volumeClaimTemplate": {}}]
    given = spec(task("build"), task("test", **uses), workspaces=bound)
    assert names(resumed(given, [GOOD, BAD])) == ["test"]


def test_a_pipeline_that_is_referred_to_is_repeated_as_a_whole() -> None:
    with pytest.raises(Refused, match="pipelineSpec of its own"):
        resumed({"pipelineRef": {"name": "build"}}, [GOOD, BAD])


def test_settings_of_a_task_that_is_left_out_go_with_it() -> None:
    settings = [{"pipelineTaskName": "build"}, {"pipelineTaskName": "test"}]
    cut = resumed(spec(task("build"), task("test"), taskRunSpecs=settings), [GOOD, BAD])
    assert cut["taskRunSpecs"] == [{"pipelineTaskName": "test"}]


def test_what_a_task_run_says_that_is_gone_runs_again() -> None:
    assert names(resumed(spec(task("build"), task("lint"), task("test")), [GOOD, BAD])) == [
        "lint",
        "test",
    ]


def run_of(**fields: Any) -> Json:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": "r",
            "namespace": "ci",
            "uid": "u",
            "creationTimestamp": "2026-05-04T02:00:00Z",
        },
        "spec": spec(task("build"), task("test")),
        "status": {
            "conditions": [{"type": "Succeeded", "status": "False", "reason": "Failed"}],
            "startTime": "2026-05-04T02:00:00Z",
            "completionTime": "2026-05-04T02:01:00Z",
            "childReferences": [
                {
                    "apiVersion": "tekton.dev/v1",
                    "kind": "TaskRun",
                    "name": "run-build",
                    "pipelineTaskName": "build",
                },
                {"kind": "Other", "name": "x", "pipelineTaskName": "test"},
            ],
        },
        **fields,
    }


def verbs(run: Json, *children: Json) -> tuple[Verb, ...]:
    look = recorded.observe(run, children=children)
    assert look is not None
    return look.verbs


def test_it_is_offered_where_something_failed_and_something_succeeded() -> None:
    assert verbs(run_of(), GOOD, BAD) == (Verb.RERUN, Verb.RERUN_FAILED)
    assert verbs(run_of(), BAD) == (Verb.RERUN,)
    referred = run_of(spec={"pipelineRef": {"name": "build"}})
    assert verbs(referred, GOOD, BAD) == (Verb.RERUN,)


def test_the_parts_to_ask_for_are_those_that_the_run_names() -> None:
    assert [(ref.resource, ref.name) for ref in pieces(run_of())] == [
        ("tekton.dev/v1/taskruns", "run-build")
    ]
    assert pieces({"status": 7}) == ()

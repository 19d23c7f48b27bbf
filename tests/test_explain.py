"""`checkrail explain`: what is read, which documents belong together, which rule found the commit.

What an object becomes is the adapters' and the kernel's matter; the command itself is cli's.
"""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ghapp import discovery, explain, explain_text
from ghapp.core.access import Person
from ghapp.documents.config import load
from ghapp.errors import ConfigError
from ghapp.explain import Explained, Explainer
from tests.adapters.flux import SHA, applied, chart, git, kustomization, oci
from tests.adapters.test_flux_revision import OWNED, podinfo
from tests.adapters.test_tekton import condition, run, task_run

PASSWORD = "ghs_s3cret"


def explained(*documents: dict[str, Any]) -> list[Explained]:
    return Explainer(adapters=discovery.adapters()).explain(documents)


def text_of(one: Explained) -> str:
    console = Console(file=StringIO(), width=200)
    explain_text.show(one, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_release_is_explained_by_the_documents_around_it() -> None:
    release, *_ = explained(podinfo(OWNED), kustomization(applied()), git())
    found = release.as_json()
    assert found["revision"]["commit"] == SHA
    assert [(one["rule"], one["matched"]) for one in found["resolution"]] == [
        ("checkrail.dev", False),
        ("event.toolkit.fluxcd.io", False),
        ("kustomize.toolkit.fluxcd.io", True),
    ]


def test_without_them_every_rule_says_what_it_misses() -> None:
    (release,) = explained(podinfo(OWNED))
    found = release.as_json()
    assert found["revision"] is None
    whys = {one["rule"]: one["why"] for one in found["resolution"]}
    assert whys["kustomize.toolkit.fluxcd.io"] == "the Kustomization flux-system/apps was not seen"
    text = text_of(release)
    assert "which commit is it about?" in text
    assert "the Kustomization flux-system/apps was not seen" in text


def test_objects_of_another_namespace_are_not_those_referred_to() -> None:
    elsewhere = kustomization(applied(), metadata={"namespace": "tenant"})
    assert explained(podinfo(OWNED), elsewhere, git())[0].as_json()["revision"] is None


def test_children_among_the_documents_are_the_steps() -> None:
    parent = run(condition("Unknown", "Running"))
    (found, child) = explained(parent, task_run(condition("Unknown", "Running"), task="unit"))
    assert found.seen is not None
    assert [step.name for step in found.seen.look.steps] == ["unit"]
    assert child.skipped


def test_what_is_no_source_is_skipped_with_the_reason() -> None:
    for one in explained(git(), oci(), chart(), {"kind": "Pod", "metadata": {"name": "x"}}):
        assert "no source reads" in one.skipped
        assert one.as_json()["subject"] is None
        assert "skipped" in text_of(one)


def test_no_password_is_explained() -> None:
    source = git(url=f"https://x-access-token:{PASSWORD}@github.com/acme/fleet")
    notes = {"checkrail.dev/repository": f"https://u:{PASSWORD}@", "checkrail.dev/commit": SHA}
    for one in explained(
        podinfo(OWNED), kustomization(applied()), source, run(metadata={"annotations": notes})
    ):
        assert PASSWORD not in json.dumps(one.as_json()) + text_of(one)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there is no object in it"),
        ("- 1", "expected Kubernetes objects, found list"),
        ("a: [", ":1:"),
        ("\x00", "not YAML or JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as error:
        explain.read(str(path))
    assert "objects.yaml" in str(error.value)


def test_lists_and_several_documents_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "objects.yaml"
    items = {"apiVersion": "v1", "kind": "List", "items": [git(), kustomization(applied())]}
    path.write_text(f"{json.dumps(items)}\n---\n{json.dumps(podinfo(OWNED))}\n", encoding="utf-8")
    kinds = [document["kind"] for document in explain.read(str(path))]
    assert kinds == ["GitRepository", "Kustomization", "HelmRelease"]


# -- who may --------------------------------------------------------------------------------------

DOCUMENTS = """
apiVersion: checkrail.dev/v1alpha1
kind: Pipeline
metadata: {name: podinfo, namespace: apps}
spec:
  appRef: {apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, name: podinfo}
  environments:
    - name: dev
      targets: [{namespace: NAMESPACE}]
    - name: staging
      targets: [{namespace: staging}]
  promotion:
    strategy:
      pull-request: {url: https://github.com/acme/gitops, baseBranch: main}
---
apiVersion: checkrail.dev/v1alpha1
kind: AccessPolicy
metadata: {name: staging}
spec:
  environments: [staging]
  rules:
    - {actions: [promote, approve], teams: [acme/release], notAuthor: true, approvals: 2}
"""


def asked(folder: Path, action: Any = "promote", environment: str = "", **facts: Any) -> Explained:
    release = podinfo(OWNED)
    file = folder / "documents.yaml"
    file.write_text(DOCUMENTS.replace("NAMESPACE", release["metadata"]["namespace"]))
    asking = explain.Asking(
        person=Person(login="ann", **facts), action=action, environment=environment
    )
    explainer = Explainer(adapters=discovery.adapters(), config=load(file), asking=asking)
    return explainer.explain([release, kustomization(applied()), git()])[0]


MEMBER: dict[str, Any] = {"teams": frozenset({"acme/release"}), "authors": frozenset({"bob"})}


def test_whether_a_person_may_is_said_with_the_reason(tmp_path: Path) -> None:
    yes = asked(tmp_path, **MEMBER)
    assert yes.as_json()["access"] == {
        "allowed": True,
        "why": "AccessPolicy staging: in acme/release",
        "approvals": 2,
        "environment": "staging",
    }
    assert "as one of 2 who have to ask for it" in text_of(yes)
    no = asked(tmp_path, role="admin")
    assert "no: it needs to be in acme/release, and you have admin" in text_of(no)
    assert not asked(tmp_path, teams=MEMBER["teams"], authors=frozenset({"ann"})).as_json()[
        "access"
    ]["allowed"]


def test_each_action_is_asked_about_by_itself(tmp_path: Path) -> None:
    assert asked(tmp_path, "rerun", role="write").as_json()["access"]["allowed"]
    assert not asked(tmp_path, "rerun", role="read").as_json()["access"]["allowed"]
    wrong = asked(tmp_path, environment="prod", **MEMBER).as_json()["access"]
    assert wrong["why"] == "it leads to staging, not to prod"


def test_what_is_not_possible_is_not_said_to_be_allowed(tmp_path: Path) -> None:
    for action in ("cancel", "reconcile", "rerun"):
        said = asked(tmp_path, action, role="admin").as_json()["access"]
        assert said["allowed"] is (action != "cancel")
    assert (
        "has nothing of the kind"
        in asked(tmp_path, "cancel", role="admin").as_json()["access"]["why"]
    )
    person = Person(login="ann", role="admin")
    alone = explain.Asking(person=person, action="promote", environment="")
    explainer = Explainer(adapters=discovery.adapters(), asking=alone)
    said = explainer.explain([podinfo(OWNED), kustomization(applied()), git()])[0].as_json()[
        "access"
    ]
    assert (said["allowed"], said["why"]) == (False, "no Pipeline document says where to")


def test_where_nobody_asks_nothing_is_said() -> None:
    assert "access" not in explained(podinfo(OWNED))[0].as_json()

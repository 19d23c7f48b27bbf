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

"""Whatever parses is moved over, or refused with a sentence: the result is always valid.

Values of any shape in place of those that are meant, names that are none, texts that try to end a
comment, objects that are many.
"""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ghapp import moving
from ghapp.documents import config, reading
from ghapp.errors import CheckrailError, ConfigError
from ghapp.migrate._source import Source, one_line
from ghapp.migrate._tool import Options
from ghapp.moving import Found, Result
from tests.migrate import rig

NASTY = (
    "",
    "x\n---\nkind: Evil\n",
    "# x\r\u2028apiVersion: v1",
    "\x00\x85\ud800",
    "yes",
    "1e3",
    "{{ x }}{% y",
    "a" * 5_000,
    "*",
    "https://u:secretsecret@h/x",
    "..",
    "é😀",
)
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(NASTY))
SCALARS = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats())
VALUES = st.recursive(
    SCALARS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=6,
)
SOURCES = [
    source
    for path in sorted(rig.CASES.iterdir())
    for source in moving.read_files([path], rig.TOOLS).sources
]


def result_of(*sources: Source) -> Result:
    """Moved; what comes out can be read again, and says nothing secret."""
    result = moving.moved(Found(sources=sources), rig.TOOLS, Options())
    file = reading.parse(result.text.encode(), "result")
    assert file.mistakes == ()
    for document in file.documents:
        assert document.mistakes == ()
        config.read_object(document.value)
        assert document.value["apiVersion"] == "checkrail.dev/v1alpha1"
    assert "secretsecret" not in result.text + "".join(rig.said(result))
    assert len(result.rows) == len(sources)
    return result


def places(value: Any, path: reading.Steps = ()) -> list[reading.Steps]:
    """Every value in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        found
        for step, one in items
        for found in [(*path, step), *(places(one, (*path, step)) if _holds(one) else [])]
    ]


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list)


def put(value: Any, path: reading.Steps, new: Any) -> Any:
    changed = copy.deepcopy(value)
    owner = changed
    for step in path[:-1]:
        owner = owner[step]
    owner[path[-1]] = new
    return changed


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_value_in_any_place_gives_valid_documents(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(SOURCES))
    value = source.value
    for _ in range(data.draw(st.integers(1, 3))):
        inside = [path for path in places(value) if path[0] not in ("apiVersion", "kind")]
        if inside:
            value = put(value, data.draw(st.sampled_from(inside)), data.draw(VALUES))
    if "kind" not in value and not any(tool.reads(value) for tool in rig.TOOLS):
        return
    try:
        again = moving._source(dict(value), "x:1", "")
    except ConfigError:
        return
    result_of(again)


@settings(max_examples=60, deadline=None)
@given(st.data(), VALUES)
def test_any_spec_of_any_kind_gives_valid_documents(data: st.DataObject, spec: Any) -> None:
    resource = data.draw(st.sampled_from([one for tool in rig.TOOLS for one in tool.resources]))
    result_of(
        Source(
            value={
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {"name": "x", "namespace": "n", "labels": spec},
                "spec": spec,
                "data": spec,
                "events": spec,
            },
            origin="x:1",
            namespace="n",
            name="x",
        )
    )


@given(st.text())
def test_a_comment_is_one_line_of_plain_text(text: str) -> None:
    line = one_line(text)
    assert not re.search(r"[\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\u202e]", line)
    assert len(line.splitlines()) <= 1
    line.encode()


@pytest.mark.parametrize("nasty", NASTY)
def test_names_of_any_kind_do_not_break_out(nasty: str, tmp_path: Path) -> None:
    value = {
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": "Alert",
        "metadata": {"name": nasty or "x", "namespace": nasty, nasty: nasty},
        "spec": {nasty: nasty, "eventSources": [{"kind": "HelmRelease", "name": nasty}]},
    }
    result_of(Source(value=value, origin=nasty, namespace=nasty, name=nasty or "x"))


def test_many_objects_of_one_name_wish_take_no_long_time() -> None:
    whole = {
        "apiVersion": "standard.oam.dev/v1alpha1",
        "kind": "TriggerService",
        "metadata": {"name": "x", "namespace": "n"},
    }
    many = [Source(value=whole, origin="x", namespace="n", name=f"x{at}") for at in range(5_000)]
    assert len(moving.moved(Found(sources=tuple(many)), rig.TOOLS, Options()).rows) == 5_000


def test_a_result_that_could_not_be_read_again_is_refused() -> None:
    value = {
        "apiVersion": "pipelinesascode.tekton.dev/v1alpha1",
        "kind": "Repository",
        "metadata": {"name": "x", "namespace": "n"},
        "spec": {"url": "https://github.com/a/b", **{f"x{at}": 1 for at in range(20_000)}},
    }
    with pytest.raises(ConfigError, match="longer than 1 MiB"):
        moving.moved(
            Found(sources=(Source(value=value, origin="x", namespace="n", name="x"),)),
            rig.TOOLS,
            Options(),
        )


def test_a_list_of_selectors_that_is_too_long_is_told() -> None:
    value = {
        "apiVersion": "pipelinesfeedback.keskad.pl/v1alpha1",
        "kind": "PFConfig",
        "metadata": {"name": "x", "namespace": "n"},
        "spec": {"jobDiscovery": {"labelSelector": [{"matchLabels": {"a": "b"}}] * 51}},
        "data": {},
    }
    result = result_of(Source(value=value, origin="x", namespace="n", name="x"))
    assert any("more than 50 selectors" in note for note in rig.said(result))


# --- files ----------------------------------------------------------------------------------------

ALERT = "kind: Alert\napiVersion: notification.toolkit.fluxcd.io/v1\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "is not YAML"),
        (ALERT, "has no metadata.name"),
        (f"{ALERT}metadata: {{name: a, namespace: [b]}}\n", "metadata.namespace is no name"),
        (f"{ALERT}metadata: {{name: A b}}\n", "metadata.name is no name"),
        (f"{ALERT}metadata: {{name: a}}\nspec: {{a: 1, a: 2}}\n", "is given twice"),
    ],
)
def test_mistakes_of_files_have_file_and_line(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        rig.found(tmp_path / "x.yaml", text)
    assert "x.yaml:" in str(caught.value)


def test_of_a_folder_what_is_no_yaml_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "templates.yaml").write_text("{{- if .Values.x }}\na: b\n{{- end }}\n")
    (tmp_path / ".git" / "x.yaml").write_text("a: [")
    (tmp_path / "readme.md").write_text("a: [")
    (tmp_path / "deep" / "er" / "x.yml").write_text((rig.CASES / "flux.yaml").read_text())
    found = moving.read_files([tmp_path], rig.TOOLS)
    assert len(found.sources) == 9
    (unread,) = found.unread
    assert "templates.yaml" in unread


def test_one_object_twice_is_one_and_two_that_differ_are_a_mistake(tmp_path: Path) -> None:
    text = (rig.CASES / "kube_trigger.yaml").read_text()
    twice = rig.found(tmp_path / "x.yaml", f"{text}---\n{text}")
    assert len(moving.moved(twice, rig.TOOLS, Options()).rows) == 2
    differ = rig.found(tmp_path / "x.yaml", f"{text}---\n{text.replace('cronjob', 'other')}")
    with pytest.raises(CheckrailError, match=r"x\.yaml:\d+:\d+: TriggerService .* differs"):
        moving.moved(differ, rig.TOOLS, Options())


def test_an_object_without_a_namespace_has_the_one_that_is_named(tmp_path: Path) -> None:
    text = "kind: Repository\napiVersion: pipelinesascode.tekton.dev/v1alpha1\n"
    text += "metadata: {name: a}\nspec: {url: https://github.com/a/b}\n"
    for namespace, meant in (("", "default"), ("apps", "apps")):
        found = rig.found(tmp_path / "x.yaml", text, namespace=namespace)
        result = moving.moved(found, rig.TOOLS, Options())
        assert f"TrustPolicy {meant}-a" in rig.documents_of(result)
        assert any(f"{meant} is meant" in note for note in rig.said(result))

"""Which documents are about a run, who is told, and who has the last word on how it looks.

Expressions and templates have tests of their own (`tests/test_cel.py`, `tests/test_templates.py`).
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.audience import CLUSTER, LOCAL_FILE, NAMESPACE, Heard, hear, phase_before, selects
from ghapp.core.case import Case
from ghapp.core.decide import decide
from ghapp.core.effects import EmitEvent, SetCheck
from ghapp.core.model import Milestone, Observation, Phase, Verb
from ghapp.core.notification import LabelSelector, Notification, NotificationSpec, seconds
from ghapp.core.provider import Provider
from ghapp.core.seen import Seen
from ghapp.documents.compiled import compile_documents
from ghapp.documents.config import Config
from tests.core.builders import RULES, run_look

BUILT_IN = ("github-check",)


def provider(name: str) -> Provider:
    return Provider(
        id=f"clusterprovider/{name}",
        kind="ClusterProvider",
        namespace="",
        name=name,
        type="cdevents",
        settings={"url": "http://x"},
    )


def notification(
    name: str = "n", *, namespace: str = "ci", rank: int = NAMESPACE, **spec: Any
) -> Notification:
    kind: Any = "Notification" if namespace else "ClusterNotification"
    return Notification(
        kind=kind,
        namespace=namespace,
        name=name,
        spec=msgspec.convert(spec, NotificationSpec),
        rank=rank,
    )


def heard(
    *documents: Notification,
    look: Observation | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    old_phase: str = "",
) -> Heard:
    metadata = {"labels": labels or {}, "annotations": annotations or {}}
    raw = msgspec.json.encode({"metadata": metadata})
    config = Config(notifications=documents, providers=tuple(map(provider, ("a", "b"))))
    compiled = compile_documents(config, BUILT_IN, cluster="default")
    case = Case(look=look or run_look(), raw=raw, old_phase=old_phase)
    return hear(compiled.listening, case)


def matched(*documents: Notification, **changes: Any) -> list[str]:
    return [one.name for one in heard(*documents, **changes).matched if one.rank]


def test_without_documents_the_environments_providers_are_told_of_everything() -> None:
    found = heard()
    assert found.audience.providers == BUILT_IN
    assert found.audience.recipients[0].milestones == tuple(Milestone)


def test_a_default_of_ones_own_stands_in_its_place() -> None:
    mine = notification("default", namespace="", rank=CLUSTER, providerRefs=[{"name": "a"}])
    assert heard(mine).audience.providers == ("clusterprovider/a",)
    other = notification("other", namespace="", rank=CLUSTER, providerRefs=[{"name": "a"}])
    assert heard(other).audience.providers == ("clusterprovider/a", "github-check")


def test_the_environments_app_is_told_once_by_whatever_name_it_is_called() -> None:
    """Two sinks would make two checks of one name."""
    app = Provider(
        id="clusterprovider/github",
        kind="ClusterProvider",
        namespace="",
        name="github",
        type="github",
        settings={},
        place="github-check",
    )
    mine = notification("mine", providerRefs=[{"name": "github", "kind": "ClusterProvider"}])
    mute = notification("default", namespace="", rank=CLUSTER)

    def told(*documents: Notification) -> tuple[str, ...]:
        config = Config(notifications=documents, providers=(app,))
        compiled = compile_documents(config, BUILT_IN, cluster="default")
        return hear(compiled.listening, Case(look=run_look())).audience.providers

    assert told(mine) == BUILT_IN
    assert told(mine, mute) == ("clusterprovider/github",)


def test_a_notification_is_about_its_own_namespace_only() -> None:
    assert matched(notification(namespace="ci")) == ["n"]
    assert matched(notification(namespace="other")) == []
    assert matched(notification(namespace="", rank=CLUSTER)) == ["n"]


@pytest.mark.parametrize(
    ("chosen", "about"),
    [
        ({}, True),
        ({"kinds": ["PipelineRun"]}, True),
        ({"kinds": ["Helm*", "Pipeline*"]}, True),
        ({"kinds": ["Job"]}, False),
        ({"clusters": ["default"]}, True),
        ({"clusters": ["prod-*"]}, False),
        ({"phases": ["running"]}, True),
        ({"phases": ["failed", "errored"]}, False),
        ({"oldPhases": ["queued"]}, True),
        ({"oldPhases": ["failed"]}, False),
        ({"labelSelector": {"matchLabels": {"team": "shop"}}}, True),
        ({"labelSelector": {"matchLabels": {"team": "pay"}}}, False),
        ({"annotations": [{"name": "tier"}]}, True),
        ({"annotations": [{"name": "tier", "values": ["gold", "x"]}]}, True),
        ({"annotations": [{"name": "tier", "values": ["x"]}]}, False),
        ({"annotations": [{"name": "none"}]}, False),
        ({"results": [{"name": "image"}]}, True),
        ({"results": [{"name": "image", "values": ["other"]}]}, False),
        ({"expression": "run.kind == 'PipelineRun' && oldPhase == 'queued'"}, True),
        ({"expression": "object.metadata.labels.team == 'pay'"}, False),
        ({"kinds": ["PipelineRun"], "phases": ["failed"]}, False),
    ],
)
def test_all_of_a_filter_has_to_hold(chosen: dict[str, Any], about: bool) -> None:
    found = matched(
        notification(filter=chosen),
        look=run_look(Phase.RUNNING, results=(("image", "shop:1"),)),
        labels={"team": "shop"},
        annotations={"tier": "gold"},
        old_phase="queued",
    )
    assert found == (["n"] if about else [])


def test_a_suspended_document_is_as_if_it_were_not_there() -> None:
    assert matched(notification(suspend=True)) == []


def test_namespaces_of_a_cluster_notification_are_patterns() -> None:
    assert matched(
        notification(namespace="", rank=CLUSTER, filter={"namespaces": ["c?", "x"]})
    ) == ["n"]
    assert (
        matched(notification(namespace="", rank=CLUSTER, filter={"namespaces": ["prod-*"]})) == []
    )


@pytest.mark.parametrize(
    ("requirement", "labels", "selected"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, {"a": "2"}, True),
        ({"key": "a", "operator": "In", "values": ["1"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {"a": "1"}, False),
        ({"key": "a", "operator": "Exists"}, {"a": ""}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": ""}, False),
    ],
)
def test_a_label_selector_is_kubernetes(
    requirement: dict[str, Any], labels: dict[str, str], selected: bool
) -> None:
    selector = msgspec.convert({"matchExpressions": [requirement]}, LabelSelector)
    assert selects(selector, labels) is selected


# --- who has the last word ------------------------------------------------------------------------


def test_the_last_word_goes_from_file_to_cluster_to_namespace() -> None:
    documents = [
        notification("f", namespace="", rank=LOCAL_FILE, message="file", checkName="file"),
        notification("c", namespace="", rank=CLUSTER, message="cluster", checkName="cluster"),
        notification("n", rank=NAMESPACE, message="namespace"),
    ]
    for order in (documents, documents[::-1]):
        shown = heard(*order).audience.presentation
        assert (shown.message, shown.check_name) == ("namespace", "cluster")


def test_within_a_scope_priority_counts_and_then_the_name() -> None:
    low, high = notification("z", message="low"), notification("a", message="high", priority=1)
    assert heard(low, high).audience.presentation.message == "high"
    first, second = notification("a", message="a"), notification("b", message="b")
    assert heard(second, first).audience.presentation.message == "b"


def test_it_is_known_who_had_the_last_word() -> None:
    found = heard(
        notification("c", namespace="", rank=CLUSTER, logs={"lines": 5, "when": "never"}),
        notification("n", logs={"lines": 7}),
    )
    said = {one.name: (one.value, one.said_by) for one in found.settings}
    assert said == {
        "logs.lines": (7, "Notification ci/n"),
        "logs.when": ("never", "ClusterNotification c"),
    }
    assert found.audience.presentation.logs.lines == 7
    assert found.audience.presentation.logs.when == "never"


def test_an_empty_list_of_buttons_is_a_last_word_too() -> None:
    documents = [
        notification("c", namespace="", rank=CLUSTER, buttons=["rerun"]),
        notification("n", buttons=[]),
    ]
    assert heard(*documents).audience.presentation.buttons == ()
    assert heard(documents[0]).audience.presentation.buttons == (Verb.RERUN,)


def test_what_fails_counts_for_nothing_and_is_said() -> None:
    broken = notification("a", filter={"expression": "run.results['x'] == '1'"}, message="no")
    text = notification("b", message="{{ run.steps[3].name }}")
    found = heard(broken, text, notification("c", summary="fine"))
    assert {document.name for document, _ in found.failures} == {"a", "b"}
    assert found.audience.presentation.message == ""
    assert found.audience.presentation.summary == "fine"


@given(st.permutations(range(4)))
def test_the_order_of_documents_does_not_matter(order: Sequence[int]) -> None:
    documents = [
        notification("a", message="a", priority=2),
        notification("b", message="b", checkName="b"),
        notification("c", namespace="", rank=CLUSTER, summary="c", providerRefs=[{"name": "a"}]),
        notification("d", namespace="", rank=CLUSTER, providerRefs=[{"name": "b"}, {"name": "a"}]),
    ]
    plain = heard(*documents).audience
    assert heard(*(documents[index] for index in order)).audience == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("1m30s", 90), ("1h", 3600), ("250ms", 0.25), ("1.5s", 1.5), ("0s", 0)],
)
def test_a_duration_is_gos(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


# --- what is told does not depend on how often we looked ------------------------------------------

FILTERS: list[dict[str, Any]] = [
    {},
    {"milestones": ["finished"]},
    {"phases": ["failed"]},
    {"phases": ["queued", "succeeded"]},
    {"oldPhases": ["queued"]},
    {"expression": "run.phase == 'running'"},
    {"milestones": ["started"], "phases": ["failed"]},
]


def _told(chosen: dict[str, Any], looks: Sequence[Observation]) -> list[str]:
    """Types of the events that provider a gets."""
    document = notification(filter=chosen, providerRefs=[{"name": "a", "kind": "ClusterProvider"}])
    before: Seen | None = None
    told: list[str] = []
    for look in looks:
        was, remembered = (before.look, before.old_phase) if before else (None, "")
        found = heard(document, look=look, old_phase=phase_before(look, was, remembered))
        decision = decide(before, look, audience=found.audience, rules=RULES)
        before = decision.seen[-1] if decision.seen else before
        told += [
            effect.type
            for effect in decision.effects
            if isinstance(effect, EmitEvent) and "clusterprovider/a" in effect.to
        ]
    return told


@given(
    st.sampled_from(FILTERS),
    st.sampled_from([Phase.SUCCEEDED, Phase.FAILED]),
    st.sets(st.sampled_from([0, 1])),
)
def test_events_do_not_depend_on_how_often_we_looked(
    chosen: dict[str, Any], end: Phase, dropped: set[int]
) -> None:
    looks = [run_look(Phase.QUEUED), run_look(Phase.RUNNING), run_look(end)]
    kept = [look for index, look in enumerate(looks) if index not in dropped]
    repeated = [look for look in kept for _ in range(2)]
    assert _told(chosen, repeated) == _told(chosen, looks)


def test_who_was_shown_the_begin_of_a_check_sees_its_end() -> None:
    running = heard(
        notification(
            filter={"phases": ["running"]},
            providerRefs=[{"name": "a", "kind": "ClusterProvider"}],
        )
    ).audience
    first = decide(None, run_look(Phase.RUNNING), audience=running, rules=RULES)
    nobody = heard().audience
    ended = decide(first.seen[-1], run_look(Phase.FAILED), audience=nobody, rules=RULES)
    (check,) = [effect for effect in ended.effects if isinstance(effect, SetCheck)]
    assert check.to == ("clusterprovider/a", "github-check")


def test_a_provider_that_comes_later_is_shown_the_check_as_it_is_and_nobody_else() -> None:
    look = run_look(Phase.RUNNING)
    first = decide(None, look, audience=heard().audience, rules=RULES)
    refs = [{"name": "a", "kind": "ClusterProvider"}]
    joined = heard(notification(providerRefs=refs)).audience
    second = decide(first.seen[-1], look, audience=joined, rules=RULES)
    (check,) = second.effects
    assert isinstance(check, SetCheck)
    assert check.to == ("clusterprovider/a",)
    third = decide(second.seen[-1], look, audience=joined, rules=RULES)
    assert third.effects == ()

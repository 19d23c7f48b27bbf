"""What a document's status says, and how often it is said.

That a cluster shows it is in `tests/e2e/test_documents.py`.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ghapp.core.audience import NAMESPACE
from ghapp.core.moments import stamp
from ghapp.core.notification import Notification, NotificationSpec
from ghapp.core.provider import Provider
from ghapp.documents.compiled import Compiled
from ghapp.documents.kinds import kinds
from ghapp.engine.configuration import Document, Standing
from ghapp.engine.providers import Place, Tally
from ghapp.engine.statuses import (
    Condition,
    Incidents,
    conditions,
    counts_of,
    event_of,
    not_ready,
    ready,
    status_of,
)
from ghapp.ports import Backlog
from tests.store.values import NOW, at

NOTHING = Standing(documents={}, compiled=Compiled(listening=(), problems={}))
NONE = Incidents()
IDLE = Backlog(pending={}, parked={}, deliveries=0, oldest=None)


def notification(**spec: Any) -> Notification:
    return Notification(
        kind="Notification",
        namespace="ci",
        name="n",
        spec=msgspec.convert(spec, NotificationSpec),
        rank=NAMESPACE,
    )


def provider(*, suspend: bool = False) -> Provider:
    return Provider(
        id="provider/ci/p",
        kind="Provider",
        namespace="ci",
        name="p",
        type="cdevents",
        settings={},
        suspend=suspend,
    )


def document(declared: Any, **changes: Any) -> Document:
    made = Document(
        kind=kinds()[declared.kind],
        namespace=declared.namespace,
        name=declared.name,
        uid="u",
        generation=3,
        declared=declared,
    )
    return replace(made, **changes)


class _Sink:
    def accepts(self, effect: object) -> bool:
        return False

    async def deliver(self, effect: object, *, key: str, slot: object) -> None:
        return None


def place(**changes: Any) -> Place:
    return Place(**{"provider": provider(), "sink": _Sink(), **changes})


def only(
    declared: Any,
    *,
    at_work: Place | None = None,
    standing: Standing = NOTHING,
    incidents: Incidents = NONE,
    **changes: Any,
) -> Condition:
    (found,) = conditions(document(declared, **changes), standing, at_work, incidents)
    return found


@pytest.mark.parametrize(
    ("at_work", "reason"),
    [
        (place(), "Ready"),
        (place(tally=Tally(last_success=NOW)), "Ready"),
        (place(problem="there is no Secret ci/s"), "CannotDeliver"),
        (place(sink=None, problem="wrong"), "CannotDeliver"),
        (place(tally=Tally(last_failure=NOW, failure="503")), "DeliveryFailed"),
        (place(tally=Tally(last_success=NOW, last_failure=at(1), failure="x")), "DeliveryFailed"),
        (place(tally=Tally(last_success=at(1), last_failure=NOW, failure="x")), "Ready"),
        (None, "CannotDeliver"),
    ],
)
def test_a_provider_is_ready_as_long_as_it_delivers(at_work: Place | None, reason: str) -> None:
    found = only(provider(), at_work=at_work)
    assert (found.reason, found.true) == (reason, reason == "Ready")


def test_a_suspended_provider_says_so_whatever_else_is_wrong() -> None:
    at_work = place(problem="there is no Secret ci/s")
    assert only(provider(suspend=True), at_work=at_work).reason == "Suspended"


def test_a_notification_tells_of_missing_providers_before_anything_else() -> None:
    problems = {"Notification ci/n": ("there is no Provider ci/x",)}
    standing = Standing(documents={}, compiled=Compiled(listening=(), problems=problems))
    incidents = Incidents(failures={"Notification ci/n": "it failed"})
    found = only(notification(), standing=standing, incidents=incidents)
    assert (found.reason, found.message) == ("Incomplete", "there is no Provider ci/x")
    assert only(notification(), incidents=incidents).reason == "EvaluationFailed"
    assert only(notification(suspend=True)).reason == "Suspended"
    assert only(notification()).true


def test_commits_that_are_not_shown_are_told_beside_it() -> None:
    incidents = Incidents(denials={"ci": (7, "no TrustPolicy lets namespace ci speak for x")})
    found = list(conditions(document(notification()), NOTHING, None, incidents))
    assert [(one.type, one.true) for one in found] == [("Ready", True), ("Trusted", False)]


def test_what_is_wrong_with_a_document_is_told_whole_but_bounded() -> None:
    found = only(notification(), mistakes=("spec.message: x" * 500, "spec.y: z"))
    assert found.reason == "InvalidSpec"
    assert len(found.message) == 1_000


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    before = status_of(document(notification()), [ready()], now=NOW, counts={})
    known = document(notification(), status=before)
    later = NOW + timedelta(hours=1)
    assert status_of(known, [ready()], now=later, counts={}) == before
    changed = status_of(known, [not_ready("Incomplete", "x")], now=later, counts={})
    (condition,) = changed["conditions"]
    assert condition["lastTransitionTime"] == stamp(later)
    assert condition["observedGeneration"] == 3


def test_a_status_written_by_somebody_else_is_no_obstacle() -> None:
    odd = document(notification(), status={"conditions": ["odd", {"type": 3}], "x": 1})
    assert status_of(odd, [ready()], now=NOW, counts={})["conditions"][0]["status"] == "True"


def test_a_provider_counts_what_was_delivered_waits_and_was_given_up() -> None:
    tally = Tally(delivered=5, parked=1, last_success=NOW, last_failure=at(1), failure="503")
    backlog = Backlog(pending={"p": 2}, parked={"p": 1}, deliveries=0, oldest=None)
    assert counts_of(place(tally=tally), backlog, "p") == {
        "delivered": 5,
        "waiting": 2,
        "parked": 1,
        "lastSuccess": stamp(NOW),
        "lastFailure": stamp(at(1)),
        "lastFailureMessage": "503",
    }
    assert counts_of(None, IDLE, "p") == {}


def test_an_event_has_one_name_for_one_thing_that_is_wrong() -> None:
    wrong = not_ready("Incomplete", "there is no Provider ci/x")
    first = event_of(document(notification()), wrong, now=NOW)
    assert first["metadata"] == event_of(document(notification()), wrong, now=at(60))["metadata"]
    other = event_of(document(notification()), not_ready("Incomplete", "y"), now=NOW)
    assert first["metadata"]["name"] != other["metadata"]["name"]
    assert first["involvedObject"]["uid"] == "u"


def test_an_event_about_an_object_without_a_namespace_is_in_default() -> None:
    cluster = replace(
        document(notification()), kind=kinds()["ClusterNotification"], namespace="", name="c" * 253
    )
    event = event_of(cluster, not_ready("Incomplete", "x"), now=NOW)
    assert event["metadata"]["namespace"] == "default"
    assert len(event["metadata"]["name"]) <= 253

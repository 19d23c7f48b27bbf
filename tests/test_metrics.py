"""metrics: what /metrics says. That the documentation names each metric is tested with it."""

from collections.abc import Callable
from math import inf
from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ghapp import metrics
from ghapp.core.budget import Standing, Why
from ghapp.core.model import Verb
from ghapp.metrics import Metrics
from ghapp.ports import Backlog


def samples(counted: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The page as a Prometheus reads it."""
    families = text_string_to_metric_families(counted.render().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(counted: Metrics, name: str, **labels: str) -> float | None:
    return samples(counted).get((name, frozenset(labels.items())))


def test_what_can_go_wrong_is_zero_before_it_goes_wrong() -> None:
    counted = Metrics()
    for result in get_args(metrics.WebhookResult):
        assert value(counted, "checkrail_webhooks_total", result=result) == 0
    for reason in get_args(metrics.SkipReason):
        assert value(counted, "checkrail_skipped_total", reason=reason) == 0
    assert value(counted, "checkrail_commands_total", verb="rerun", result="refused") == 0


def test_what_the_process_works_with_begins_at_zero_too() -> None:
    counted = Metrics()
    counted.expect(resources=["batch/v1/jobs"], kinds=["Job"], sinks=["cdevents"])
    assert value(counted, "checkrail_deliveries_total", sink="cdevents", result="parked") == 0
    assert value(counted, "checkrail_malformed_total", resource="batch/v1/jobs") == 0
    assert value(counted, "checkrail_looks_total", kind="Job", result="told") == 0
    assert value(counted, "checkrail_outbox_parked", sink="cdevents") == 0


JOBS = "batch/v1/jobs"
STANDING = Standing(limit=5_000, remaining=4_999, reset=1_800_000_000.0, points=35, lasts=inf)

DEEDS: list[tuple[Callable[[Metrics], None], str, dict[str, str], float]] = [
    (
        lambda m: m.watch_event(JOBS, "gone"),
        "checkrail_watch_events_total",
        {"resource": JOBS, "type": "gone"},
        1,
    ),
    (
        lambda m: m.look("Job", "told"),
        "checkrail_looks_total",
        {"kind": "Job", "result": "told"},
        1,
    ),
    (lambda m: m.malformed(JOBS), "checkrail_malformed_total", {"resource": JOBS}, 1),
    (
        lambda m: m.skipped(get_args(metrics.SkipReason)[0]),
        "checkrail_skipped_total",
        {"reason": get_args(metrics.SkipReason)[0]},
        1,
    ),
    (lambda m: m.webhook("forged"), "checkrail_webhooks_total", {"result": "forged"}, 1),
    (
        lambda m: m.command(Verb.PROMOTE, "refused"),
        "checkrail_commands_total",
        {"verb": "promote", "result": "refused"},
        1,
    ),
    (
        lambda m: m.delivery("cdevents", "again", 0.2),
        "checkrail_deliveries_total",
        {"sink": "cdevents", "result": "again"},
        1,
    ),
    (
        lambda m: m.delivery("cdevents", "again", 0.2),
        "checkrail_delivery_seconds_sum",
        {"sink": "cdevents"},
        0.2,
    ),
    (
        lambda m: m.github_request("POST", "/repos/{owner}/{repo}/check-runs", 201),
        "checkrail_github_requests_total",
        {"method": "POST", "route": "/repos/{owner}/{repo}/check-runs", "status": "201"},
        1,
    ),
    (
        lambda m: m.github_standings(lambda: {"42": STANDING}),
        "checkrail_github_rate_remaining",
        {"installation": "42"},
        4_999,
    ),
    (
        lambda m: m.github_standings(lambda: {"42": STANDING}),
        "checkrail_github_budget_seconds",
        {"installation": "42"},
        inf,
    ),
    (
        lambda m: m.github_standings(lambda: {"42": STANDING}),
        "checkrail_github_points",
        {"installation": "42"},
        35,
    ),
    (lambda m: m.github_wait(Why.KEPT), "checkrail_github_waits_total", {"reason": "kept"}, 1),
]


@pytest.mark.parametrize(("deed", "name", "labels", "expected"), DEEDS, ids=lambda one: str(one))
def test_a_deed_is_counted_where_it_belongs(
    deed: Callable[[Metrics], None], name: str, labels: dict[str, str], expected: float
) -> None:
    counted = Metrics()
    deed(counted)
    assert value(counted, name, **labels) == expected


def test_a_sink_that_has_caught_up_is_shown_as_empty() -> None:
    counted = Metrics()
    busy = Backlog(pending={"cdevents": 7}, parked={"cdevents": 1}, deliveries=2, oldest=None)
    counted.backlog(busy)
    assert value(counted, "checkrail_outbox_pending", sink="cdevents") == 7
    assert value(counted, "checkrail_outbox_parked", sink="cdevents") == 1
    assert value(counted, "checkrail_inbox_pending") == 2
    counted.backlog(Backlog(pending={}, parked={}, deliveries=0, oldest=None))
    assert value(counted, "checkrail_outbox_pending", sink="cdevents") == 0
    assert value(counted, "checkrail_outbox_parked", sink="cdevents") == 0
    assert value(counted, "checkrail_inbox_pending") == 0


def test_two_processes_in_one_test_do_not_count_together() -> None:
    one, other = Metrics(), Metrics()
    one.webhook("accepted")
    assert value(other, "checkrail_webhooks_total", result="accepted") == 0


def test_the_page_has_our_metrics_and_those_of_the_process_and_no_twins() -> None:
    names = {name for name, _ in samples(Metrics())}
    assert not any(name.endswith("_created") for name in names)
    assert "process_resident_memory_bytes" in names
    assert "checkrail_build_info" in names


def test_the_table_names_every_metric_that_the_page_has() -> None:
    page = Metrics().render().decode()
    on_page = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE checkrail")}
    table = metrics.metrics_table()
    assert {name for name, _, _, _ in table} == on_page
    assert all(kind in {"counter", "gauge", "histogram"} for _, kind, _, _ in table)
    assert all(meaning.endswith(".") for _, _, _, meaning in table)

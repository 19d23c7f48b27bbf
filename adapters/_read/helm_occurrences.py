"""What happened to a service that Helm deploys, told once each by Helm's own revisions.

The conditions of one look tell a sequence: "the upgrade failed" and "the rollback succeeded" stand
beside each other, so a look that came late misses neither. Which key an occurrence has must not
depend on when it was looked at.
"""

from typing import Final

from adapters._read import helm, meta
from adapters._read.helm import Snapshot, View
from adapters._read.meta import Condition
from ghapp.core import drift
from ghapp.core.model import Occurrence, Phase


def occurrences(view: View, *, gone: bool) -> tuple[Occurrence, ...]:
    """What happened to the service, oldest first: told once each, by Helm revision."""
    removed = _removal(view) if gone else None
    found = (*_incidents(view), _deployment(view), _tests(view), _drift(view), removed)
    return tuple(one for one in found if one)


_FAILURES: Final = frozenset({
    "InstallFailed", "UpgradeFailed", "RollbackFailed", "UninstallFailed"
})  # fmt: skip


def _incidents(view: View) -> tuple[Occurrence, ...]:
    """What failed; not while Ready leaves it open, for then an older attempt is spoken of."""
    if not view.ready.false:
        return ()
    failed = (view.released, view.remediated)
    return tuple(_incident(view, one) for one in failed if one.false and one.reason in _FAILURES)


def _incident(view: View, failed: Condition) -> Occurrence:
    status, attempt = view.status, helm.attempt(view)
    if attempt and attempt.status == "deployed":
        attempt = None  # of an earlier success: this failure came before Helm wrote a revision
    made = helm.revision_key(attempt) if attempt else status.last_attempted_config_digest
    attempted = status.last_attempted_revision
    return Occurrence(
        type="incident.detected",
        key=f"{failed.reason}/{attempted}/{made}",
        at=failed.last_transition_time or meta.created(view.metadata),
        artifact=helm.purl(attempt or _planned(view)),
        description=failed.message,
    )


def _planned(view: View) -> Snapshot:
    """What was to be rolled out and left no revision behind."""
    chart = view.spec.chart.spec if view.spec.chart else None
    latest = view.latest.chart_name if view.latest else ""
    return Snapshot(
        chart_name=latest or (chart.chart if chart else "") or view.metadata.name,
        chart_version=view.status.last_attempted_revision,
        oci_digest=view.status.last_attempted_revision_digest,
    )


def _deployment(view: View) -> Occurrence | None:
    """What runs now, and how it came there; the key is the same whatever it is called later."""
    latest = view.latest
    if latest is None or latest.status != "deployed":
        return None
    rolled_back = view.rolled_back
    if not rolled_back and not view.released.true:
        return None
    first = view.released.reason == "InstallSucceeded" or latest.version <= 1
    kind = "rolledback" if rolled_back else "deployed" if first else "upgraded"
    said = view.remediated if rolled_back else view.released
    return Occurrence(
        type=f"service.{kind}",
        key=f"{helm.revision_key(latest)}/deployed",
        at=latest.last_deployed or said.last_transition_time or meta.created(view.metadata),
        artifact=helm.purl(latest),
        description=said.message,
    )


_OUTCOMES: Final = {"True": Phase.SUCCEEDED, "False": Phase.FAILED}


def _tests(view: View) -> Occurrence | None:
    """The chart's tests, once they ran; the same tests run anew are told anew, by their times."""
    outcome, tested = _OUTCOMES.get(view.tested.status), helm.tested(view)
    if outcome is None or tested is None or view.replacing or view.removing:
        return None
    times = [hook.last_completed for _, hook in helm.hooks(tested) if hook.last_completed]
    ran = max(times, default=None)
    run = ran.isoformat() if ran else outcome.value
    return Occurrence(
        type="testsuiterun.finished",
        key=f"{helm.revision_key(tested)}/tests/{run}",
        at=ran or view.tested.last_transition_time or meta.created(view.metadata),
        subject=f"{tested.name or view.metadata.name}.v{tested.version}/helm-test",
        outcome=outcome,
        description=view.tested.message,
    )


_DRIFT: Final = {"True": drift.DRIFTED, "False": drift.CORRECTED}


def _drift(view: View) -> Occurrence | None:
    """Whether the cluster differs from what was deployed, and since when; who never differed was
    never put right, but that is not to be seen here."""
    said, latest = view.drifted, view.latest
    type_ = _DRIFT.get(said.status)
    if type_ is None or latest is None:
        return None
    at = said.last_transition_time or latest.last_deployed or meta.created(view.metadata)
    return Occurrence(
        type=type_,
        key=drift.key(type_, at.isoformat()),
        at=at,
        artifact=helm.purl(latest),
        description=said.message,
    )


def _removal(view: View) -> Occurrence | None:
    """Deleting a suspended release uninstalls nothing; nor is there anything if none came up."""
    deployed = any(one.status in {"deployed", "superseded"} for one in view.status.history or ())
    known = view.released.true or view.released.reason in {helm.UNINSTALLED, "UpgradeFailed"}
    if view.spec.suspend or not (deployed or known):
        return None
    last = view.latest or _planned(view)
    at = view.metadata.deletion_timestamp or view.ready.last_transition_time
    return Occurrence(
        type="service.removed",
        key=f"removed/{view.metadata.uid}",
        at=at or meta.created(view.metadata),
        artifact=helm.purl(last),
    )

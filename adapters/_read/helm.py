"""A Flux HelmRelease as it is read: its conditions at hand, its Helm revisions, their names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from adapters._read.flux import FluxMetadata, Reference
from adapters._read.meta import Condition, Read, Time


class ChartSpec(Read, frozen=True, kw_only=True, gc=False):
    """Which chart."""

    chart: str = ""
    version: str = ""


class Chart(Read, frozen=True, kw_only=True, gc=False):
    """A chart by name."""

    spec: ChartSpec | None = None


class Test(Read, frozen=True, kw_only=True, gc=False):
    """Helm tests."""

    ignore_failures: bool | None = None


class Spec(Read, frozen=True, kw_only=True, gc=False):
    """What was asked for."""

    suspend: bool | None = None
    release_name: str = ""
    target_namespace: str = ""
    chart: Chart | None = None
    chart_ref: Reference | None = None
    test: Test | None = None


class TestHook(Read, frozen=True, kw_only=True, gc=False):
    """A test of the chart, as it was run last."""

    last_started: Time | None = None
    last_completed: Time | None = None
    phase: str = ""


class Snapshot(Read, frozen=True, kw_only=True, gc=False):
    """A Helm revision of the release."""

    digest: str = ""
    name: str = ""
    version: int = 0
    status: str = ""
    chart_name: str = ""
    chart_version: str = ""
    oci_digest: str = ""
    last_deployed: Time | None = None
    test_hooks: Mapping[str, TestHook] | None = None


class Status(Read, frozen=True, kw_only=True, gc=False):
    """How far it is."""

    conditions: tuple[Condition, ...] | None = None
    history: tuple[Snapshot, ...] | None = None
    last_attempted_generation: int = 0
    last_attempted_revision: str = ""
    last_attempted_revision_digest: str = ""
    last_attempted_config_digest: str = ""
    helm_chart: str = ""


class HelmRelease(Read, frozen=True, kw_only=True, gc=False):
    """A HelmRelease."""

    metadata: FluxMetadata = FluxMetadata()
    spec: Spec | None = None
    status: Status | None = None


NO_SPEC: Final = Spec()
NO_STATUS: Final = Status()
NOWHERE: Final = Condition()
UNINSTALLED: Final = "UninstallSucceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A release with its conditions at hand; one that is not there says nothing."""

    metadata: FluxMetadata
    spec: Spec
    status: Status
    ready: Condition
    reconciling: Condition
    stalled: Condition
    released: Condition
    remediated: Condition
    tested: Condition
    drifted: Condition

    @property
    def action(self) -> str:
        """The Helm action that runs: ``upgrade``; empty: none."""
        running = _ACTION.match(self.reconciling.message) if self.reconciling.true else None
        return running[1] if running else ""

    @property
    def latest(self) -> Snapshot | None:
        """The newest Helm revision."""
        return next(iter(self.status.history or ()), None)

    @property
    def replacing(self) -> bool:
        """Whether an install or an upgrade runs: what conditions say is of the attempt before."""
        return self.action in {"install", "upgrade"}

    @property
    def rolled_back(self) -> bool:
        """Whether what runs now is what ran before the attempt."""
        return self.remediated.true and self.remediated.reason == "RollbackSucceeded"

    @property
    def removing(self) -> bool:
        """Whether the object is being deleted."""
        return self.metadata.deletion_timestamp is not None


_ACTION: Final = re.compile(r"Running '([^']{1,40})' action")


def view_of(release: HelmRelease) -> View:
    """What is known of a release, at hand."""
    status = release.status or NO_STATUS
    found = {one.type: one for one in reversed(status.conditions or ())}
    return View(
        metadata=release.metadata,
        spec=release.spec or NO_SPEC,
        status=status,
        ready=found.get("Ready", NOWHERE),
        reconciling=found.get("Reconciling", NOWHERE),
        stalled=found.get("Stalled", NOWHERE),
        released=found.get("Released", NOWHERE),
        remediated=found.get("Remediated", NOWHERE),
        tested=found.get("TestSuccess", NOWHERE),
        drifted=found.get("Drifted", NOWHERE),
    )


def attempt(view: View) -> Snapshot | None:
    """The Helm revision that the last attempt made, if it came to that."""
    attempted = view.status.last_attempted_revision
    history = view.status.history or ()
    return next((one for one in history if one.chart_version == attempted), None)


def tested(view: View) -> Snapshot | None:
    """The Helm revision that the tests ran on: not the one that a rollback made after them."""
    history = view.status.history or ()
    candidates = history[1:] if view.rolled_back else history
    ran = (one for one in candidates if one.test_hooks)
    return next(ran, next(iter(candidates), None))


def revision_key(made: Snapshot) -> str:
    """A Helm revision; its time tells it from one of the same number before a re-install.

    The digest does not serve: running the tests changes it.
    """
    when = made.last_deployed.isoformat() if made.last_deployed else made.digest
    return f"v{made.version}/{when}"


def hooks(made: Snapshot) -> list[tuple[str, TestHook]]:
    """The tests of a Helm revision, by name."""
    return sorted((made.test_hooks or {}).items())


def purl(made: Snapshot) -> str:
    """A package URL: https://github.com/package-url/purl-spec, types `oci` and `helm`."""
    name, version = quote(made.chart_name, safe=""), quote(chart_version(made), safe="")
    if not name:
        return ""
    if made.oci_digest:
        tag = f"?tag={version}" if version else ""
        return f"pkg:oci/{name.lower()}@{quote(made.oci_digest, safe='')}{tag}"
    return f"pkg:helm/{name}@{version}" if version else f"pkg:helm/{name}"


def chart_version(made: Snapshot) -> str:
    """Of an OCI chart, Flux appends the digest as build metadata: that is no chart's version."""
    return made.chart_version.partition("+")[0] if made.oci_digest else made.chart_version

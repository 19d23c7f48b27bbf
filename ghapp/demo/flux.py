"""The scripted Flux: what `acme/gitops` says on its main branch comes to run in the cluster.

Three parts of a real installation in one: source and kustomize-controller (a push is applied),
helm-controller (a HelmRelease is upgraded, or rolled back when the new version does not come up),
and the release automation that publishes a chart when a commit's pipeline succeeds and enters it
for dev. A release carries the commit that its chart was built from, as Flux 2.8 passes it on.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ghapp.demo import flux_model as model
from ghapp.demo.github import GitHub
from ghapp.demo.kinds import (
    CI,
    COMMIT_NOTE,
    ENVIRONMENT_NOTE,
    ENVIRONMENTS,
    NONSENSE,
    REF_NOTE,
    RELEASE,
    REPOSITORY_NOTE,
    notes_of,
)
from ghapp.demo.kube import KubeApi, StatusError
from ghapp.demo.tekton import succeeded

log = logging.getLogger(__name__)

Object = dict[str, Any]
Doomed = Callable[[str, str], bool]
"""(commit, environment) -> whether its upgrade fails there."""

SHOP: Final = "acme/shop"
GITOPS: Final = "acme/gitops"
BOT: Final = "release-bot"
FLUX_COMMIT_NOTE: Final = "event.toolkit.fluxcd.io/commit"
_VERSION: Final = re.compile(r"(?m)^(\s+version: )(\d+\.\d+\.\d+)(.*)$")
_LOOK_SECONDS: Final = 0.8
_ACTION_SECONDS: Final = 3.5
_SYNC_SECONDS: Final = 1.5


@dataclass(slots=True)
class Charts:
    """The chart registry: which version was built from which commit."""

    commits: dict[str, str] = field(default_factory=dict)

    def publish(self, commit: str) -> str:
        """The next version, built from `commit`."""
        latest = max((int(version.rpartition(".")[2]) for version in self.commits), default=-1)
        version = f"1.4.{latest + 1}"
        self.commits[version] = commit
        return version


@dataclass(slots=True, kw_only=True)
class Flux:
    """The controllers."""

    kube: KubeApi
    github: GitHub
    charts: Charts
    doomed: Doomed
    speed: float
    _busy: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Follows repository and cluster until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_repository())
            group.create_task(self._follow_pipelines())
            async for change, release in self.kube.subscribe("helmreleases"):
                try:
                    if change != "DELETED" and _owed(release):
                        self._attend(release, group)
                except NONSENSE:
                    log.exception("%s is nothing that can be released", release["metadata"]["name"])

    # -- from git to the cluster ---------------------------------------------------------------

    async def _follow_repository(self) -> None:
        notices = self.github.subscribe()
        self.apply()
        async for notice in notices:
            if notice.kind == "push" and notice.repository == GITOPS:
                await self._wait(_SYNC_SECONDS)
                self.apply()

    def apply(self) -> None:
        """Brings the cluster to what the main branch says."""
        for environment in ENVIRONMENTS:
            try:
                version = version_in(self.github.file(GITOPS, path_of(environment)).decode())
            except (KeyError, ValueError) as error:
                log.warning("%s says nothing that can be applied: %s", environment, error)
                continue  # a visitor pushed it; what runs goes on
            self._bring(release_of(environment, version, self.charts.commits.get(version, "")))

    def _bring(self, wanted: Object) -> None:
        meta = wanted["metadata"]
        try:
            found = self.kube.get("helmreleases", meta["namespace"], meta["name"])
        except StatusError:
            self.kube.create(wanted)
            return
        notes = {**notes_of(found), **meta["annotations"]}
        metadata = {**found["metadata"], "annotations": notes}
        self.kube.replace({**found, "metadata": metadata, "spec": wanted["spec"]})

    # -- from a good pipeline to a release -----------------------------------------------------

    async def _follow_pipelines(self) -> None:
        async for change, run in self.kube.subscribe("pipelineruns"):
            notes, ours = notes_of(run), run["metadata"]["namespace"] == CI
            good = change != "DELETED" and ours and succeeded(run)
            if good and notes.get(REPOSITORY_NOTE) == SHOP:
                self._release(notes.get(COMMIT_NOTE, ""), notes.get(REF_NOTE, ""))

    def _release(self, commit: str, ref: str) -> None:
        """Publishes a commit of main, unless it is older than what was published last."""
        git = self.github.repository(SHOP).git
        if ref != "refs/heads/main" or not git.is_commit(commit):
            return
        published = self.charts.commits.values()
        if any(git.reaches(commit, known) for known in published):
            return
        version = self.charts.publish(commit)
        path = path_of("dev")
        text = with_version(self.github.file(GITOPS, path).decode(), version)
        self.github.push(GITOPS, "main", {path: text}, f"Release shop {version} to dev", BOT)

    # -- helm-controller -----------------------------------------------------------------------

    def _attend(self, release: Object, group: asyncio.TaskGroup) -> None:
        place = release["metadata"]["namespace"], release["metadata"]["name"]
        if place not in self._busy:
            self._busy[place] = group.create_task(self._reconcile(*place))
            self._busy[place].add_done_callback(lambda _: self._busy.pop(place, None))

    async def _reconcile(self, namespace: str, name: str) -> None:
        try:
            while _owed(release := self.kube.get("helmreleases", namespace, name)):
                await self._turn(release)
        except NONSENSE:
            log.exception("%s/%s is nothing that can be released", namespace, name)

    async def _turn(self, release: Object) -> None:
        release = self._write(release, model.looking(release, self.kube.now()))
        await self._wait(_LOOK_SECONDS)
        if not _to_upgrade(release):
            self._write(release, model.handled(release, model.settled_again(release)))
            return
        installed = bool(release.get("status", {}).get("history"))
        action = "upgrade" if installed else "install"
        release = self._write(release, model.acting(release, action, self.kube.now()))
        await self._wait(_ACTION_SECONDS)
        if installed and self._is_doomed(release):
            await self._roll_back(release)
            return
        self._write(release, model.handled(release, model.deployed(release, self.kube.now())))

    def _is_doomed(self, release: Object) -> bool:
        if len(release["status"]["history"]) < 2:
            return False  # the first promotion of a visitor succeeds, whichever version it is
        commit = self.charts.commits.get(model.version_of(release), "")
        return self.doomed(commit, release["metadata"]["namespace"])

    async def _roll_back(self, release: Object) -> None:
        release = self._write(release, model.failed(release, self.kube.now()))
        await self._wait(_ACTION_SECONDS / 2)
        status = model.rolled_back(release, self.kube.now())
        self._write(release, model.handled(release, status))

    def _write(self, release: Object, status: Object) -> Object:
        """The status, onto the object as it is now; answers what `release` was, with it."""
        meta = release["metadata"]
        found = self.kube.get("helmreleases", meta["namespace"], meta["name"])
        self.kube.replace({**found, "status": status}, subresource="status")
        return {**release, "status": status}

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


def _owed(release: Object) -> bool:
    status = release.get("status") or {}
    asked = notes_of(release).get(model.REQUESTED)
    unseen = status.get("observedGeneration") != release["metadata"]["generation"]
    return unseen or (asked is not None and asked != status.get("lastHandledReconcileAt"))


def _to_upgrade(release: Object) -> bool:
    """Whether another version is asked for, or a person forces this one."""
    status = release.get("status") or {}
    forced = notes_of(release).get(model.FORCED)
    if forced is not None and forced != status.get("lastHandledForceAt"):
        return True
    return status.get("lastAttemptedRevision") != model.version_of(release)


# --- files ----------------------------------------------------------------------------------------


def path_of(environment: str) -> str:
    """Where the repository says what runs in an environment."""
    return f"environments/{environment}/shop.yaml"


def version_in(text: str) -> str:
    """The chart version in a HelmRelease's YAML."""
    found = _VERSION.search(text)
    if found is None:
        raise ValueError("no line `version: 1.2.3` in the HelmRelease")
    return found[2]


def with_version(text: str, version: str) -> str:
    """The same YAML with another version; comments stay."""
    return _VERSION.sub(rf"\g<1>{version}\g<3>", text, count=1)


def release_file(environment: str, version: str) -> str:
    """The YAML of an environment; where it is promoted to, the value is marked."""
    marker = "" if environment == "dev" else f' # {{"$promotion": "apps:shop:{environment}"}}'
    replicas = {"dev": 1, "staging": 2, "prod": 6}[environment]
    return f"""\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: {RELEASE}
  namespace: {environment}
spec:
  interval: 10m
  chart:
    spec:
      chart: shop
      version: {version}{marker}
      sourceRef: {{kind: HelmRepository, name: acme}}
  values:
    replicas: {replicas}
"""


def release_of(environment: str, version: str, commit: str) -> Object:
    """The HelmRelease as Flux applies it."""
    notes: Mapping[str, str] = {
        REPOSITORY_NOTE: SHOP,
        COMMIT_NOTE: commit,
        REF_NOTE: "refs/heads/main",
        FLUX_COMMIT_NOTE: commit,
        ENVIRONMENT_NOTE: environment,
    }
    chart = {"chart": "shop", "version": version}
    source = {"kind": "HelmRepository", "name": "acme"}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": RELEASE, "namespace": environment, "annotations": dict(notes)},
        "spec": {
            "interval": "10m",
            "chart": {"spec": {**chart, "sourceRef": source}},
            "values": {"replicas": {"dev": 1, "staging": 2, "prod": 6}[environment]},
        },
    }

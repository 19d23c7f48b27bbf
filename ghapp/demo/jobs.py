"""The scripted Job controller and kubelet: one pod a try, as often as `backoffLimit` allows.

Watches Jobs, whoever made them. The shapes are those of recorded streams of Kubernetes 1.36.
Simplified: one pod at a time, and a suspended Job loses its pod at once.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ghapp.demo import pods
from ghapp.demo.kinds import COMMIT_NOTE, NONSENSE, notes_of
from ghapp.demo.kube import KubeApi
from ghapp.demo.tekton_model import stamp

log = logging.getLogger(__name__)

Object = dict[str, Any]
Fails = Callable[[str], bool]
"""Whether the end-to-end test of this commit fails."""

_SECONDS: Final = 7.0
"""How long a pod runs."""
_EXIT_CODE: Final = 3


@dataclass(slots=True, kw_only=True)
class Jobs:
    """The controller."""

    kube: KubeApi
    fails: Fails
    printed: pods.Printed
    speed: float
    _driven: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Plays every Job until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for change, job in self.kube.subscribe("jobs"):
                try:
                    self._heed(change, job, group)
                except NONSENSE:
                    log.exception("%s is nothing that can be played", job["metadata"]["name"])

    def _heed(self, change: str, job: Object, group: asyncio.TaskGroup) -> None:
        uid, suspended = job["metadata"]["uid"], job["spec"].get("suspend", False)
        if change == "DELETED":
            self._let_go(uid)
        elif _finished(job):
            return
        elif suspended:
            self._let_go(uid)
            self._suspend(job)
        elif uid not in self._driven:
            self._driven[uid] = group.create_task(self._play(job))
            self._driven[uid].add_done_callback(lambda _: self._driven.pop(uid, None))

    def _let_go(self, uid: str) -> None:
        driver = self._driven.pop(uid, None)
        if driver is not None:
            driver.cancel()

    async def _play(self, job: Object) -> None:
        try:
            await self._drive(job)
        except NONSENSE:
            log.exception("%s is nothing that can be played", job["metadata"]["name"])

    async def _drive(self, job: Object) -> None:
        started, failed = stamp(self.kube.now()), 0
        commit = notes_of(job).get(COMMIT_NOTE, "")
        bad = bool(commit) and self.fails(commit)
        while True:
            await self._wait(0.4)
            self._write(job, {"startTime": started, **_counts(active=1, failed=failed)})
            pod = self.kube.create(pod_of(job))
            await self._wait(0.8)
            self._phase(pod, running(pod, stamp(self.kube.now())))
            self._write(job, {"startTime": started, **_counts(active=1, ready=1, failed=failed)})
            await self._wait(_SECONDS)
            self._end(pod, commit, _EXIT_CODE if bad else 0)
            failed += bad
            if not bad or failed > job["spec"].get("backoffLimit", 6):
                break
            self._write(job, {"startTime": started, **_counts(failed=failed)})
        await self._finish(job, started, failed if bad else 0)

    async def _finish(self, job: Object, started: str, failed: int) -> None:
        status = over(started, stamp(self.kube.now()), failed)
        interim = {"startTime": started, "conditions": status["conditions"][:1]}
        self._write(job, interim)
        await self._wait(0.2)
        self._write(job, status)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    # -- what is written ----------------------------------------------------------------------

    def _write(self, job: Object, status: Object) -> None:
        meta = job["metadata"]
        found = self.kube.get("jobs", meta["namespace"], meta["name"])
        self.kube.replace({**found, "status": status}, subresource="status")

    def _phase(self, pod: Object, status: Object) -> None:
        meta = pod["metadata"]
        found = self.kube.get("pods", meta["namespace"], meta["name"])
        self.kube.replace({**found, "status": status}, subresource="status")

    def _end(self, pod: Object, commit: str, exit_code: int) -> None:
        meta = pod["metadata"]
        text = self.printed(commit, "e2e", exit_code) if commit else ""
        for container in _containers(pod):
            self.kube.set_log(meta["namespace"], meta["name"], container, text)
        self._phase(pod, ended(pod, stamp(self.kube.now()), exit_code))

    def _suspend(self, job: Object) -> None:
        meta, now = job["metadata"], stamp(self.kube.now())
        if any(each["type"] == "Suspended" for each in job.get("status", {}).get("conditions", ())):
            return
        for pod in self.kube.list("pods", meta["namespace"], labels=f"job-name={meta['name']}"):
            self.kube.delete("pods", meta["namespace"], pod["metadata"]["name"])
        verdict = _condition("Suspended", "JobSuspended", "Job suspended", now)
        self._write(job, {"conditions": [verdict], **_counts()})


_COMPLETE: Final = (
    "SuccessCriteriaMet",
    "Complete",
    "CompletionsReached",
    "Reached expected number of succeeded pods",
)
_FAILED: Final = (
    "FailureTarget",
    "Failed",
    "BackoffLimitExceeded",
    "Job has reached the specified backoff limit",
)


def over(started: str, now: str, failed: int) -> Object:
    """The status of a Job that is done, or that gave up after so many pods."""
    interim, final, reason, message = _FAILED if failed else _COMPLETE
    return {
        "startTime": started,
        "conditions": [_condition(kind, reason, message, now) for kind in (interim, final)],
        **_counts(failed=failed, succeeded=0 if failed else 1),
        **({} if failed else {"completionTime": now}),
    }


def _finished(job: Object) -> bool:
    return any(
        each["type"] in {"Complete", "Failed"} and each["status"] == "True"
        for each in job.get("status", {}).get("conditions", ())
    )


def _condition(kind: str, reason: str, message: str, now: str) -> Object:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": now,
        "lastTransitionTime": now,
    }


def _counts(*, active: int = 0, ready: int = 0, failed: int = 0, succeeded: int = 0) -> Object:
    counts: Object = {"ready": ready, "terminating": 0, "uncountedTerminatedPods": {}}
    named = {"active": active, "failed": failed, "succeeded": succeeded}
    return counts | {name: count for name, count in named.items() if count}


# --- pods -----------------------------------------------------------------------------------------


def pod_of(job: Object) -> Object:
    """The pod of a try."""
    meta, template = job["metadata"], job["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": dict(template.get("metadata", {}).get("labels", {})),
            "ownerReferences": pods.owned_by(job),
        },
        "spec": template["spec"],
    }


def running(pod: Object, now: str) -> Object:
    """Its status while it runs."""
    state = {"running": {"startedAt": now}}
    return pods.told("Running", now, dict.fromkeys(_containers(pod), state))


def ended(pod: Object, now: str, exit_code: int) -> Object:
    """Its status after it ran."""
    begun = pod["metadata"]["creationTimestamp"]
    terminated = {
        "exitCode": exit_code,
        "reason": "Error" if exit_code else "Completed",
        "startedAt": begun,
        "finishedAt": now,
    }
    states = {name: {"terminated": terminated} for name in _containers(pod)}
    return pods.told("Failed" if exit_code else "Succeeded", begun, states)


def _containers(pod: Object) -> list[str]:
    return [container["name"] for container in pod["spec"]["containers"]]

"""The cluster, acted upon: what a person asked for with a click is written to its API.

A copy of a run has a name made from the request, and carries the request in an annotation: so a
second delivery finds it and knows it for its own. A patch is guarded by the object's uid: it never
hits another object that took over the name. What a write looks like is the adapter's knowledge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from ghapp.core import markdown
from ghapp.core.effects import Cancel, Effect, Reconcile, Rerun
from ghapp.core.source import Create, Patch, Resource
from ghapp.errors import Reject, Retry
from ghapp.ports import Clusters, Kube, Receipt, Resources, SinkType, Slot

REQUEST: Final = "checkrail.dev/request"
"""The annotation that says which request a copy was made for."""

Asked = Rerun | Cancel | Reconcile


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """There is nothing to set."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """All clusters that are watched."""

    clusters: Clusters
    resources: Resources

    def accepts(self, effect: Effect) -> bool:
        """What changes a run; promotions are made in a repository."""
        return isinstance(effect, Asked)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Writes, or finds that it was written already; the receipt answers who asked."""
        assert isinstance(effect, Asked)
        kube = self.clusters.get(effect.subject.cluster)
        resource = self.resources.get(effect.write.resource)
        if kube is None:
            raise Reject(f"cluster {effect.subject.cluster!r} is not one that we are connected to")
        if resource is None:
            raise Reject(f"{effect.write.resource} is not a resource that any adapter writes")
        if isinstance(effect.write, Create):
            done = await _create(kube, resource, effect, effect.write)
        else:
            done = await _patch(kube, resource, effect, effect.write)
        return Receipt(notice=f"{done}, asked by {markdown.who(effect.login)}.")


SINK = SinkType("cluster", Settings, Cluster)


async def _create(kube: Kube, resource: Resource, effect: Asked, write: Create) -> str:
    manifest = _signed(write.manifest, effect.token)
    name = str(manifest["metadata"]["name"])
    try:
        await kube.create(resource, write.namespace, manifest)
    except Reject as error:
        if error.status == 404:
            raise Reject(
                f"{resource.kind} {name} cannot be created: namespace {write.namespace} or the "
                f"resource itself is gone ({error.reason})",
                status=404,
            ) from error
        if error.status != 409:
            raise _explained(error) from error
        await _expect_ours(kube, resource, write.namespace, manifest)
    return f"Re-run as {markdown.code(name)}"


async def _expect_ours(
    kube: Kube, resource: Resource, namespace: str, manifest: Mapping[str, Any]
) -> None:
    """The name is taken: by an earlier delivery of this request, or by somebody else?"""
    name, ours = manifest["metadata"]["name"], manifest["metadata"]["annotations"][REQUEST]
    try:
        there = await kube.get(resource, namespace, name)
    except Reject as error:
        if error.status != 404:
            raise _explained(error) from error
        raise Retry(f"{resource.kind} {namespace}/{name} vanished while we looked") from error
    if _annotations(there).get(REQUEST) != ours:
        raise Reject(
            f"{resource.kind} {namespace}/{name} exists and was not made for this request",
            status=409,
        )


async def _patch(kube: Kube, resource: Resource, effect: Asked, write: Patch) -> str:
    body = {**write.body, "metadata": {**write.body.get("metadata", {}), "uid": write.uid}}
    try:
        await kube.patch(resource, write.namespace, write.name, body)
    except Reject as error:
        if error.status == 404:
            raise _gone(resource, write) from error
        return await _refused(kube, resource, effect, write, error)
    return DONE[type(effect)]


async def _refused(
    kube: Kube, resource: Resource, effect: Asked, write: Patch, error: Reject
) -> str:
    """The patch was refused: is it another object by now, or has it finished meanwhile?

    Tekton's webhook refuses any change of a finished run ("Once the PipelineRun is complete, no
    updates are allowed", 400), and who wanted it stopped has what they wanted.
    """
    try:
        there = await kube.get(resource, write.namespace, write.name)
    except Reject as second:
        if second.status == 404:
            raise _gone(resource, write) from error
        raise _explained(error) from error
    if there.get("metadata", {}).get("uid") != write.uid:
        raise _gone(resource, write) from error
    if isinstance(effect, Cancel) and finished(there):
        return "Nothing to cancel: it had finished already"
    raise _explained(error) from error


DONE: Final[Mapping[type[Asked], str]] = {
    Rerun: "Re-run",
    Cancel: "Cancelled",
    Reconcile: "Reconciliation requested",
}

FINAL: Final = (
    ("Succeeded", ("True", "False")),  # Tekton: Unknown as long as it runs
    ("Complete", ("True",)),  # Job
    ("Failed", ("True",)),  # Job
)
"""Conditions, and the statuses with which they say that a run is over."""


def finished(run: Mapping[str, Any]) -> bool:
    """Whether an object says of itself that it will not change any more."""
    status = run.get("status") or {}
    conditions = {one.get("type"): one.get("status") for one in status.get("conditions") or ()}
    return any(conditions.get(type_) in ends for type_, ends in FINAL)


def _signed(manifest: Mapping[str, Any], token: str) -> dict[str, Any]:
    """The manifest with the request in it, unless the adapter has put it there."""
    metadata = dict(manifest["metadata"])
    metadata["annotations"] = {REQUEST: token, **(metadata.get("annotations") or {})}
    return {**manifest, "metadata": metadata}


def _annotations(there: Mapping[str, Any]) -> Mapping[str, Any]:
    return there.get("metadata", {}).get("annotations") or {}


def _gone(resource: Resource, write: Patch) -> Reject:
    return Reject(
        f"{resource.kind} {write.namespace}/{write.name} (uid {write.uid}) is gone", status=404
    )


def _explained(error: Reject) -> Reject:
    """A refusal for want of rights, with what to do about it."""
    if error.status != 403:
        return error
    mend = "if the role lacks it, `checkrail rbac` prints the one that is needed"
    return Reject(f"{error.reason}; {mend}", status=403)

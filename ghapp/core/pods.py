"""A pod, as far as its logs need it: which containers failed and how, and which Secrets it can see.

Pure: manifests in, values out; `sinks.logs` fetches them. Fields are those of the Kubernetes API,
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct


class _Read(Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """Fields that are read; all others are skipped."""


class _Item(_Read, frozen=True, kw_only=True, gc=False):
    key: str = ""


class _KeyRef(_Read, frozen=True, kw_only=True, gc=False):
    name: str = ""
    key: str = ""
    optional: bool | None = None


class _ValueFrom(_Read, frozen=True, kw_only=True, gc=False):
    secret_key_ref: _KeyRef | None = None


class _Env(_Read, frozen=True, kw_only=True, gc=False):
    value_from: _ValueFrom | None = None


class _SecretRef(_Read, frozen=True, kw_only=True, gc=False):
    name: str = ""
    optional: bool | None = None


class _EnvFrom(_Read, frozen=True, kw_only=True, gc=False):
    secret_ref: _SecretRef | None = None


class Container(_Read, frozen=True, kw_only=True, gc=False):
    """A container as it was asked for."""

    name: str = ""
    working_dir: str = ""
    env: tuple[_Env, ...] | None = None
    env_from: tuple[_EnvFrom, ...] | None = None


class _SecretVolume(_Read, frozen=True, kw_only=True, gc=False):
    secret_name: str = ""
    items: tuple[_Item, ...] | None = None
    optional: bool | None = None


class _ProjectedSecret(_Read, frozen=True, kw_only=True, gc=False):
    name: str = ""
    items: tuple[_Item, ...] | None = None
    optional: bool | None = None


class _Source(_Read, frozen=True, kw_only=True, gc=False):
    secret: _ProjectedSecret | None = None


class _Projected(_Read, frozen=True, kw_only=True, gc=False):
    sources: tuple[_Source, ...] | None = None


class _Volume(_Read, frozen=True, kw_only=True, gc=False):
    secret: _SecretVolume | None = None
    projected: _Projected | None = None


class Spec(_Read, frozen=True, kw_only=True, gc=False):
    """What was asked for."""

    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    volumes: tuple[_Volume, ...] | None = None


class _Terminated(_Read, frozen=True, kw_only=True, gc=False):
    exit_code: int = 0
    reason: str = ""


class _Waiting(_Read, frozen=True, kw_only=True, gc=False):
    reason: str = ""
    message: str = ""


class _State(_Read, frozen=True, kw_only=True, gc=False):
    terminated: _Terminated | None = None
    waiting: _Waiting | None = None


class ContainerStatus(_Read, frozen=True, kw_only=True, gc=False):
    """What became of a container."""

    name: str = ""
    state: _State | None = None
    last_state: _State | None = None
    """How it ended before it was started again."""


class Status(_Read, frozen=True, kw_only=True, gc=False):
    """What became of it."""

    phase: str = ""
    reason: str = ""
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None


class _Owner(_Read, frozen=True, kw_only=True, gc=False):
    uid: str = ""


class Metadata(_Read, frozen=True, kw_only=True, gc=False):
    """Who it is."""

    name: str = ""
    creation_timestamp: str | None = None
    labels: dict[str, str] | None = None
    owner_references: tuple[_Owner, ...] | None = None


class Pod(_Read, frozen=True, kw_only=True, gc=False):
    """A pod."""

    metadata: Metadata = Metadata()
    spec: Spec = Spec()
    status: Status = Status()

    @property
    def containers(self) -> tuple[Container, ...]:
        """All of them, those that ran first first."""
        return (*(self.spec.init_containers or ()), *(self.spec.containers or ()))

    def told(self, container: str) -> ContainerStatus:
        """What became of a container."""
        statuses = (self.status.init_container_statuses, self.status.container_statuses)
        found = (one for some in statuses for one in some or () if one.name == container)
        return next(found, ContainerStatus())


def read(manifest: Mapping[str, Any]) -> Pod:
    """The pod in a manifest; raises msgspec.ValidationError for what no API server says."""
    return msgspec.convert(manifest, Pod)


# --- what became of it --------------------------------------------------------------------------


def failed(pod: Pod) -> tuple[str, ...]:
    """The containers that did not end well; where none tells, those that do the pod's work."""
    names = (container.name for container in pod.containers)
    bad = tuple(name for name in names if _exit_code(pod, name))
    return bad or tuple(container.name for container in pod.spec.containers or ())


def _end(pod: Pod, container: str) -> _Terminated | None:
    """How it ended, or did the last time."""
    told = pod.told(container)
    states = (told.state, told.last_state)
    return next((state.terminated for state in states if state and state.terminated), None)


def _exit_code(pod: Pod, container: str) -> int:
    end = _end(pod, container)
    return end.exit_code if end else 0


def ending(pod: Pod, container: str) -> str:
    """How a container failed: ``exit code 137 (OOMKilled)``; empty when it did not."""
    end = _end(pod, container)
    if not (end and end.exit_code):
        return ""
    code = f"exit code {end.exit_code}"
    return code if end.reason in {"", "Error"} else f"{code} ({end.reason})"


def waiting(pod: Pod, container: str) -> str:
    """Why a container never started, in the kubelet's words; empty: it did."""
    state = pod.told(container).state
    if _end(pod, container) or not (state and state.waiting):
        return ""
    words = (state.waiting.reason, state.waiting.message)
    return ": ".join(word for word in words if word)


def workdir(pod: Pod, container: str) -> str:
    """Where a container began; empty: where its image says."""
    found = (one.working_dir for one in pod.containers if one.name == container)
    return next(found, "")


_INDEX: Final = "batch.kubernetes.io/job-completion-index"


def telling(
    pods: Iterable[Pod], *, owner: str, limit: int, succeeded: bool = False
) -> tuple[Pod, ...]:
    """The pods whose logs tell most: those that failed, or of what succeeded those that did not;
    newest first, one for each index of a Job.

    `owner` is the uid of the object that made them; pods that others made are left out.
    """
    ours = [pod for pod in pods if _belongs(pod, owner)]
    ours.sort(key=lambda pod: pod.metadata.creation_timestamp or "", reverse=True)
    bad = [pod for pod in ours if _is_bad(pod)]
    good = [pod for pod in ours if succeeded and not _is_bad(pod)]
    newest: dict[str, Pod] = {}
    for pod in good or bad or ours[:1]:
        newest.setdefault((pod.metadata.labels or {}).get(_INDEX, ""), pod)
    return tuple(newest.values())[:limit]


def _belongs(pod: Pod, owner: str) -> bool:
    owners = pod.metadata.owner_references or ()
    return not owners or any(one.uid == owner for one in owners)


def _is_bad(pod: Pod) -> bool:
    names = (container.name for container in pod.containers)
    return pod.status.phase == "Failed" or any(_exit_code(pod, name) for name in names)


# --- what it could see --------------------------------------------------------------------------


class Reference(Struct, frozen=True, kw_only=True):
    """A Secret that a pod refers to."""

    name: str
    keys: frozenset[str] | None = None
    """Which of its keys the pod could see; None: all."""
    optional: bool = False
    """The pod starts without it too."""


def secrets(pod: Pod) -> tuple[Reference, ...]:
    """Every Secret that a pod refers to in env, envFrom and volumes, each once, by name."""
    found: dict[str, Reference] = {}
    for reference in (*_of_containers(pod), *_of_volumes(pod)):
        known = found.get(reference.name)
        found[reference.name] = _both(known, reference) if known else reference
    return tuple(found[name] for name in sorted(found) if name)


def _of_containers(pod: Pod) -> Iterator[Reference]:
    for container in pod.containers:
        for env in container.env or ():
            key = env.value_from.secret_key_ref if env.value_from else None
            if key:
                keys, optional = frozenset({key.key}), bool(key.optional)
                yield Reference(name=key.name, keys=keys, optional=optional)
        for source in container.env_from or ():
            if source.secret_ref:
                ref = source.secret_ref
                yield Reference(name=ref.name, optional=bool(ref.optional))


def _of_volumes(pod: Pod) -> Iterator[Reference]:
    for volume in pod.spec.volumes or ():
        if volume.secret:
            own = volume.secret
            yield _mounted(own.secret_name, own.items, bool(own.optional))
        for source in (volume.projected.sources or ()) if volume.projected else ():
            if source.secret:
                part = source.secret
                yield _mounted(part.name, part.items, bool(part.optional))


def _mounted(name: str, items: tuple[_Item, ...] | None, optional: bool) -> Reference:
    keys = frozenset(item.key for item in items) if items else None
    return Reference(name=name, keys=keys, optional=optional)


def _both(one: Reference, other: Reference) -> Reference:
    whole = one.keys is None or other.keys is None
    keys = None if whole else (one.keys or frozenset()) | (other.keys or frozenset())
    return Reference(name=one.name, keys=keys, optional=one.optional and other.optional)


def values(secret: Mapping[str, Any], reference: Reference) -> frozenset[str]:
    """The values of a Secret that the reference lets the pod see, and what is in them."""
    entries = secret.get("data") or {}
    wanted = reference.keys if reference.keys is not None else entries.keys()
    texts = (_text(entries[key]) for key in wanted if key in entries)
    return frozenset(part for text in texts for part in (text, *_parts(text)))


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return str(encoded)


_SHORTEST_PART: Final = 6
"""Characters: what is shorter in a file ("true", "root") hides nothing and is everywhere."""
_ASSIGNMENT: Final = re.compile(
    r"^\s*(?:export\s+)?[\w.-]+\s*[=:]\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE
)
_PARTS_LIMIT: Final = 1_000


def _parts(text: str) -> tuple[str, ...]:
    """A Secret often holds a file: the strings of JSON, the values of ``KEY=VALUE`` lines."""
    try:
        found = list(_leaves(json.loads(text))) if text.lstrip()[:1] in {"{", "["} else []
    except (ValueError, RecursionError):
        found = []
    found += _ASSIGNMENT.findall(text)
    return tuple(part for part in found if len(part) >= _SHORTEST_PART)[:_PARTS_LIMIT]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        yield from _password(value)
    inside: Sequence[Any] = ()
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list):
        inside = value
    for one in inside:
        yield from _leaves(one)


def _password(auth: str) -> Iterator[str]:
    """``auth`` of a registry's configuration is ``user:password`` in base64."""
    try:
        user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return
    if colon and user:
        yield password

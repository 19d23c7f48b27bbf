"""What `kubectl logs` shows: texts that were set, by pod and container."""

from collections.abc import Mapping

from ghapp.demo.kube import reads, status
from ghapp.demo.kube.objects import Object
from ghapp.demo.kube.watching import flag


class Logs:
    """The output of containers, running and previous."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str, str, bool], str] = {}

    def set(
        self, namespace: str, pod: str, container: str, text: str, *, previous: bool = False
    ) -> None:
        self._texts[namespace, pod, container, previous] = text

    def read(self, pod: Object, query: Mapping[str, str]) -> bytes:
        """The part of the text that the query asks for. `follow` ends where the text ends."""
        metadata = pod["metadata"]
        container = _container(pod, query.get("container", ""))
        previous = flag(query, "previous")
        text = self._texts.get((metadata["namespace"], metadata["name"], container, previous))
        if text is None:
            return _nothing(pod, container, previous=previous)
        lines = text.splitlines(keepends=True)
        if "tailLines" in query:
            lines = lines[max(0, len(lines) - reads.number(query, "tailLines")) :]
        told = "".join(lines).encode()
        return told[: reads.number(query, "limitBytes")] if "limitBytes" in query else told


def _container(pod: Object, asked: str) -> str:
    name = pod["metadata"]["name"]
    spec = pod.get("spec") or {}
    first = [container["name"] for container in spec.get("containers") or ()]
    known = [*first, *(container["name"] for container in spec.get("initContainers") or ())]
    if asked and asked not in known:
        raise status.bad_request(f"container {asked} is not valid for pod {name}")
    if not asked and len(known) != 1:
        listed = " ".join(first)
        raise status.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{listed}]"
        )
    return asked or known[0]


def _nothing(pod: Object, container: str, *, previous: bool) -> bytes:
    """No text was set: an error where a kubelet has none either, else a silent container."""
    name = pod["metadata"]["name"]
    if previous:
        raise status.bad_request(
            f'previous terminated container "{container}" in pod "{name}" not found'
        )
    if (pod.get("status") or {}).get("phase", "Pending") == "Pending":
        raise status.bad_request(
            f'container "{container}" in pod "{name}" is waiting to start: ContainerCreating'
        )
    return b""

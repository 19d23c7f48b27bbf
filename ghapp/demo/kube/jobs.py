"""What an API server does to a Job: it writes the selector, and lets nobody change the template."""

from collections.abc import Iterator
from typing import Any

from ghapp.demo.kube.causes import Cause, changed_fields, pod_mistakes, required

Object = dict[str, Any]

_UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_JOB_DEFAULTS: Object = {
    "parallelism": 1,
    "completions": 1,
    "backoffLimit": 6,
    "manualSelector": False,
    "completionMode": "NonIndexed",
    "suspend": False,
    "podReplacementPolicy": "TerminatingOrFailed",
}
_JOB_IMMUTABLE = (
    "template",
    "selector",
    "completionMode",
    "completions",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)


def complete(job: Object, before: Object | None) -> Object:
    given = job.get("spec") or {}
    spec = {**_JOB_DEFAULTS, **given}
    if "parallelism" in given and "completions" not in given:
        del spec["completions"]  # a work queue: its pods decide when it is done
    if before is not None:
        return {**job, "spec": spec}
    if not spec["manualSelector"]:
        spec = {**spec, **_generated_selector(job["metadata"], spec)}
    labels = job["metadata"].get("labels") or _template_labels(given)
    metadata = {**job["metadata"], **({"labels": labels} if labels else {})}
    return {**job, "metadata": metadata, "spec": spec, "status": {}}


def _template_labels(spec: Object) -> Object:
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    return dict(labels or {})


def _generated_selector(metadata: Object, spec: Object) -> Object:
    """The selector and the template of a new Job; labels that are there stay, right or wrong."""
    generated = {
        **dict.fromkeys(_UID_LABELS, metadata["uid"]),
        **dict.fromkeys(_NAME_LABELS, metadata["name"]),
    }
    template = spec.get("template") or {}
    labels = {**generated, **_template_labels(spec)}
    selector = spec.get("selector") or {}
    matched = {_UID_LABELS[1]: metadata["uid"], **(selector.get("matchLabels") or {})}
    return {
        "selector": {**selector, "matchLabels": matched},
        "template": {
            **template,
            "metadata": {**(template.get("metadata") or {}), "labels": labels},
        },
    }


def mistakes(job: Object, before: Object | None) -> Iterator[Cause]:
    metadata, spec = job["metadata"], job["spec"]
    if before is not None:
        yield from changed_fields(before["spec"], spec, _JOB_IMMUTABLE)
        return
    if len(metadata["name"]) > 63:
        yield Cause(field="metadata.name", message="must be no more than 63 characters")
    if not spec["manualSelector"]:
        yield from _selector_mistakes(metadata, spec)
    pod, pod_spec = "spec.template.spec", spec["template"].get("spec") or {}
    yield from pod_mistakes(pod_spec, pod)
    if pod_spec.get("restartPolicy") not in ("Never", "OnFailure"):
        yield required(f"{pod}.restartPolicy", 'Required value: valid values: "OnFailure", "Never"')


def _selector_mistakes(metadata: Object, spec: Object) -> Iterator[Cause]:
    labels = _template_labels(spec)
    expected = dict.fromkeys(_UID_LABELS, metadata["uid"]) | dict.fromkeys(
        _NAME_LABELS, metadata["name"]
    )
    for key, value in expected.items():
        if labels.get(key) != value:
            field = f"spec.template.metadata.labels[{key}]"
            yield Cause(field=field, message=f"Invalid value: {labels}: must be '{value}'")
    if spec["selector"] != {"matchLabels": {_UID_LABELS[1]: metadata["uid"]}}:
        yield Cause(field="spec.selector", message="Invalid value: `selector` not auto-generated")

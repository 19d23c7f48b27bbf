"""A PipelineRun once more without what succeeded: Tekton resumes no run, so a shorter one is made.

What is left out has to be missed by nobody. A task goes only if it succeeded and everything that it
came after goes too; its results are written into the rest, as Tekton would have done. Where that
cannot be done safely, the reason is said and nothing is done: a volume that the new run would find
empty, a result that is not known. The tasks under `finally` always run again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import msgspec

from adapters._read import meta
from adapters._read.tekton import NO_STATUS, ChildRun
from ghapp.errors import Refused

PARTS_LIMIT: Final = 100
"""TaskRuns that are asked for."""
_SAME_FOR_ALL: Final = frozenset({"emptyDir", "configMap", "secret", "projected"})
"""Workspaces in which no task can leave something for another: an emptyDir is each pod's own."""

_VARIABLE: Final = re.compile(r"\$\(tasks\.([A-Za-z0-9_-]+)\.([^()]*)\)")
_RESULT: Final = re.compile(
    r"""results(?:\.([A-Za-z0-9_-]+)|\[["']([^"'\]]+)["']\])(\[\*\]|\[[0-9]+\]|\.[\w-]+)?"""
)


def resumed(spec: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The run's spec without the tasks that need not run again; raises Refused where none go."""
    pipeline = spec.get("pipelineSpec")
    if not isinstance(pipeline, Mapping) or spec.get("pipelineRef"):
        _cannot("only a run with a pipelineSpec of its own can be made without some of its tasks")
    tasks, last = _objects(pipeline, "tasks"), _objects(pipeline, "finally")
    ran = _ran(parts)
    done = _done(tasks, ran, kept=_named_in(pipeline.get("results")))
    kept = [task for task in tasks if _name(task) not in done]
    if not done:
        _cannot("no task could be left out")
    if not kept:
        _cannot("all of its tasks succeeded; what failed is under finally")
    _check_volumes(spec, [task for task in tasks if _name(task) in done], [*kept, *last])
    known = _Known(done=done, ran=ran)
    cut = {
        **pipeline,
        "tasks": [known.filled(_unordered(task, done)) for task in kept],
        **({"finally": [known.filled(task) for task in last]} if last else {}),
    }
    return {**spec, "pipelineSpec": cut, **_task_run_specs(spec, done)}


def _cannot(why: str) -> NoReturn:
    raise Refused(f"{why}; Re-run repeats all of it", status=409)


def _objects(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _name(task: Mapping[str, Any]) -> str:
    return str(task.get("name", ""))


def _ran(parts: Iterable[Mapping[str, Any]]) -> dict[str, list[ChildRun]]:
    """By pipeline task."""
    ran: dict[str, list[ChildRun]] = {}
    for part in parts:
        try:
            child = msgspec.convert(part, ChildRun)
        except msgspec.ValidationError as error:
            raise Refused(f"a part of the run cannot be read: {error}", status=409) from error
        ran.setdefault(meta.child_labels(child.metadata).pipeline_task, []).append(child)
    return ran


def _done(
    tasks: Sequence[Mapping[str, Any]], ran: Mapping[str, list[ChildRun]], *, kept: set[str]
) -> frozenset[str]:
    """What succeeded, with everything before it: after a failure that is repeated comes more.

    `kept` has to be there: Tekton takes no result of a pipeline that is not a task's result, and
    whoever reads the run's results must find what a whole run would have given.
    """
    good = {_name(task) for task in tasks if _succeeded(ran.get(_name(task), []))} - kept
    before = {_name(task): _after(task) for task in tasks}
    while True:
        closed = {name for name in good if before[name] <= good}
        if closed == good:
            return frozenset(good)
        good = closed


def _succeeded(runs: Sequence[ChildRun]) -> bool:
    conditions = [meta.condition((run.status or NO_STATUS).conditions, "Succeeded") for run in runs]
    return bool(conditions) and all(found is not None and found.true for found in conditions)


def _after(task: Mapping[str, Any]) -> set[str]:
    """The tasks that it comes after: by its wish, and because it uses what they gave."""
    wish = task.get("runAfter")
    names = {str(name) for name in wish} if isinstance(wish, list) else set()
    return names | _named_in(task)


def _named_in(value: Any) -> set[str]:
    """The tasks whose results or status are used."""
    return {match[1] for text in _texts(value) for match in _VARIABLE.finditer(text)}


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _unordered(task: Mapping[str, Any], done: frozenset[str]) -> dict[str, Any]:
    """Without the wish to come after what is over."""
    rest = [name for name in task.get("runAfter") or () if name not in done]
    bare = {key: value for key, value in task.items() if key != "runAfter"}
    return {**bare, "runAfter": rest} if rest else bare


def _task_run_specs(spec: Mapping[str, Any], done: frozenset[str]) -> dict[str, Any]:
    """Tekton refuses one for a task that there is not."""
    if "taskRunSpecs" not in spec:
        return {}
    found = _objects(spec, "taskRunSpecs")
    return {"taskRunSpecs": [one for one in found if one.get("pipelineTaskName") not in done]}


def _check_volumes(
    spec: Mapping[str, Any],
    done: Sequence[Mapping[str, Any]],
    rest: Sequence[Mapping[str, Any]],
) -> None:
    """A claim made from a template is new and empty; one that stays may hold something else now."""
    for binding in _objects(spec, "workspaces"):
        if _SAME_FOR_ALL & binding.keys():
            continue
        before = next((task for task in done if _may_use(task, _name(binding))), None)
        after = next((task for task in rest if _may_use(task, _name(binding))), None)
        if before and after:
            _cannot(
                f"{_name(after)} may need what {_name(before)} left in the volume of workspace"
                f" {_name(binding)}"
            )


def _may_use(task: Mapping[str, Any], workspace: str) -> bool:
    """An embedded task sees all workspaces of the run without asking for them."""
    if "taskSpec" in task:
        return True
    asked = _objects(task, "workspaces")
    return any((one.get("workspace") or one.get("name")) == workspace for one in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the tasks that are left out gave."""

    done: frozenset[str]
    ran: Mapping[str, list[ChildRun]]

    def filled(self, value: Any) -> Any:
        """`value` with what is known written in."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {key: self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [item for one in value for item in self._items(one)]
        return value

    def _items(self, value: Any) -> list[Any]:
        """A list inside a list of texts stands for its items, as Tekton expands it."""
        filled = self.filled(value)
        return filled if isinstance(value, str) and isinstance(filled, list) else [filled]

    def _text(self, text: str) -> Any:
        whole = _VARIABLE.fullmatch(text)
        if whole and whole[1] in self.done:
            return self._value(whole[1], whole[2], whole=True)
        return _VARIABLE.sub(
            lambda match: (
                self._value(match[1], match[2], whole=False) if match[1] in self.done else match[0]
            ),
            text,
        )

    def _value(self, task: str, what: str, *, whole: bool) -> Any:
        if what == "status":
            return "Succeeded"
        asked = _RESULT.fullmatch(what)
        if asked is None:
            _cannot(f"the rest needs {what} of {task}, which cannot be written in")
        value = self._part(task, asked[1] or asked[2], asked[3] or "")
        fits = isinstance(value, str) or (whole and asked[3] == "[*]")
        if not fits:
            _cannot(f"the rest needs the result {asked[1] or asked[2]} of {task}, which is no text")
        if any("$(" in one for one in _texts(value)):
            _cannot(f"a result of {task} looks like a variable of Tekton's")
        return value

    def _part(self, task: str, result: str, part: str) -> Any:
        runs = self.ran[task]
        given = {one.name: one.value for run in runs for one in (run.status or NO_STATUS).values}
        value = given.get(result)
        if len(runs) == 1 and value is not None:
            if part in ("", "[*]"):
                return value
            if part.startswith(".") and isinstance(value, Mapping):
                return value.get(part[1:])
            index = part.strip("[]")
            if index.isdecimal() and isinstance(value, list) and int(index) < len(value):
                return value[int(index)]
        _cannot(f"the rest needs the result {result} of {task}, which is not known")

"""Pipelines Feedback: `PFConfig`, and the flat JSON file that its controllers read at their start.

Its commit statuses and comments become one check; its keys become a Notification. It reported the
runs of a namespace that carry a label, so that label becomes the filter.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ghapp.core.source import Resource
from ghapp.documents.reading import Steps
from ghapp.migrate._go_template import Vocabulary
from ghapp.migrate._source import Source
from ghapp.migrate._texts import (
    clamped,
    label_selector,
    say_host,
    text_problem,
    translated,
    without_empty,
)
from ghapp.migrate._tool import GITHUB, Around, Draft, Json, Page, Tool, app_provider

GROUP: Final = "pipelinesfeedback.keskad.pl"
FILE: Final = "pipelines-feedback.json"
CONFIG: Final = Resource(GROUP, "v1alpha1", "pfconfigs", "PFConfig")
KINDS: Final = ("PipelineRun", "Job")
"""What its two binaries watched."""
MOST_SELECTORS: Final = 50
"""Each is a document of its own."""
FIRST: Final = -1000
"""Priority of the file: whatever a PFConfig says has the last word."""

_KEYS: Final = ("dashboard-url", "logs-", "jxscm.", "global.")
_GITHUB: Final = frozenset({"", "github"})
_PRETENDED: Final = frozenset({"fake", "fakegit"})

_DASHBOARD: Final = Vocabulary(
    fields={
        ".namespace": "run.namespace",
        ".name": "run.name",
        ".kind": "run.kind",
        ".job.metadata.namespace": "run.namespace",
        ".job.metadata.name": "run.name",
    }
)
_COMMENT: Final = Vocabulary(
    fields={
        ".pipeline.GetDashboardUrl": "run.dashboardUrl|url",
        ".pipeline.GetFullName": 'run.namespace ~ "/" ~ run.pipeline',
        ".pipeline.GetInstanceName": "run.name",
        ".pipeline.GetName": "run.pipeline",
        ".pipeline.GetNamespace": "run.namespace",
        ".pipeline.GetStages": "run.steps",
        ".pipeline.GetStatus": "run.phase",
    },
    lists={"run.steps": {"Name": "name", "Status": "phase"}},
    silent=frozenset({".commentId"}),
)


def move(source: Source, around: Around) -> tuple[Draft, ...]:
    """One Notification for each selector; of the file, one for the whole cluster."""
    if source.kind == CONFIG.kind:
        return _of_config(source, around)
    if source.kind == "ConfigMap":
        return _of_config_map(source, around)
    return _of_file(source, (), around)


def _of_config(source: Source, around: Around) -> tuple[Draft, ...]:
    keys = _Keys(source, ("data",))
    provider = _provider(keys, _kind_of_git(keys) or _kind_around(source, around))
    weight = ("spec", "priorityWeight")
    priority = clamped(source, weight, -1000, 1000, beside=("spec", "priority"))
    how = _how(keys, of_config=True)
    notifications = (
        Draft(
            kind="Notification",
            namespace=source.namespace,
            name=source.name,
            spec=without_empty(priority=priority, filter=_filter(selector, around), **how),
            tells=(GITHUB,) if provider else (),
        )
        for selector in _selectors(source)
    )
    return (*provider, *notifications)


def _selectors(source: Source) -> list[Json]:
    """Any of them; without one, all runs."""
    where: Steps = ("spec", "jobDiscovery", "labelSelector")
    count = source.count(*where)
    if count > MOST_SELECTORS:
        source.to_do(f"more than {MOST_SELECTORS} selectors; write a filter for them", *where)
        return []
    if count > 1:
        text = f"any of {count} selectors: a Notification for each"
        source.differs(text, *where, beside=("spec", "filter"))
    return [label_selector(source, *where, index) for index in range(count)] or [{}]


def _of_config_map(source: Source, around: Around) -> tuple[Draft, ...]:
    """Of the chart's ConfigMap: the file is a text in it."""
    try:
        value = json.loads(source.text("data", FILE))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        source.to_do("it is no JSON object; give the file itself", "data", FILE)
        return ()
    inside = Source(value=value, origin=source.origin, name=source.name)
    drafts = _of_file(inside, (), around)
    source.notes += [*inside.notes, *inside.rest()]
    return drafts


def _of_file(source: Source, where: Steps, around: Around) -> tuple[Draft, ...]:
    keys = _Keys(source, where)
    provider = _provider(keys, _kind_of_git(keys))
    text = "the file came first, whatever a PFConfig said had the last word"
    source.differs(text, beside=("spec", "priority"))
    spec = without_empty(priority=FIRST, filter=_filter({}, around), **_how(keys, of_config=False))
    notification = Draft(
        kind="ClusterNotification",
        name="pipelines-feedback",
        spec=spec,
        tells=(GITHUB,) if provider else (),
    )
    return (*provider, notification)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Flat keys ``component.key``; one without a component is of ``global``."""

    source: Source
    where: Steps

    def path(self, key: str) -> Steps:
        """Where the key stands, under either spelling."""
        long = (*self.where, f"global.{key}")
        known = self.source.at(*long) is not None and "." not in key
        return long if known else (*self.where, key)

    def there(self, key: str) -> bool:
        """Whether it is given."""
        return self.source.at(*self.path(key)) is not None

    def text(self, key: str) -> str:
        """Its value."""
        return self.source.text(*self.path(key))


# --- which runs -----------------------------------------------------------------------------------


def _filter(selector: Json, around: Around) -> Json:
    """The selector and the label; where both name one key, both have to hold."""
    labels = dict(selector.get("matchLabels", {}))
    requirements = list(selector.get("matchExpressions", []))
    if around.options.enabled_label:
        name, value = around.options.enabled_label
        if labels.get(name, value) == value:
            labels[name] = value
        else:
            requirements.append({"key": name, "operator": "In", "values": [value]})
    chosen = without_empty(matchLabels=labels, matchExpressions=requirements)
    return without_empty(kinds=list(KINDS), labelSelector=chosen)


# --- where ----------------------------------------------------------------------------------------


def _kind_of_git(keys: _Keys) -> str:
    return keys.text("jxscm.git-kind").strip().lower()


def _kind_around(source: Source, around: Around) -> str:
    """What a PFConfig does not say, the file does."""
    files = [one for one in around.files if reads_also(one.value)]
    kind = next((kind for one in files if (kind := _kind_of_git(_Keys(one.fresh(), ())))), "")
    if not kind and not files:
        text = f"no {FILE} was read that might name another Git host, so it is taken for GitHub"
        source.differs(text, beside=("spec", "providerRefs"))
    return kind


def _provider(keys: _Keys, git: str) -> tuple[Draft, ...]:
    source = keys.source
    _credentials(keys)
    server = keys.path("jxscm.git-server")
    if git in _GITHUB:
        say_host(source, source.text(*server), *server)
        return (app_provider(),)
    text = "checks are GitHub's; this Git host is told nothing"
    if git in _PRETENDED:
        text = "a pretended Git host, for tests"
    source.left(text, *_git_path(keys))
    source.left_if_there(text, *server)
    return ()


def _git_path(keys: _Keys) -> Steps:
    return keys.path("jxscm.git-kind") if keys.there("jxscm.git-kind") else ()


_PLAIN: Final = ("jxscm.token", "jxscm.git-token", "jxscm.bb-oauth-client-secret")
_NAMED: Final = ("jxscm.token-secret-name", "jxscm.token-secret-key")
_ACCOUNT: Final = ("jxscm.git-user", "jxscm.bb-oauth-client-id")


def _credentials(keys: _Keys) -> None:
    """None is repeated: checkrail is a GitHub App, and its key is in a Secret."""
    source = keys.source
    for key in _PLAIN:
        if keys.there(key):
            text = (
                "a token in plain text; if anything still needs it put it into a Secret, else "
                "revoke it. checkrail has its App's key (CHECKRAIL_GITHUB_PRIVATE_KEY_FILE)"
            )
            source.to_do(text, *keys.path(key))
    for key in _NAMED:
        source.needless("checkrail has its App's key, not a token", *keys.path(key))
    for key in _ACCOUNT:
        source.needless("checkrail is a GitHub App", *keys.path(key))
    if keys.there("jxscm.git-repo-url"):
        text = "it holds credentials; the repository is what the run's annotation says"
        source.left(text, *keys.path("jxscm.git-repo-url"))


# --- how ------------------------------------------------------------------------------------------


def _how(keys: _Keys, *, of_config: bool) -> Json:
    return without_empty(
        dashboardUrl=_dashboard(keys, of_config=of_config),
        summary=_summary(keys),
        logs=_logs(keys, of_config=of_config),
    )


def _dashboard(keys: _Keys, *, of_config: bool) -> str:
    steps = keys.path("dashboard-url")
    text = keys.text("dashboard-url")
    if not text:
        return ""
    _now_it_counts(keys.source, steps, ("spec", "dashboardUrl"), of_config=of_config)
    return translated(
        keys.source,
        steps,
        text,
        field="dashboard_url",
        vocabulary=_DASHBOARD,
        beside=("spec", "dashboardUrl"),
    )


def _now_it_counts(source: Source, steps: Steps, beside: Steps, *, of_config: bool) -> None:
    if of_config:
        text = "Pipelines Feedback read this in its local file only; here it counts"
        source.differs(text, *steps, beside=beside)


def _summary(keys: _Keys) -> str:
    """One text instead of two comments."""
    progress, finished = _comment(keys, "progress"), _comment(keys, "finished")
    whole = progress
    if finished:
        begin = "{% if run.finished %}"
        whole = (
            f"{begin}{finished}" + (f"{{% else %}}{progress}" if progress else "") + "{% endif %}"
        )
        keys.source.differs(
            "one text on the check instead of two comments: this one once the run is over",
            *keys.path("jxscm.finished-comment"),
            beside=("spec", "summary"),
        )
    if not whole:
        return ""
    if problem := text_problem("summary", whole):
        keys.source.to_do(f"{problem}; write it anew", *keys.path("jxscm.progress-comment"))
        return ""
    return whole


def _comment(keys: _Keys, which: str) -> str:
    key = f"jxscm.{which}-comment"
    text = keys.text(key).replace("~~~", "```")
    if not text:
        return ""
    return translated(
        keys.source,
        keys.path(key),
        text,
        field="summary",
        vocabulary=_COMMENT,
        beside=("spec", "summary"),
    ).strip()


def _logs(keys: _Keys, *, of_config: bool) -> Json:
    source, beside = keys.source, ("spec", "logs")
    logs: Json = {}
    if keys.there("logs-enabled"):
        off = keys.text("logs-enabled") == "false"
        logs["when"] = "never" if off else "always"
    for key, field, low, high in _LIMITS:
        number = clamped(source, keys.path(key), low, high, beside=beside)
        if number is not None:
            logs[field] = number
    source.needless("checkrail marks a cut in its own way", *keys.path("logs-split-separator"))
    for key in ("logs-enabled", *(limit[0] for limit in _LIMITS)):
        if keys.there(key):
            _now_it_counts(source, keys.path(key), beside, of_config=of_config)
    return logs


_LIMITS: Final = (
    ("logs-max-full-length-lines-count", "lines", 1, 1000),
    ("logs-max-line-length", "lineLength", 20, 2000),
)


def reads_also(value: Mapping[str, Any]) -> bool:
    """The flat file, or the ConfigMap that holds it."""
    if "kind" not in value and "apiVersion" not in value:
        return any(str(key).startswith(_KEYS) for key in value)
    data = value.get("data")
    return value.get("kind") == "ConfigMap" and isinstance(data, Mapping) and FILE in data


TOOL: Final = Tool(
    name="Pipelines Feedback",
    resources=(CONFIG,),
    move=move,
    reads_also=reads_also,
    fields={
        "label `pipelinesfeedback.keskad.pl/enabled`": "`filter.labelSelector`; another name or "
        "value: `--enabled-label`",
        "`spec.jobDiscovery.labelSelector`": "`filter.labelSelector`; of a list (any of them) a "
        "Notification for each",
        "`spec.priorityWeight`": "`priority`",
        "`dashboard-url`": "`dashboardUrl`, `{{ .namespace }}` as `{{ run.namespace }}`",
        "`logs-enabled`": "`logs.when`: `never` or `always`",
        "`logs-max-full-length-lines-count`": "`logs.lines`",
        "`logs-max-line-length`": "`logs.lineLength`",
        "`logs-split-separator`": "not needed",
        "`jxscm.git-kind: github`": "the ClusterProvider `github`; other kinds are not supported",
        "`jxscm.git-server`": "to do: `CHECKRAIL_GITHUB_API_URL`",
        "`jxscm.token`, `jxscm.git-token`": "never repeated; not needed by a GitHub App",
        "`jxscm.token-secret-name`, `…-key`": "not needed",
        "`jxscm.git-repo-url`": "never repeated; the run's annotation names the repository",
        "`jxscm.progress-comment`, `jxscm.finished-comment`": "`summary`, as far as they can be "
        "translated",
        "annotations of runs": "keep working as they are; a `technical-job` has no check",
    },
    page=Page(
        about=(
            "Its `PFConfig`s, the `pipelines-feedback.json` of its controllers, and the ConfigMap "
            "of its chart with that file (not found by `--live`: give it as a file)."
        ),
        better=(
            "One check with the same name for every run, so that it can be required.",
            "`finally`, matrix, CustomRuns and failures of the run itself are shown.",
            "`cancelled` and timeouts are told as what they are.",
            "A GitHub App instead of a token; nothing secret in plain text.",
            "Settings of a namespace count in that namespace, `dashboard-url` and `logs-*` too.",
        ),
        missing=(
            "GitLab, Gitea, Gogs, Bitbucket and Azure DevOps.",
            "Comments on pull requests: the check stands in the pull request instead.",
            "Another base for the annotations (`ANNOTATION_FEEDBACK_BASE`).",
        ),
    ),
)

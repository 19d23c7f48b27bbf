"""Documents at work: references looked up, expressions and templates compiled.

What is wrong with one document is kept beside it and takes nothing from the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ghapp import cel, templates
from ghapp.core.audience import BUILT_IN, Listening, in_order
from ghapp.core.case import Case, Failed
from ghapp.core.notification import Notification, NotificationSpec
from ghapp.core.references import resolve
from ghapp.core.rule import Facts, run_facts
from ghapp.core.rule import Failed as NotEvaluated
from ghapp.documents import texts
from ghapp.documents.config import Config
from ghapp.errors import RenderError

DEFAULT: Final = "default"
"""A ClusterNotification of this name stands in the place of the one that the environment makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """All Notifications at work, and what is wrong with each."""

    listening: tuple[Listening, ...]
    problems: Mapping[str, tuple[str, ...]]
    """By `Notification.id`."""


def compile_documents(config: Config, built_in: tuple[str, ...], *, cluster: str) -> Compiled:
    """The Notifications of `config`, whoever has the last word last.

    `built_in` are the ids of the providers that the environment sets up: they are told of
    everything, unless a ClusterNotification named ``default`` says otherwise.
    """
    problems: dict[str, tuple[str, ...]] = {}
    listening: list[Listening] = []
    same: dict[str, str] = {}
    if not any(_is_default(one) for one in config.notifications):
        listening.append(Listening(document=_everything(), providers=built_in))
        # What is told of everything anyway is told once, by whatever name documents call it.
        same = {one.id: one.place for one in config.providers if one.place in built_in}
    for document in in_order(config.notifications):
        found = resolve(document, config.providers, config.trust, cluster=cluster)
        listening.append(
            Listening(
                document=document,
                providers=tuple(same.get(provider, provider) for provider in found.providers),
                rule=_rule(document.spec),
                templates=_templates(document.spec),
            )
        )
        if found.problems:
            problems[document.id] = found.problems
    return Compiled(listening=tuple(listening), problems=problems)


# --- expressions and texts ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Expression:
    """A `case.Rule` in CEL."""

    rule: cel.CelRule

    @property
    def needs_object(self) -> bool:
        return self.rule.needs_object

    def matches(self, case: Case) -> bool:
        facts = case.memo.get("rule")
        if facts is None:
            facts = Facts(run=_run(case), object=case.object, old_phase=case.old_phase)
            case.memo["rule"] = facts
        verdict = self.rule.matches(facts)
        if isinstance(verdict, NotEvaluated):
            raise Failed(f"filter.expression: {verdict.why}")
        return verdict


@dataclass(frozen=True, slots=True)
class _Text:
    """A `case.Template` in Jinja's syntax."""

    field: str
    template: templates.Template

    def render(self, case: Case) -> str:
        try:
            return self.template.render(_run(case))
        except RenderError as error:
            raise Failed(f"{self.field}: {error}") from error


def _run(case: Case) -> Mapping[str, Any]:
    run: Mapping[str, Any] | None = case.memo.get("run")
    if run is None:
        run = case.memo["run"] = run_facts(case.look)
    return run


def _rule(spec: NotificationSpec) -> _Expression | None:
    expression = spec.filter.expression
    return _Expression(cel.compile(expression)) if expression else None


def _templates(spec: NotificationSpec) -> dict[str, _Text]:
    given = {name: getattr(spec, name) for name in texts.TEXTS}
    return {name: _Text(name, texts.compile(name, text)) for name, text in given.items() if text}


def _is_default(document: Notification) -> bool:
    return document.kind == "ClusterNotification" and document.name == DEFAULT


def _everything() -> Notification:
    return Notification(
        kind="ClusterNotification",
        namespace="",
        name=DEFAULT,
        spec=NotificationSpec(),
        rank=BUILT_IN,
    )

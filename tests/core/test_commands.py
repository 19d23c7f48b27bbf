"""May this person do that, and what follows: judged from facts alone.

Gathering the facts is tested in `tests/engine/test_inbox.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from ghapp.core.access import Person
from ghapp.core.audience import Audience, Presentation
from ghapp.core.commands import facts_of_queue, give_up, plan
from ghapp.core.decide import NOTHING, Decision, Rules, decide
from ghapp.core.effects import Cancel, Promote, Reconcile, Rerun, SetCheck
from ghapp.core.model import Observation, Phase, Subject, Verb
from ghapp.core.seen import Seen
from ghapp.core.source import Asked, Create, Write
from ghapp.core.trust import TrustPolicy, TrustPolicySpec
from ghapp.core.webhook import GroupEnded, Press, RerunAll
from ghapp.core.wishes import Facts, Target
from ghapp.errors import Refused
from tests.core.builders import COMMIT, EVERYBODY, RULES, at, release_look, run_look, tell
from tests.core.test_pipeline import PIPELINE

APP = 7
WITH_PIPELINE = Rules(born=RULES.born, horizon=RULES.horizon, pipelines=(PIPELINE,))


def write(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Write:
    if manifest.get("refuse"):
        raise Refused("it belongs to another run")
    named = {"metadata": {"name": f"{subject.name}-r-{asked.token}"}}
    return Create(resource="r", namespace=subject.namespace, manifest=named)


PLANS = {Verb.RERUN: write, Verb.CANCEL: write, Verb.RECONCILE: write}


def row(look: Observation) -> Seen:
    return tell(None, look).seen[0]


def press(identifier: str = "rerun", **changes: Any) -> Press:
    pressed = Press(
        identifier=identifier,
        external_id="x",
        check_run=1,
        commit=COMMIT,
        app=APP,
        repository="acme/shop",
        login="dev",
    )
    return replace(pressed, **changes)


def facts(*looks: Observation, permission: str = "write", **changes: Any) -> Facts:
    targets = tuple(
        Target(seen=row(look), manifest=changes.get("manifest", {}), plans=PLANS) for look in looks
    )
    guid = changes.get("guid", "guid-1")
    person = Person(login=changes.get("login", "dev"), role=permission)
    return Facts(app=APP, person=person, targets=targets, guid=guid, at=at(60))


def answer(decision: Decision) -> str:
    (effect,) = decision.effects
    assert isinstance(effect, SetCheck)
    return effect.check.summary.partition("\n")[0]


@pytest.mark.parametrize("permission", ["read", "none", "triage"])
@pytest.mark.parametrize("identifier", ["rerun", "cancel", "reconcile", "promote"])
def test_without_write_access_nothing_is_done_and_one_is_told(
    permission: str, identifier: str
) -> None:
    decision = plan(press(identifier), facts(run_look(), permission=permission), rules=RULES)
    assert "needs write access to acme/shop" in answer(decision)
    assert permission in answer(decision)


def test_a_rerun_is_planned_by_the_adapter() -> None:
    (effect,) = plan(press(), facts(run_look(Phase.FAILED)), rules=RULES).effects
    assert isinstance(effect, Rerun)
    assert effect.login == "dev"


def test_one_check_is_repeated_once_however_often_it_is_clicked() -> None:
    """Each click is answered; the far side knows all of them by one token."""
    asked = [
        plan(press(), facts(run_look(Phase.FAILED), guid=guid), rules=RULES).effects[0]
        for guid in ("one", "two", "two")
    ]
    assert len({one.token for one in asked if isinstance(one, Rerun)}) == 1
    assert len({one.key for one in asked}) == 2


def test_a_long_lived_object_is_asked_anew_with_every_click() -> None:
    keys = {
        plan(press("reconcile"), facts(release_look(), guid=guid), rules=RULES).effects[0].key
        for guid in ("one", "two")
    }
    assert len(keys) == 2


def test_what_is_going_on_is_cancelled_not_repeated() -> None:
    running = facts(run_look(Phase.RUNNING))
    assert "still going" in answer(plan(press("rerun"), running, rules=RULES))
    (effect,) = plan(press("cancel"), running, rules=RULES).effects
    assert isinstance(effect, Cancel)


def test_what_has_finished_cannot_be_cancelled() -> None:
    decision = plan(press("cancel"), facts(run_look(Phase.FAILED)), rules=RULES)
    assert "finished already" in answer(decision)


def test_reconcile_asks_flux() -> None:
    (effect,) = plan(press("reconcile"), facts(release_look()), rules=RULES).effects
    assert isinstance(effect, Reconcile)


def test_an_object_that_is_gone_cannot_be_repeated() -> None:
    decision = plan(press(), facts(run_look(Phase.FAILED), manifest=None), rules=RULES)
    assert "no longer in the cluster" in answer(decision)


def test_an_adapters_refusal_is_told() -> None:
    given = facts(run_look(Phase.FAILED), manifest={"refuse": True})
    assert "belongs to another run" in answer(plan(press(), given, rules=RULES))


@pytest.mark.parametrize(
    "pressed",
    [
        press(app=8),
        press("ok-to-test"),
        press("lgtm|26764"),
        press(repository="evil/shop"),
        press(commit="f" * 40),
    ],
)
def test_what_is_not_ours_is_nothing(pressed: Press) -> None:
    assert plan(pressed, facts(run_look(Phase.FAILED)), rules=RULES) == NOTHING


def test_promotion_brings_the_running_version_into_the_next_environment() -> None:
    given = facts(release_look(Phase.SUCCEEDED, "1.4.0"))
    (effect,) = plan(press("promote"), given, rules=WITH_PIPELINE).effects
    assert isinstance(effect, Promote)
    assert (effect.marker, effect.version, effect.repository.slug, effect.base_branch) == (
        "apps:shop:staging",
        "1.4.0",
        "acme/gitops",
        "main",
    )


def test_what_does_not_run_here_any_more_is_not_promoted() -> None:
    given = facts(release_look(Phase.FAILED))
    assert "does not run here" in answer(plan(press("promote"), given, rules=WITH_PIPELINE))


def test_without_a_pipeline_there_is_nowhere_to_promote_to() -> None:
    decision = plan(press("promote"), facts(release_look(Phase.SUCCEEDED)), rules=RULES)
    assert "no Pipeline document" in answer(decision)


def run_named(name: str, phase: Phase, check: str) -> Observation:
    look = run_look(phase, check_name=check)
    return replace(look, subject=replace(look.subject, name=name, uid=name))


def test_rerun_all_repeats_the_newest_finished_run_of_each_check() -> None:
    all_of_it = RerunAll(commit=COMMIT, app=APP, repository="ACME/Shop", login="dev")
    given = facts(
        run_named("old", Phase.FAILED, "tekton / a"),
        run_named("new", Phase.SUCCEEDED, "tekton / a"),
        run_named("going", Phase.RUNNING, "tekton / b"),
    )
    effects = plan(all_of_it, given, rules=RULES).effects
    assert [effect.subject.name for effect in effects] == ["new"]


def test_a_login_cannot_write_markdown_on_our_check() -> None:
    login = "x](http://evil)![y](z)"
    given = facts(run_look(), permission="none", login=login)
    decision = plan(press(login=login), given, rules=RULES)
    assert "x\\](" in answer(decision)


# -- names that lead to the repository -----------------------------------------------------------


def test_a_click_under_a_new_name_is_about_the_runs_of_the_old_one() -> None:
    moved = press(repository="acme/store", formerly=frozenset({"acme/shop"}))
    (effect,) = plan(moved, facts(run_look(Phase.FAILED)), rules=RULES).effects
    assert isinstance(effect, Rerun)
    elsewhere = press(repository="acme/store", formerly=frozenset({"acme/other"}))
    assert plan(elsewhere, facts(run_look(Phase.FAILED)), rules=RULES) == NOTHING


# -- the merge queue -----------------------------------------------------------------------------

ENDED = GroupEnded(commit=COMMIT, repository="acme/shop", reason="dequeued")


def given_up(*targets: Target, rules: Rules = RULES, ended: GroupEnded = ENDED) -> Decision:
    return give_up(ended, facts_of_queue(ended, targets, "guid", at(60)), rules=rules)


def target(phase: Phase = Phase.RUNNING, **changes: Any) -> Target:
    return dataclasses.replace(
        Target(seen=row(run_look(phase)), manifest={}, plans=PLANS), **changes
    )


def test_what_runs_on_a_commit_that_the_merge_queue_gave_up_is_cancelled_once() -> None:
    decision = given_up(target())
    shown, effect = decision.effects
    assert isinstance(effect, Cancel)
    assert effect.login == "github-merge-queue[bot]"
    assert isinstance(shown, SetCheck)
    assert "The merge queue gave this commit up (dequeued)." in shown.check.summary
    assert [(one.login, one.allowed, one.why) for one in decision.audit] == [
        ("github-merge-queue[bot]", True, "merge queue: dequeued")
    ]
    again = give_up(ENDED, facts_of_queue(ENDED, [target()], "other", at(90)), rules=RULES)
    assert isinstance(again.effects[1], Cancel)
    assert again.effects[1].token == effect.token
    assert given_up(target(seen=decision.seen[-1])) == NOTHING


SPEAKS_FOR_OTHERS = TrustPolicy(
    name="shop", spec=TrustPolicySpec(namespaces=("ci",), repositories=("acme/other",))
)


@pytest.mark.parametrize(
    ("left", "rules"),
    [
        (target(Phase.FAILED), RULES),
        (target(manifest=None), RULES),
        (target(plans={}), RULES),
        (target(), dataclasses.replace(RULES, trust=(SPEAKS_FOR_OTHERS,))),
    ],
)
def test_what_cannot_or_must_not_be_stopped_is_left_alone(left: Target, rules: Rules) -> None:
    assert given_up(left, rules=rules) == NOTHING


@pytest.mark.parametrize(
    "ended", [replace(ENDED, repository="eve/shop"), replace(ENDED, commit="f" * 40)]
)
def test_the_merge_queue_of_another_repository_stops_nothing_here(ended: GroupEnded) -> None:
    assert given_up(target(), ended=ended) == NOTHING


def test_why_a_run_of_the_merge_queue_cannot_be_stopped_is_on_record() -> None:
    decision = given_up(target(manifest={"refuse": True}))
    (shown,) = decision.effects
    assert isinstance(shown, SetCheck)
    reason = "but this cannot be cancelled: it belongs to another run."
    assert f"gave this commit up (dequeued), {reason}" in shown.check.summary
    assert [(one.allowed, one.why) for one in decision.audit] == [
        (False, "it belongs to another run")
    ]
    assert given_up(target(manifest={"refuse": True}, seen=decision.seen[-1])) == NOTHING


# -- what documents say -------------------------------------------------------------------------


def offering(*buttons: Verb, look: Observation | None = None, **changes: Any) -> Facts:
    """A check on which a Notification offers these buttons only."""
    presented = Audience(presentation=Presentation(buttons=buttons))
    seen = replace(row(look or run_look(Phase.FAILED)), audience=presented)
    return replace_facts(facts(), Target(seen=seen, manifest={}, plans=PLANS), **changes)


def replace_facts(given: Facts, *targets: Target, **changes: Any) -> Facts:
    return dataclasses.replace(given, targets=targets, **changes)


def test_a_verb_that_the_notifications_do_not_offer_is_refused() -> None:
    """GitHub shows its own Re-run on every check, whatever we offer."""
    decision = plan(press("rerun"), offering(Verb.RECONCILE), rules=RULES)
    assert "do not offer rerun" in answer(decision)
    (effect,) = plan(press("rerun"), offering(Verb.RERUN), rules=RULES).effects
    assert isinstance(effect, Rerun)


def test_a_namespace_that_may_not_speak_for_the_repository_any_more_is_not_acted_upon() -> None:
    spec = TrustPolicySpec(namespaces=("ci",), repositories=("acme/other",))
    policy = TrustPolicy(name="shop", spec=spec)
    rules = dataclasses.replace(RULES, trust=(policy,))
    decision = plan(press(), facts(run_look(Phase.FAILED)), rules=rules)
    assert "no TrustPolicy lets namespace ci speak for" in answer(decision)
    spec = replace(spec, repositories=("acme/shop",))
    rules = dataclasses.replace(RULES, trust=(replace(policy, spec=spec),))
    (effect,) = plan(press(), facts(run_look(Phase.FAILED)), rules=rules).effects
    assert isinstance(effect, Rerun)


def test_re_run_on_the_check_of_all_runs_means_those_that_failed_or_else_all() -> None:
    """*Re-run failed checks* is about that check, too, and must not repeat what succeeded."""
    asked = RerunAll(commit=COMMIT, app=APP, repository="acme/shop", login="dev", failed=True)

    def again(*phases: Phase) -> list[str]:
        looks = [run_named(phase.value, phase, f"tekton / {phase}") for phase in phases]
        return [one.subject.name for one in plan(asked, facts(*looks), rules=RULES).effects]

    assert again(Phase.SUCCEEDED, Phase.FAILED, Phase.ERRORED) == ["failed", "errored"]
    assert again(Phase.SUCCEEDED, Phase.CANCELLED, Phase.RUNNING) == ["cancelled"]
    assert again(Phase.SUCCEEDED, Phase.RUNNING) == ["succeeded"]


def test_rerun_all_knows_checks_by_the_name_that_documents_gave_them() -> None:
    def named(name: str, check: str) -> Target:
        look = run_look(Phase.FAILED)
        look = replace(look, subject=replace(look.subject, name=name, uid=name))
        presentation = Presentation(check_name=check)
        audience = Audience(recipients=EVERYBODY.recipients, presentation=presentation)
        (seen,) = decide(None, look, audience=audience, rules=RULES).seen
        return Target(seen=seen, manifest={}, plans=PLANS)

    all_of_it = RerunAll(commit=COMMIT, app=APP, repository="acme/shop", login="dev")
    given = replace_facts(facts(), named("a", "one"), named("b", "two"))
    effects = plan(all_of_it, given, rules=RULES).effects
    assert [effect.subject.name for effect in effects] == ["a", "b"]

"""Votes, holds, rollbacks, strangers: what becomes of clicks over time, and what never happens.

Who may by policies alone is `test_access.py`; single clicks are `test_commands.py`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import ballots
from ghapp.core.access import AccessPolicy, AccessPolicySpec, AccessRule, Action, Person
from ghapp.core.ballots import Ballot, Vote
from ghapp.core.commands import plan
from ghapp.core.decide import Decision, Rules
from ghapp.core.effects import Effect, Promote, Reconcile, Rerun, SetCheck
from ghapp.core.model import Observation, Phase, Subject, Verb
from ghapp.core.seen import Gate, Seen
from ghapp.core.source import Asked, Create, Write
from ghapp.core.webhook import Press
from ghapp.core.wishes import Facts, Pull, Target, inquiry, place_of
from tests.core.builders import COMMIT, REVISION, RULES, at, release_look, run_look, tell
from tests.core.test_pipeline import PIPELINE

APP = 7
LATER = "b" * 40


def policy(*actions: Action, **fields: Any) -> AccessPolicy:
    rule = AccessRule(actions=actions, **fields)
    return AccessPolicy(name="p", spec=AccessPolicySpec(rules=(rule,)))


def rules_of(*policies: AccessPolicy) -> Rules:
    return dataclasses.replace(RULES, pipelines=(PIPELINE,), access=policies)


def write(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Write:
    named = {"metadata": {"name": f"{subject.name}-r-{asked.token}"}}
    return Create(resource="r", namespace=subject.namespace, manifest=named)


@dataclass
class House:
    """What a store keeps, and one row in it that people click on."""

    seen: Seen
    rules: Rules
    ballots: dict[str, Ballot] = field(default_factory=dict)
    effects: dict[str, Effect] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    plans: Iterable[Verb] = (Verb.RERUN, Verb.RERUN_FAILED, Verb.CANCEL)
    clicks: int = 0

    def click(self, verb: str, login: str = "dev", role: str = "write", **changes: Any) -> Decision:
        """One delivery, worked on; its rows and effects are kept as a store would."""
        self.clicks += 1
        began = changes.pop("began", "")
        guid = changes.pop("guid", f"guid-{self.clicks}")
        facts = Facts(
            app=APP,
            person=Person(login=login, role=role, **changes),
            targets=(Target(seen=self.seen, manifest={}, plans=dict.fromkeys(self.plans, write)),),
            guid=guid,
            at=at(60 + self.clicks),
            pulls=self.pulls,
            ballots=self.ballots,
        )
        pressed = Press(
            identifier=verb,
            external_id="x",
            check_run=1,
            commit=COMMIT,
            app=APP,
            repository="acme/shop",
            login=login,
            began=began,
        )
        decision = plan(pressed, facts, rules=self.rules)
        self.keep(decision)
        return decision

    def keep(self, decision: Decision) -> None:
        for seen in decision.seen:
            assert seen.version == self.seen.version + 1
            self.seen = seen
        for ballot in decision.ballots:
            before = self.ballots.get(ballot.key, Ballot(key=ballot.key))
            assert ballot.version == before.version + 1
            self.ballots[ballot.key] = ballot
        for effect in decision.effects:
            self.effects.setdefault(effect.key, effect)

    @property
    def promotions(self) -> list[tuple[str, str]]:
        """Environment and version of each."""
        found = [effect for effect in self.effects.values() if isinstance(effect, Promote)]
        return [(effect.environment, effect.version) for effect in found]

    @property
    def summary(self) -> str:
        assert self.seen.check
        return self.seen.check.summary

    @property
    def buttons(self) -> list[str]:
        assert self.seen.check
        return [button.identifier for button in self.seen.check.buttons]


def house(look: Observation | None = None, *policies: AccessPolicy, **fields: Any) -> House:
    rules = rules_of(*policies)
    seen = tell(None, look or release_look(Phase.SUCCEEDED), rules=rules).seen[-1]
    return House(seen=seen, rules=rules, **fields)


# -- votes ----------------------------------------------------------------------------------------

TWO = policy("promote", "approve", permission="write", approvals=2)


def test_the_last_vote_promotes_and_each_person_has_one() -> None:
    shop = house(None, TWO)
    shop.click("promote", "ann")
    assert not shop.promotions
    assert shop.buttons[:2] == ["approve", "hold"]
    assert "1 of 2 approvals" in shop.summary
    shop.click("promote", "Ann")
    shop.click("approve", "ANN")
    assert not shop.promotions
    assert "has asked already" in shop.summary
    shop.click("approve", "bob")
    assert shop.promotions == [("staging", "1.1.0")]
    assert shop.seen.gate is None
    assert shop.buttons[0] == "promote"


def test_votes_are_used_up_by_what_they_did() -> None:
    shop = house(None, TWO)
    for login in ("ann", "bob", "ann"):
        shop.click("promote", login)
    assert len(shop.promotions) == 1
    shop.click("promote", "bob")
    assert len(shop.promotions) == 2


def test_a_vote_is_for_one_version() -> None:
    shop = house(None, TWO)
    shop.click("promote", "ann")
    look = release_look(Phase.SUCCEEDED, "1.2.0")
    shop.seen = tell(None, look, previous=shop.seen, rules=shop.rules).seen[-1]
    assert shop.buttons[0] == "promote"
    shop.click("promote", "bob")
    assert not shop.promotions


def test_who_may_not_has_no_vote() -> None:
    shop = house(None, TWO)
    shop.click("promote", "ann")
    shop.click("approve", "eve", "read")
    assert not shop.promotions
    assert "**eve**: cannot approve this" in shop.summary


def test_an_author_who_may_not_approve_may_not_ask_either() -> None:
    shop = house(None, policy("promote", not_author=True))
    shop.click("promote", "ann", authors=frozenset({"ann"}))
    assert not shop.promotions
    shop.click("promote", "bob", authors=frozenset({"ann"}))
    assert shop.promotions


def test_where_nobody_asked_there_is_nothing_to_approve() -> None:
    shop = house()
    shop.click("approve")
    assert "nothing waits for an approval" in shop.summary
    assert not shop.promotions


LEADS = policy("approve", teams=("acme/leads",), approvals=2)
LEAD = frozenset({"acme/leads"})


def test_who_may_promote_asks_and_only_who_may_approve_has_a_vote() -> None:
    shop = house(None, LEADS)
    for login in ("ann", "bob", "cas"):
        shop.click("promote", login)
    assert not shop.promotions
    assert "0 of 2 approvals" in shop.summary
    assert shop.buttons[0] == "approve"
    shop.click("approve", "ann")
    assert "**ann**: cannot approve this" in shop.summary
    shop.click("approve", "lea", teams=LEAD)
    assert not shop.promotions
    shop.click("promote", "leo", teams=LEAD)
    assert shop.promotions == [("staging", "1.1.0")]
    shop.click("promote", "ann")
    assert len(shop.promotions) == 1, "what was asked for before is done"


def test_one_approval_by_somebody_else_is_one_that_is_needed() -> None:
    shop = house(None, policy("approve", teams=("acme/leads",)))
    shop.click("promote", "ann")
    shop.click("promote", "ann")
    assert not shop.promotions
    assert "has asked already: 0 of 1 approval." in shop.summary
    shop.click("approve", "lea", teams=LEAD)
    assert len(shop.promotions) == 1
    shop.click("promote", "lea", teams=LEAD)
    assert len(shop.promotions) == 2


def test_what_was_settled_on_another_check_is_not_shown_any_more() -> None:
    """Two objects may lead to one environment: the ballot is one, and each has its check."""
    shop = house(None, TWO)
    shop.click("promote", "ann")
    shop.ballots.clear()  # the last vote was given on the other check
    shop.click("approve", "bob")
    assert "nothing waits for an approval to go to staging any more" in shop.summary
    assert (shop.seen.gate, shop.promotions) == (None, [])
    shop.click("hold", "ann")
    shop.ballots.clear()
    shop.click("unhold", "bob")
    assert "nobody holds staging any more" in shop.summary
    assert shop.buttons[0] == "promote"


def test_a_version_that_was_replaced_holds_nothing() -> None:
    shop = house(None)
    shop.seen = replace(shop.seen, closed=True)
    shop.click("hold", "ann")
    assert "another version runs here by now" in shop.summary
    assert not shop.ballots


def test_runs_can_need_several_people_too() -> None:
    run = house(run_look(Phase.FAILED), policy("rerun", permission="write", approvals=2))
    run.click("rerun", "ann")
    assert not run.effects or all(isinstance(one, SetCheck) for one in run.effects.values())
    run.click("rerun", "bob")
    assert any(isinstance(one, Rerun) for one in run.effects.values())


# -- holds ----------------------------------------------------------------------------------------


def test_nothing_is_promoted_where_somebody_holds() -> None:
    shop = house()
    shop.click("hold", "ann")
    assert shop.buttons[0] == "unhold"
    assert "`staging` is held by **ann**" in shop.summary
    shop.click("promote")
    assert not shop.promotions
    assert "staging is held by ann; release it first" in shop.summary
    shop.click("hold")
    assert "ann holds staging already" in shop.summary
    shop.click("unhold")
    shop.click("promote")
    assert shop.promotions
    shop.click("hold", "ann")
    assert shop.buttons[0] == "unhold", "the same words as before, and still said"


def test_a_hold_outlives_the_version_and_the_row() -> None:
    shop = house()
    shop.click("hold", "ann")
    look = release_look(Phase.SUCCEEDED, "1.2.0")
    shop.seen = tell(None, look, rules=shop.rules).seen[-1]
    shop.click("promote")
    assert not shop.promotions
    (ballot,) = shop.ballots.values()
    assert ballot.lasting
    shop.click("unhold")
    assert not shop.ballots[ballot.key].lasting


def test_who_holds_does_not_stop_a_rollback() -> None:
    shop = rolled_out()
    shop.click("hold")
    shop.click("rollback")
    assert shop.promotions == [("dev", "1.0.0")]


# -- rollbacks ------------------------------------------------------------------------------------


def rolled_out(phase: Phase = Phase.SUCCEEDED) -> House:
    """Version 1.1.0 in dev, after 1.0.0."""
    shop = house(release_look(Phase.SUCCEEDED, "1.0.0"))
    look = release_look(phase, "1.1.0")
    shop.seen = tell(None, look, previous=shop.seen, rules=shop.rules).seen[-1]
    return shop


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED])
def test_back_to_what_ran_well_before_by_a_pull_request(phase: Phase) -> None:
    shop = rolled_out(phase)
    assert "rollback" in shop.buttons
    shop.click("rollback")
    assert shop.promotions == [("dev", "1.0.0")]


def test_without_a_version_before_there_is_no_way_back() -> None:
    shop = house()
    shop.click("rollback")
    assert "no version is known that ran well here before" in shop.summary
    assert not shop.promotions


def test_what_is_replaced_already_is_not_rolled_back() -> None:
    shop = rolled_out()
    shop.seen = replace(shop.seen, closed=True)
    shop.click("rollback")
    assert not shop.promotions


# -- pull requests --------------------------------------------------------------------------------


def of_pull(phase: Phase = Phase.FAILED, **fields: Any) -> House:
    """A run of pull request 5, which is by zoe."""
    pull = Pull(
        number=5,
        head=fields.pop("head", COMMIT),
        author="zoe",
        author_role=fields.pop("role", "write"),
        **fields,
    )
    look = run_look(phase, revision=replace(REVISION, pull_request=5))
    return house(look, pulls={5: pull})


def reruns(run: House) -> int:
    """How many copies come of it."""
    writes = [effect.write for effect in run.effects.values() if isinstance(effect, Rerun)]
    return len({one.manifest["metadata"]["name"] for one in writes if isinstance(one, Create)})


def test_an_open_pull_request_is_run_again() -> None:
    run = of_pull()
    run.click("rerun")
    assert reruns(run) == 1


@pytest.mark.parametrize("verb", ["rerun", "rerun-failed"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"open": False}, "pull request 5 is closed"),
        ({"head": LATER}, "pull request 5 has gone on to commit bbbbbbb"),
        ({"role": "read"}, "is by zoe, who may not write here"),
        ({"role": "none"}, "comment /ok-to-test 0a1b2c3"),
    ],
)
def test_a_click_that_came_too_late_or_is_about_a_strangers_code_is_refused(
    verb: str, changes: dict[str, Any], why: str
) -> None:
    run = of_pull(**changes)
    run.click(verb)
    assert not reruns(run)
    assert why in run.summary


def test_a_pull_request_that_cannot_be_found_is_nobodys() -> None:
    run = of_pull()
    run.pulls = {}
    run.click("rerun")
    assert not reruns(run)
    assert "its pull request 5 cannot be found" in run.summary


def test_what_runs_can_be_cancelled_whatever_became_of_the_pull_request() -> None:
    run = of_pull(Phase.RUNNING, open=False, head=LATER, role="none")
    run.click("cancel")
    assert any(not isinstance(effect, SetCheck) for effect in run.effects.values())


def test_the_commit_that_merges_it_counts_as_it() -> None:
    trial = of_pull(head=LATER, trial=COMMIT)
    trial.click("rerun")
    assert reruns(trial) == 1
    merged = of_pull(head=LATER, trial=COMMIT, merged=True, open=False)
    merged.click("rerun")
    assert reruns(merged) == 1


def test_a_strangers_commit_runs_again_once_somebody_said_so_and_the_next_one_does_not() -> None:
    run = of_pull(role="read")
    vote = Vote(login="ann", at=at(0))
    for commit, allowed in ((LATER, 0), (COMMIT, 1)):
        key = ballots.ok_to_test_key("acme/shop", commit)
        run.ballots = {key: Ballot(key=key, version=1, votes=(vote,))}
        run.click("rerun")
        assert reruns(run) == allowed


# -- attempts -------------------------------------------------------------------------------------


def test_a_click_on_the_check_of_an_earlier_attempt_is_answered_not_done() -> None:
    shop = house(plans=(Verb.RECONCILE,))
    shop.seen = replace(shop.seen, attempt=1)
    shop.click("reconcile", began="2026-11-21T09:00:00Z")
    assert "of an earlier attempt" in shop.summary
    assert not any(isinstance(effect, Reconcile) for effect in shop.effects.values())
    shop.click("reconcile", began="2026-11-21T09:00:01Z")
    assert any(isinstance(effect, Reconcile) for effect in shop.effects.values())


def test_a_re_run_of_what_can_only_be_reconciled_needs_both() -> None:
    shop = house(plans=(Verb.RECONCILE,))
    shop.click("rerun")
    assert any(isinstance(effect, Reconcile) for effect in shop.effects.values())
    strict = house(None, policy("reconcile", permission="admin"), plans=(Verb.RECONCILE,))
    strict.click("rerun")
    assert not any(isinstance(effect, Reconcile) for effect in strict.effects.values())


def test_of_what_succeeded_nothing_failed() -> None:
    run = house(run_look(Phase.SUCCEEDED))
    run.click("rerun-failed")
    assert not reruns(run)
    assert "nothing of it has failed" in run.summary


# -- what has to be asked about people ------------------------------------------------------------


def test_only_what_policies_mention_is_asked_about() -> None:
    look = release_look(Phase.SUCCEEDED)
    rules = rules_of(
        policy("promote", teams=("acme/a",)),
        policy("cancel", teams=("acme/b",)),
        policy("promote", owners=("/deploy/",), not_author=True),
    )
    place = place_of(Verb.PROMOTE, look, rules)
    assert place
    found = inquiry([(("promote",), place)], rules)
    assert found.teams == {"acme/a"}
    assert found.owners == {"/deploy/"}
    assert found.authors


# -- audit ----------------------------------------------------------------------------------------


def test_everything_that_is_asked_for_is_on_the_record_with_its_reason() -> None:
    shop = house(None, TWO)
    (yes,) = shop.click("promote", "ann").audit
    assert (yes.login, yes.verb, yes.environment, yes.allowed) == (
        "ann",
        Verb.PROMOTE,
        "staging",
        True,
    )
    assert yes.why == "AccessPolicy p: write access"
    (no,) = shop.click("rollback", "eve", "read").audit
    assert not no.allowed
    assert "needs write access" in no.why


# -- what never happens ---------------------------------------------------------------------------

PEOPLE = {"ann": "admin", "bob": "write", "cas": "write", "eve": "read"}
clicks = st.tuples(
    st.sampled_from(["promote", "approve", "hold", "unhold", "rollback", "rerun", "lgtm", ""]),
    st.sampled_from(sorted(PEOPLE)),
    st.integers(0, 8),
)


@settings(max_examples=300)
@given(st.lists(clicks, max_size=30))
def test_no_order_of_clicks_promotes_without_two_who_may_or_past_a_hold(
    clicked: list[tuple[str, str, int]],
) -> None:
    """The oracle keeps books of its own; a known guid is dropped, as the store does."""
    shop = house(None, policy("promote", "approve", permission="write", approvals=2))
    known: set[int] = set()
    votes: set[str] = set()
    held, expected = False, 0
    for verb, login, guid in clicked:
        if guid in known:
            continue
        known.add(guid)
        allowed = PEOPLE[login] != "read"
        if allowed and verb == "hold":
            held = True
        elif allowed and verb == "unhold":
            held = False
        elif allowed and not held and (verb == "promote" or (verb == "approve" and votes)):
            votes.add(login)
            if len(votes) == 2:
                votes, expected = set(), expected + 1
        shop.click(verb, login, PEOPLE[login], guid=f"g{guid}")
    assert len(shop.promotions) == expected


@given(st.lists(st.tuples(st.sampled_from(["rerun", "cancel", "rerun-failed"]), st.integers(0, 3))))
def test_however_often_a_run_is_clicked_it_is_repeated_once_for_each_button(
    clicked: list[tuple[str, int]],
) -> None:
    run = house(run_look(Phase.FAILED))
    for verb, guid in clicked:
        run.click(verb, guid=f"g{guid}")
    verbs = {verb for verb, _ in clicked} - {"cancel"}
    assert reruns(run) == len(verbs)


def test_the_gate_of_a_row_is_what_was_last_decided() -> None:
    shop = house(None, TWO)
    shop.click("promote", "ann")
    assert shop.seen.gate == Gate(environment="staging", votes=1, needed=2)

"""Who may do what, by policies alone: tables of what is asked for and who comes."""

from typing import Any

import pytest

from ghapp.core import access
from ghapp.core.access import (
    AccessPolicy,
    AccessPolicySpec,
    AccessRule,
    Action,
    Person,
    Place,
    approvals,
    judge,
    needs,
)
from ghapp.core.model import Verb
from ghapp.errors import Refused
from tests.core.builders import SHOP

HERE = Place(cluster="default", namespace="dev", repository=SHOP, environment="staging")


def rule(*actions: Action, **fields: Any) -> AccessRule:
    return AccessRule(actions=actions or ("promote",), **fields)


def policy(*rules: AccessRule, name: str = "p", **where: tuple[str, ...]) -> AccessPolicy:
    return AccessPolicy(name=name, spec=AccessPolicySpec(rules=rules, **where))


def may(person: Person, *policies: AccessPolicy, actions: tuple[Action, ...] = ("promote",)) -> str:
    """Why the person may; ``no: …`` why not."""
    try:
        return judge(needs(policies, actions, HERE), person, place=HERE)
    except Refused as refusal:
        return f"no: {refusal.reason}"


def person(role: str = "none", **facts: Any) -> Person:
    return Person(login=facts.pop("login", "dev"), role=role, **facts)


@pytest.mark.parametrize("role", access.LEVELS)
def test_without_policies_whoever_may_write_may_everything(role: str) -> None:
    expected = access.level(role) >= access.level("write")
    assert may(person(role)).startswith("the default") is expected
    assert may(person("some-custom-role")).startswith("no:")


@pytest.mark.parametrize("least", ["read", "triage", "write", "maintain", "admin"])
@pytest.mark.parametrize("role", access.LEVELS)
def test_a_permission_is_the_least_that_one_needs(least: Any, role: str) -> None:
    allowed = not may(person(role), policy(rule(permission=least))).startswith("no:")
    assert allowed is (access.level(role) >= access.level(least))


@pytest.mark.parametrize(
    ("asked", "who", "allowed"),
    [
        ({"users": ("Dev",)}, {}, True),
        ({"users": ("ann",)}, {"role": "admin"}, False),
        ({"teams": ("Acme/Release",)}, {"teams": frozenset({"acme/release"})}, True),
        ({"teams": ("acme/release",)}, {"role": "admin"}, False),
        ({"teams": ("acme/release",), "permission": "admin"}, {"role": "admin"}, True),
        ({"owners": ("/deploy/",)}, {"owns": frozenset({"/deploy/"})}, True),
        ({"owners": ("/deploy/",)}, {"owns": frozenset({"/src/"}), "role": "admin"}, False),
        ({}, {"role": "write"}, True),
        ({}, {"role": "triage"}, False),
        ({"not_author": True}, {"role": "write", "authors": frozenset({"ann"})}, True),
        ({"not_author": True}, {"role": "write", "authors": frozenset({"dev"})}, False),
        ({"not_author": True}, {"role": "write"}, False),
    ],
)
def test_one_way_in_is_enough_and_all_the_rest_has_to_hold(
    asked: dict[str, Any], who: dict[str, Any], allowed: bool
) -> None:
    assert (not may(person(**who), policy(rule(**asked))).startswith("no:")) is allowed


def test_all_policies_about_it_have_to_be_satisfied_in_any_order() -> None:
    one = policy(rule(permission="write"), name="one")
    two = policy(rule(teams=("acme/release",)), name="two")
    member = person("write", teams=frozenset({"acme/release"}))
    for policies in ((one, two), (two, one)):
        assert may(person("write"), *policies).startswith("no: it needs to be in acme/release")
        assert not may(member, *policies).startswith("no:")


def test_what_a_policy_is_not_about_stays_as_it_was() -> None:
    strict = rule(permission="admin")
    writer = person("write")
    assert may(writer, policy(strict, environments=("prod*",))).startswith("the default")
    assert may(writer, policy(strict, namespaces=("apps",))).startswith("the default")
    assert may(writer, policy(strict, repositories=("acme/web",))).startswith("the default")
    assert may(writer, policy(strict, clusters=("edge",))).startswith("the default")
    assert may(writer, policy(rule("cancel", permission="admin"))).startswith("the default")
    here = policy(strict, environments=("stag*",), repositories=("ACME/*",), namespaces=("dev",))
    assert may(writer, here).startswith("no: it needs admin access")


def test_a_comment_may_not_what_the_button_may_not_and_an_approval_promotes() -> None:
    assert (
        may(person("write"), policy(rule("rerun", permission="admin")), actions=access.TEST)[:3]
        == "no:"
    )
    forbidden = policy(rule("promote", permission="admin"))
    asked = access.ACTIONS[Verb.APPROVE]
    assert may(person("write"), forbidden, actions=asked).startswith("no:")


def test_the_most_approvals_count() -> None:
    found = needs([policy(rule(approvals=2)), policy(rule(approvals=3))], ("promote",), HERE)
    assert approvals(found) == 3
    assert approvals(needs([], ("promote",), HERE)) == 1


def test_whoever_is_turned_away_is_told_what_it_takes_and_who_says_so() -> None:
    asked = rule(permission="maintain", teams=("acme/release",), users=("ann",))
    blind = person("write", unknown={"acme/release": "403 Resource not accessible"})
    said = may(blind, policy(asked, name="production"))
    assert said == (
        "no: it needs maintain access to acme/shop or to be in acme/release or to be named, and"
        " you have write; AccessPolicy production says so (403 Resource not accessible)"
    )


def test_every_verb_is_an_action() -> None:
    assert set(access.ACTIONS) == set(Verb)

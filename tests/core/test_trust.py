"""Who may speak for which repository, and use whose Providers."""

import pytest

from ghapp.core.model import Repository, Revision
from ghapp.core.trust import TrustPolicy, TrustPolicySpec, applied, may_speak, may_use
from tests.core.builders import SHOP, run_look

OTHER = Repository(host="github.com", owner="acme", name="other")


def policy(name: str = "p", **spec: tuple[str, ...]) -> TrustPolicy:
    given = {"namespaces": ("ci",), "repositories": ("acme/shop",), **spec}
    return TrustPolicy(name=name, spec=TrustPolicySpec(**given))


def speaks(
    *policies: TrustPolicy,
    namespace: str = "ci",
    cluster: str = "default",
    repository: Repository = SHOP,
) -> bool:
    return may_speak(policies, cluster=cluster, namespace=namespace, repository=repository).yes


def test_without_any_policy_there_is_one_tenant() -> None:
    assert speaks()
    assert speaks(namespace="anything", repository=OTHER)


def test_the_first_policy_forbids_all_that_no_policy_grants() -> None:
    assert speaks(policy())
    assert not speaks(policy(), namespace="evil")
    assert not speaks(policy(), repository=OTHER)


def test_policies_add_up_in_any_order() -> None:
    first, second = policy("a"), policy("b", repositories=("acme/other",))
    for both in ((first, second), (second, first)):
        assert speaks(*both)
        assert speaks(*both, repository=OTHER)


@pytest.mark.parametrize(
    ("pattern", "yes"),
    [
        ("acme/shop", True),
        ("ACME/Shop", True),
        ("acme/*", True),
        ("github.com/acme/shop", True),
        ("*", True),
        ("ghe.example.org/acme/shop", False),
        ("acme/sho", False),
        ("shop", False),
        ("*/other", False),
    ],
)
def test_a_pattern_covers_a_repository_with_or_without_its_host(pattern: str, yes: bool) -> None:
    assert speaks(policy(repositories=(pattern,))) is yes


def test_a_policy_may_be_about_some_clusters_only() -> None:
    only = policy(clusters=("prod-*",))
    assert speaks(only, cluster="prod-1")
    assert not speaks(only, cluster="dev")


def test_the_verdict_says_why() -> None:
    verdict = may_speak((policy(),), cluster="edge", namespace="evil", repository=SHOP)
    assert verdict.why == (
        "no TrustPolicy lets namespace evil of cluster edge speak for github.com/acme/shop"
    )
    granted = may_speak((policy("shop"),), cluster="default", namespace="ci", repository=SHOP)
    assert granted.why == "TrustPolicy shop grants it"


def test_a_look_loses_the_commit_that_it_must_not_claim() -> None:
    look = run_look(revision=Revision(repository=OTHER, commit="a" * 40))
    told, verdict = applied(look, (policy(),))
    assert verdict is not None
    assert not verdict.yes
    assert told.revision is None
    assert told.subject == look.subject
    kept, verdict = applied(run_look(), (policy(),))
    assert kept == run_look()
    assert verdict is not None
    assert verdict.yes


def test_a_look_without_a_commit_needs_no_trust() -> None:
    look = run_look(revision=None)
    assert applied(look, (policy(),)) == (look, None)


def uses(*policies: TrustPolicy, owner: str = "", name: str = "bus") -> bool:
    return may_use(policies, cluster="default", namespace="ci", owner=owner, name=name).yes


def test_ones_own_providers_need_no_grant() -> None:
    assert uses(owner="ci")
    assert uses(policy(), owner="ci")


def test_cluster_providers_are_everybodys_as_long_as_there_is_one_tenant() -> None:
    assert uses()
    assert not uses(policy())
    assert uses(policy(providers=("bus",)))
    assert uses(policy(providers=("*",)))


def test_another_namespaces_provider_always_needs_a_grant() -> None:
    assert not uses(owner="platform")
    assert not uses(policy(providers=("*",)), owner="platform")
    assert uses(policy(providers=("platform/bus",)), owner="platform")
    assert uses(policy(providers=("platform/*",)), owner="platform")
    assert not uses(policy(namespaces=("x",), providers=("platform/*",)), owner="platform")

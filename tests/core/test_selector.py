"""core.selector: what is a label selector and what is not, told at the start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp import settings
from ghapp.core.selector import problem
from ghapp.errors import ConfigError


@pytest.mark.parametrize(
    "text",
    [
        "team=shop",
        "team==shop,tier!=batch",
        "app.kubernetes.io/part-of in (shop, pay),!batch",
        "tier notin (batch,),team",
        "team=",
        " team = shop , ! batch ",
        "example.com/a_b.C-d=1_2.3-4",
    ],
)
def test_what_kubectl_takes_is_a_selector(text: str) -> None:
    assert problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "team=shop,",
        "team=sh op",
        "team in shop",
        "team in ()x",
        "-team=shop",
        "Example.COM/team=shop",
        "a/b/c=d",
        f"{'k' * 64}=v",
        f"k={'v' * 64}",
        "team=shop&limit=1",
        "k=" + "x," * 600,
    ],
)
def test_what_kubectl_refuses_is_refused(text: str) -> None:
    assert problem(text)


@given(st.text())
def test_garbage_gets_a_verdict(text: str) -> None:
    assert problem(text) is None or isinstance(problem(text), str)


def test_a_wrong_selector_is_told_at_the_start() -> None:
    assert settings.read({"CHECKRAIL_SELECTOR": "team in (shop,pay)"}).selector
    with pytest.raises(ConfigError, match=r"CHECKRAIL_SELECTOR: 'team=' is no|'a b' is no label"):
        settings.read({"CHECKRAIL_SELECTOR": "team=shop,a b"})

"""Label and field selectors: what they select, and what is none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.demo.kube.selectors import SelectorError, fields, labels

Object = dict[str, Any]


def labelled(**having: str) -> Object:
    return {"metadata": {"name": "x", "labels": having}}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("app=shop", True),
        ("app==shop", True),
        ("app = shop", True),
        ("app=cart", False),
        ("app!=shop", False),
        ("app!=cart", True),
        ("tier!=db", True),
        ("app in (cart, shop)", True),
        ("app in (cart)", False),
        ("app notin (shop)", False),
        ("tier notin (db)", True),
        ("app", True),
        ("tier", False),
        ("!app", False),
        ("!tier", True),
        ("app=shop,team=web", True),
        ("app=shop,team=data", False),
        ("app in (a,shop),team notin (data,x),!tier", True),
        ("empty=", False),
    ],
)
def test_label_selectors_select_as_kubernetes_does(text: str, selected: bool) -> None:
    assert labels(text).matches(labelled(app="shop", team="web")) is selected


def test_an_object_without_labels_is_selected_by_what_asks_for_absence() -> None:
    bare: Object = {"metadata": {"name": "x"}}
    assert labels("!app").matches(bare)
    assert labels("app!=shop").matches(bare)
    assert not labels("app").matches(bare)


@pytest.mark.parametrize(
    "text", ["=", "a=b=c", "a in b", "a in", "a > 1", ",", "a=b,", "-a=b", "a b"]
)
def test_what_is_no_label_selector_is_refused(text: str) -> None:
    with pytest.raises(SelectorError):
        labels(text)


@given(st.text(alphabet="ab=!,() inot/.-_\t", max_size=20))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        labels(text).matches(labelled(a="b"))
        fields(text).matches(labelled(a="b"))
    except SelectorError:
        pass


WORDS = st.sampled_from(["a", "b", "c", "d"])


@given(st.dictionaries(WORDS, WORDS), WORDS, st.sets(WORDS, min_size=1))
def test_notin_selects_exactly_what_in_does_not(
    having: dict[str, str], key: str, values: set[str]
) -> None:
    listed = ",".join(values)
    obj = labelled(**having)
    within, without = labels(f"{key} in ({listed})"), labels(f"{key} notin ({listed})")
    assert within.matches(obj) is not without.matches(obj)


POD: Object = {
    "metadata": {"name": "p", "namespace": "ci"},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Running"},
}
SERVED = ("spec.nodeName", "status.phase")


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("metadata.name=p", True),
        ("metadata.name==q", False),
        ("metadata.namespace=ci,status.phase=Running", True),
        ("status.phase!=Running", False),
        ("spec.nodeName=", False),
        ("spec.nodeName!=", True),
    ],
)
def test_field_selectors_select_by_value(text: str, selected: bool) -> None:
    assert fields(text, served=SERVED).matches(POD) is selected


def test_a_field_that_is_absent_is_empty() -> None:
    assert fields("spec.nodeName=", served=SERVED).matches({"metadata": {"name": "p"}})


@pytest.mark.parametrize("text", ["spec.image=x", "metadata.name", "=x", "metadata.labels.a=b"])
def test_a_field_that_is_not_served_is_refused(text: str) -> None:
    with pytest.raises(SelectorError):
        fields(text, served=SERVED)

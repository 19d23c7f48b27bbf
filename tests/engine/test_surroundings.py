"""What objects refer to by name: who has to look again when it changes."""

from ghapp.core.source import Resource
from ghapp.engine.surroundings import Surroundings

SOURCES = Resource("source.toolkit.fluxcd.io", "v1", "gitrepositories", "GitRepository")
KEY = (SOURCES.id, "flux-system", "shop")


def test_who_looked_it_up_looks_again_when_it_changes_and_nobody_else() -> None:
    around = Surroundings()
    around.put("u", KEY, "main@1")
    assert around.finder("a")(SOURCES, "flux-system", "shop") == "main@1"
    around.finder("b")(SOURCES, "flux-system", "other")
    assert around.put("u", KEY, "main@2") == {"a"}


def test_what_was_looked_up_in_vain_is_noticed_when_it_comes() -> None:
    around = Surroundings()
    assert around.finder("a")(SOURCES, "flux-system", "shop") is None
    assert around.put("u", KEY, "main@1") == {"a"}


def test_what_says_what_it_said_wakes_nobody() -> None:
    around = Surroundings()
    around.put("u", KEY, "main@1")
    around.finder("a")(SOURCES, "flux-system", "shop")
    assert around.put("u", KEY, "main@1") == frozenset()


def test_a_fresh_look_depends_only_on_what_it_looks_up_itself() -> None:
    around = Surroundings()
    around.finder("a")(SOURCES, "flux-system", "shop")
    around.finder("a")
    assert around.put("u", KEY, "main@1") == frozenset()
    assert not around.lookers


def test_what_is_gone_is_found_no_more() -> None:
    around = Surroundings()
    around.put("u", KEY, "main@1")
    find = around.finder("a")
    find(SOURCES, "flux-system", "shop")
    assert around.absent(SOURCES, "", frozenset()) == ["u"]
    assert around.absent(SOURCES, "elsewhere", frozenset()) == []
    assert around.drop("u") == {"a"}
    assert find(SOURCES, "flux-system", "shop") is None
    assert around.drop("u") == frozenset()

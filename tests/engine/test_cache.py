"""What a source remembers: enough to look, and of what is long told nothing but its uid.

What a look does with it is test_reconcile.
"""

from ghapp.engine.cache import STRANGERS, Cache


def test_an_object_is_kept_as_it_was_told_last() -> None:
    cache = Cache()
    assert cache.put("u", "ci", "run", "queued")
    cache.entries["u"].failed = 2
    assert cache.put("u", "ci", "run", "running")
    assert (cache.entries["u"].object, cache.entries["u"].failed) == ("running", 2)


def test_what_was_told_to_its_end_needs_no_look_and_keeps_nothing_but_its_uid() -> None:
    cache = Cache()
    cache.put("u", "ci", "run", "done")
    cache.put_child("c", "u", "task")
    cache.settle("u")
    assert not cache.put("u", "ci", "run", "done, with new labels")
    assert not cache.put_child("c2", "u", "a late part")
    assert (cache.entries, cache.children, cache.parents) == ({}, {}, {})
    assert list(cache.settled) == ["u"]


def test_what_is_gone_after_its_end_costs_nothing_any_more() -> None:
    cache = Cache()
    cache.put("u", "ci", "run", "done")
    cache.settle("u")
    assert not cache.put("u", "ci", "run", "done", gone=True)
    assert cache.settled == {}


def test_what_is_gone_when_its_end_is_told_is_not_remembered() -> None:
    cache = Cache()
    cache.put("u", "ci", "run", "done", gone=True)
    cache.settle("u")
    assert cache == Cache()


def test_a_part_that_was_cleaned_away_stays_in_the_picture() -> None:
    cache = Cache()
    cache.put("u", "ci", "run", "running")
    cache.put_child("c", "u", "task")
    assert cache.drop_child("c") == "u"
    assert cache.children_of("u") == ("task",)
    assert cache.drop_child("c") is None


def test_parts_may_be_told_before_what_they_are_parts_of() -> None:
    cache = Cache()
    assert cache.put_child("c", "u", "task")
    cache.put("u", "ci", "run", "running")
    assert cache.children_of("u") == ("task",)


def test_the_parts_of_parts_belong_to_the_whole_and_go_with_it() -> None:
    cache = Cache()
    cache.put("root", "ci", "run", "running")
    cache.put_child("leaf", "inner", "a task of the inner run")  # heard of before its maker
    cache.put_child("inner", "root", "the inner run")
    assert cache.children_of("root") == ("the inner run", "a task of the inner run")
    assert cache.ancestors("leaf") == ("inner", "root")
    assert cache.strangers == {}
    cache.settle("root")
    assert (cache.children, cache.parents) == ({}, {})


def test_a_part_that_is_looked_at_itself_keeps_its_parts() -> None:
    cache = Cache()
    cache.put("root", "ci", "run", "running")
    cache.put("inner", "ci", "inner", "running")
    cache.put_child("inner", "root", "the inner run")
    cache.put_child("leaf", "inner", "a task of the inner run")
    cache.settle("root")
    assert cache.children_of("inner") == ("a task of the inner run",)


def test_a_ring_of_parts_is_walked_and_dropped_once() -> None:
    cache = Cache()
    cache.put_child("a", "b", "a")
    cache.put_child("b", "a", "b")
    assert set(cache.children_of("a")) == {"a", "b"}
    assert len(cache.ancestors("a")) <= 6
    cache.settle("a")
    assert (cache.children, cache.parents) == ({}, {})


def test_a_part_is_kept_as_it_was_told_last() -> None:
    cache = Cache()
    cache.put_child("c", "u", "running")
    cache.put_child("c", "u", "done")
    assert cache.children_of("u") == ("done",)


def test_what_a_list_does_not_have_is_absent_but_only_where_it_looked() -> None:
    cache = Cache()
    for uid, namespace in (("a", "ci"), ("b", "ci"), ("c", "prod"), ("d", "ci"), ("e", "prod")):
        cache.put(uid, namespace, uid, "running")
    cache.settle("d")
    cache.settle("e")
    assert cache.absent(frozenset({"a"}), "ci") == ["b"]
    assert list(cache.settled) == ["e"]
    assert cache.absent(frozenset({"a"}), "") == ["b", "c"]
    assert cache.settled == {}


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    cache = Cache()
    cache.put("u", "ci", "run", "running")
    cache.put_child("c", "u", "task")
    cache.forget("u")
    assert cache == Cache()


def test_parts_of_runs_that_nobody_tells_of_are_not_kept_for_ever() -> None:
    cache = Cache()
    for number in range(STRANGERS + 1):
        cache.put_child(f"task-{number}", f"run-{number}", number)
    assert cache.children_of("run-0") == ()
    assert len(cache.parents) == STRANGERS
    cache.put("run-1", "ci", "late", "its run came after all")
    cache.put_child("task", "another", "one more")
    assert cache.children_of("run-1") == (1,)

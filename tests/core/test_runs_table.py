"""The table below a pull request: newest run of each check, failures first, within the limit."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import runs_table
from ghapp.core.model import Conclusion, Phase
from ghapp.core.runs_table import LIMIT, marker, render
from ghapp.core.seen import Seen
from tests.core.builders import COMMIT, run_look, tell


def row(phase: Phase, pipeline: str = "build", **changes: Any) -> Seen:
    """A run whose check was told."""
    subject = replace(run_look().subject, name=f"{pipeline}-{phase}", uid=f"{pipeline}-{phase}")
    look = run_look(phase, subject=subject, check_name=f"tekton / {pipeline}", **changes)
    (seen,) = tell(None, look).seen
    return seen


def table(*rows: Seen) -> list[str]:
    """The rows of the table, without its head."""
    text = render(rows, commit=COMMIT, name="x")
    return [line for line in text.splitlines() if line.startswith("|")][2:]


def test_a_row_is_a_link_its_state_and_how_long_it_took() -> None:
    page = "https://tekton.example.com/build-1"
    assert table(row(Phase.SUCCEEDED, dashboard_url=page)) == [
        f"| ✅ | [tekton / build](<{page}>) | Succeeded in 30s | 30s |"
    ]
    assert table(row(Phase.QUEUED)) == ["| ⚪ | tekton / build | Queued: Queued |  |"]


def test_what_went_wrong_comes_first_and_the_counts_say_all() -> None:
    rows = [
        row(Phase.SUCCEEDED, "e"),
        row(Phase.QUEUED, "d"),
        row(Phase.RUNNING, "c"),
        row(Phase.ERRORED, "b"),
        row(Phase.FAILED, "a"),
        row(Phase.CANCELLED, "x"),
        row(Phase.SUCCEEDED, "f", conclusion=Conclusion.SKIPPED),
    ]
    assert [line[2] for line in table(*rows)] == list("❌❗🚫🟡⚪✅⏭")
    assert (
        "❌ 1 failed · ❗ 1 without a verdict · 🚫 1 cancelled · 🟡 1 running · ⚪ 1 queued"
        " · ✅ 1 succeeded · ⏭️ 1 skipped on `0a1b2c3d4e5f`"
    ) in render(rows, commit=COMMIT, name="x")


def test_of_a_check_the_newest_run_counts() -> None:
    assert [line[2] for line in table(row(Phase.FAILED), row(Phase.RUNNING))] == ["🟡"]


def test_checks_of_one_name_in_two_namespaces_are_two() -> None:
    good, bad = row(Phase.SUCCEEDED), row(Phase.FAILED)
    subject = replace(bad.look.subject, namespace="team-b")
    other = replace(bad, look=replace(bad.look, subject=subject))
    summed = runs_table.summed_up([other, good], name="all", external_id="x")
    assert summed
    assert (summed.conclusion, summed.title) == (
        Conclusion.FAILURE,
        "❌ 1 failed · ✅ 1 succeeded",
    )
    assert [line.split(" | ")[1] for line in table(other, good)] == [
        "tekton / build (team-b)",
        "tekton / build (ci)",
    ]


def test_each_conclusion_has_an_icon() -> None:
    for conclusion in Conclusion:
        (line,) = table(row(Phase.SUCCEEDED, conclusion=conclusion))
        assert line[2] in "✅❌🚫⏭"


def test_a_marker_stands_first_and_is_another_for_another_name() -> None:
    text = render([row(Phase.RUNNING)], commit=COMMIT, name="a --> b")
    assert text.startswith(marker("a --> b") + "\n")
    assert marker("a") != marker("b")
    assert marker("a --> b").count("-->") == 1


def test_what_others_wrote_stays_text() -> None:
    hostile = "x](javascript:alert(1)) | @everyone <img src=x> #1 https://evil.example.com"
    url = "https://x.example.com/a>(b)[c]|d\n| e <f>"
    seen = row(Phase.FAILED, hostile, dashboard_url=url, steps=(), reason=hostile)
    (line,) = table(seen)
    assert not re.search(r"(?<!\\)<img", line)
    assert "@everyone" not in line
    assert "https://evil" not in line
    assert line.count("<") == line.count(">") == 1 + line.count("\\<"), line
    assert "%3E%28b%29%5Bc%5D%7Cd%0A%7C%20e%20%3Cf%3E" in line


def test_no_password_of_an_url_is_shown() -> None:
    failed = row(Phase.FAILED, steps=(), reason="cannot clone https://bot:s3cret@github.com/a/b")
    assert "s3cret" not in render([failed], commit=COMMIT, name="x")


def test_a_page_that_is_no_web_page_is_no_link() -> None:
    assert "](" not in table(row(Phase.RUNNING, dashboard_url="javascript:alert(1)"))[0]


@given(st.integers(0, 400), st.text(max_size=100))
def test_it_fits_and_says_what_it_left_out(count: int, name: str) -> None:
    one = row(Phase.RUNNING)
    assert one.check is not None
    rows = [
        replace(one, check=replace(one.check, name=f"{number} {name}", title=name * 3))
        for number in range(count)
    ]
    text = render(rows, commit=COMMIT, name=name)
    assert len(text.encode()) <= LIMIT
    shown = table(*rows)
    left_out = count - len(shown) + 1 if shown and "more |" in shown[-1] else 0
    assert left_out == 0 or f"… and {left_out} more" in shown[-1]
    assert runs_table.marker(name) in text

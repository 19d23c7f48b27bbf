"""CODEOWNERS as GitHub's documentation has it, OWNERS as Prow's."""

import pytest

from ghapp.core.owners import approvers, code_owners, folders

FILE = """
# everything
*       @ann @acme/dev  # the rest
*.js    @js
/build/logs/ @doc
docs/*  docs@example.com @docs
apps/   @octo
/deploy/**/prod/ @acme/release
/scripts @bob
**/logs @logs
/apps/github
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("/a.txt", ("ann", "acme/dev")),
        ("/x/y/z.js", ("js",)),
        ("/build/logs/", ("logs",)),
        ("/docs/start.md", ("docs",)),
        ("/docs/more/start.md", ("ann", "acme/dev")),
        ("/apps/a", ("octo",)),
        ("/x/apps/", ("octo",)),
        ("/deploy/eu/prod/", ("acme/release",)),
        ("/deploy/prod/", ("acme/release",)),
        ("/scripts/", ("bob",)),
        ("/x/scripts/", ("ann", "acme/dev")),
        ("/apps/github", ()),
        ("/", ("ann", "acme/dev")),
    ],
)
def test_the_last_line_that_fits_has_the_owners(path: str, owners: tuple[str, ...]) -> None:
    assert code_owners(FILE, path) == owners


def test_a_blank_in_a_path_has_a_backslash_before_it() -> None:
    text = "* @ann\n/my\\ dir/ @bob\t@cas\n"
    assert code_owners(text, "/my dir/a") == ("bob", "cas")
    assert code_owners(text, "/my") == ("ann",)


def test_a_path_without_a_line_has_no_owners() -> None:
    assert code_owners("/docs/ @ann", "/src/") == ()
    assert code_owners("", "/") == ()


def test_owners_files_speak_for_what_is_below_them() -> None:
    assert folders("/a/b/c.txt") == ("a/b", "a", "")
    assert folders("/a/b/") == ("a/b", "a", "")
    assert folders("/") == ("",)


def test_approvers_of_parents_count_unless_the_child_says_no() -> None:
    near, far = {"approvers": ["ann", "crew"]}, {"approvers": ["bob"]}
    aliases = {"aliases": {"crew": ["eve", "zoe"]}}
    assert approvers([near, far], aliases) == ("ann", "eve", "zoe", "bob")
    alone = {**near, "options": {"no_parent_owners": True}}
    assert approvers([alone, far], None) == ("ann", "crew")


def test_an_owners_file_of_another_shape_names_nobody() -> None:
    assert approvers([None, 7, "x", {"approvers": "ann"}, {"approvers": [7]}], ["x"]) == ()

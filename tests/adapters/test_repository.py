"""Every spelling of a repository, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._read.repository import repository
from ghapp.core.model import Repository

SHOP = Repository(host="github.com", owner="acme", name="shop")


@pytest.mark.parametrize(
    "text",
    [
        "acme/shop",
        "https://github.com/acme/shop",
        "https://github.com/acme/shop/",
        "https://github.com/acme/shop.git",
        "http://GitHub.com/acme/shop.git",
        "https://user:s3cret@github.com/acme/shop.git",
        "https://x-access-token:ghs_1@github.com:443/acme/shop",
        "git+https://github.com/acme/shop.git@refs/heads/main",
        "https://github.com/acme/shop?ref=main#readme",
        "ssh://git@github.com/acme/shop",
        "ssh://git@ssh.github.com:443/acme/shop.git",
        "git@github.com:acme/shop.git",
        "git@github.com:/acme/shop",
        "git://github.com/acme/shop",
        "github.com/acme/shop",
        "www.github.com/acme/shop",
        "  acme/shop\n",
    ],
)
def test_all_spellings_are_one_repository(text: str) -> None:
    assert repository(text) == SHOP


def test_groups_may_be_nested() -> None:
    found = repository("https://gitlab.example.com/books/anarchism/reader.git")
    assert found == Repository(host="gitlab.example.com", owner="books/anarchism", name="reader")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop",
        "/",
        "/acme",
        "acme/",
        "acme/..",
        "../shop",
        "a/b/c",
        "acme/sh op",
        "acme/shop\x00",
        "file:///srv/git/acme/shop",
        "/srv/git/shop",
        "https://github.com/acme",
        "https://github.com/acme/shop/../../evil",
        "https://github.com/acme%2Fshop/x",
        "https:///acme/shop",
        "javascript://github.com/acme/shop",
        "acme/" + "s" * 2000,
    ],
)
def test_what_is_no_repository_is_none(text: str) -> None:
    assert repository(text) is None


@given(st.text(max_size=80))
def test_any_text_is_a_repository_without_credentials_or_none(text: str) -> None:
    found = repository(text)
    assert found is None or (found == repository(found.url) and "@" not in found.url)

"""Secrets do not get out: known values in every form, token shapes, declared values; and that fast.

Tokens here are made up; they are written in two parts so that no scanner takes them for real ones.
"""

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ghapp.core.mask import SHORTEST, Mask

VALUES = st.text(st.characters(), min_size=SHORTEST, max_size=60)
SIMPLE = st.text(st.sampled_from("ab*\n ="), min_size=SHORTEST, max_size=8)
"""Few characters, so that values overlap, repeat and contain each other, and the mask."""
NOISE = st.text(max_size=40) | st.text(st.sampled_from("ab*\n ="), max_size=40)
SECRET = 'p@ss"w/rd+é 1'


def real(values: list[str]) -> list[str]:
    """Those that are masked: a blank one hides nothing."""
    return [value for value in values if value.strip()]


@given(st.lists(VALUES | SIMPLE, max_size=6), st.data())
def test_no_value_survives_and_a_second_time_changes_nothing(
    values: list[str], data: st.DataObject
) -> None:
    parts = data.draw(st.lists(NOISE | st.sampled_from(values) if values else NOISE, max_size=12))
    mask = Mask(values)
    masked = mask.apply("".join(parts))
    assert [value for value in real(values) if value in masked] == []
    assert mask.apply(masked) == masked


@given(VALUES, NOISE, NOISE, st.integers(0, 5))
@example('<&"/>', "", "", 1)
def test_no_form_of_a_value_survives(value: str, before: str, after: str, offset: int) -> None:
    if not value.strip():
        return
    raw = value.encode("utf-8", "replace")
    forms = [
        base64.b64encode(b"x" * offset + raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        quote(value, safe="", errors="replace"),
        quote_plus(value, errors="replace"),
        json.dumps(value)[1:-1],
    ]
    masked = Mask([value]).apply("|".join((before, *forms, after)))
    for form in forms[1:]:
        assert form not in masked


@pytest.mark.parametrize(
    "leak",
    [
        SECRET,
        f"  {SECRET}\n",
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"{SECRET}\n".encode()).decode(),
        base64.b64encode(f"admin:{SECRET}".encode()).decode(),
        base64.b64encode(f"x:{SECRET}:y".encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        quote(SECRET),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
    ],
)
def test_each_form_of_a_value_is_masked(leak: str) -> None:
    masked = Mask([SECRET]).apply(f"before {leak} after")
    assert "***" in masked
    assert not any(part in masked for part in ("@ss", "w/rd", "ZH", "QHN", "cmQ"))
    assert (masked[:7], masked[-6:]) == ("before ", " after")


def test_each_line_of_a_value_is_masked_alone() -> None:
    mask = Mask(["user: admin\n  password: hunter22\n\n}\n"])
    assert mask.apply("password: hunter22\nuser: admin\n}") == "***\n***\n}"


def test_what_the_forms_have_in_common_with_all_keys_is_not_a_secret() -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nTUlJQ3hqQ0NBYTZnQXdJ\n-----END CERTIFICATE-----\n"
    text = "expected -----BEGIN CERTIFICATE----- in line 1: TUlJQ3hqQ0NBYTZnQXdJ"
    assert Mask([certificate]).apply(text) == "expected -----BEGIN CERTIFICATE----- in line 1: ***"


def test_a_wrapped_base64_of_a_long_value_is_masked_line_by_line() -> None:
    value = "".join(f"{number:03}-" for number in range(100))
    wrapped = base64.encodebytes(value.encode()).decode()
    masked = Mask([value]).apply(wrapped + "end")
    assert set(masked.split("\n")[:-1]) == {"***"}


def test_a_long_value_that_was_cut_is_masked_all_the_same() -> None:
    value = "".join(chr(33 + number % 90) for number in range(1_000))
    masked = Mask([value]).apply(f"token={value[:700]}… more")
    assert len(masked) < 230


def test_overlapping_values_leave_nothing_between_them() -> None:
    assert Mask(["abcdef", "defghi"]).apply("<abcdefghi>") == "<***>"


def test_the_longest_value_wins() -> None:
    assert Mask(["pass", "password", "passphrase"]).apply("password") == "***"


@pytest.mark.parametrize("value", ["", "a", "abc", "    ", "\n\n\n\n"])
def test_a_value_that_would_destroy_the_text_is_ignored(value: str) -> None:
    text = "    abc of a\n\n\n\nb"
    assert Mask([value]).apply(text) == text


# --- token shapes ---------------------------------------------------------------------------------

JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\n{}\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("use ghp_" + "A1b2" * 9 + " now", "use *** now"),
        ("x-access-token:ghs_" + "A1b2" * 9, "x-access-token:***"),
        ("github_pat_" + "A1_b" * 20, "***"),
        ("glpat-" + "abcDEF123_-abcDEF123", "***"),
        ("gldt-" + "abcDEF123_-abcDEF123", "***"),
        ("AKIA" + "IOSFODNN7EXAMPLE", "***"),
        ("AWS_SECRET_ACCESS_KEY=" + "wJalrXUtnFEMI/K7MDENG/bPx", "AWS_SECRET_ACCESS_KEY=***"),
        ('"SecretAccessKey": "' + "wJalrXUtnFEMI/K7MDENG" + '",', '"SecretAccessKey": "***",'),
        ("aws_session_token = " + "IQoJb3JpZ2luX2Vj" * 2, "aws_session_token = ***"),
        ("AIza" + "SyA-1234567890_abcdefghijklmnopqrstu", "***"),
        ("xoxb-" + "123456789012-abcdefghijkl", "***"),
        (
            "https://hooks.slack.com/services/T000/B000/" + "XXXX",
            "https://hooks.slack.com/services/***",
        ),
        (f"token: {JWT}!", "token: ***!"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("> authorization: Basic dXNlcjpwYXNz\n>", "> authorization: Basic ***\n>"),
        (
            "curl -H 'Authorization: token abc' https://x",
            "curl -H 'Authorization: token ***' https://x",
        ),
        ('{"Authorization": "Bearer abc"}', '{"Authorization": "Bearer ***"}'),
        ('Authorization: Digest username="u", response="r"\nx', "Authorization: ***\nx"),
        ("PRIVATE-TOKEN: abcdef", "PRIVATE-TOKEN: ***"),
        ("https://user:pass@host/repo.git", "https://***@host/repo.git"),
        ("postgres://u:p@ss@db:5432/x", "postgres://***@db:5432/x"),
        ("postgres://u:pa/ss@db/x", "postgres://***@db/x"),
        ("https://TOKEN@github.com/a/b", "https://***@github.com/a/b"),
        ("key " + PEM.format("TUlJRW9n\nAb+/=="), "key ***"),
        ("-----BEGIN PRIVATE " + "KEY-----\\nTUlJRW9n\\n-----END PRIVATE KEY-----\\n", "***\\n"),
    ],
)
def test_what_looks_like_a_token_is_masked(text: str, masked: str) -> None:
    assert Mask().apply(text) == masked


@pytest.mark.parametrize(
    "harmless",
    [
        "git clone ssh://git@github.com/acme/shop",
        "git@github.com:acme/shop.git",
        "http://localhost:4873/@scope/pkg",
        "https://example.com/a@b/c",
        "mail bob@example.com",
        "the Authorization header was missing",
        "ghp_short glpat-short AKIA eyJ.x.y",
        "sha256:" + "0a1b2c3d" * 8,
    ],
)
def test_what_only_looks_a_little_like_one_stays(harmless: str) -> None:
    assert Mask().apply(harmless) == harmless


def test_a_key_whose_beginning_was_cut_off_is_masked() -> None:
    end = "-----END PRIVATE " + "KEY-----"
    text = f"log\nTUlJRW9nSUJBQUtDQVFFQQ\nTUlJRW9nSUJB\n{end}\nlog"
    assert Mask().apply(text) == "log\n***\nlog"


def test_a_key_whose_end_was_cut_off_is_masked_and_the_text_after_a_mere_mention_stays() -> None:
    begin = "-----BEGIN PRIVATE " + "KEY-----"
    key = f"{begin}\nTUlJRW9nSUJBQUtDQVFFQQ\nTUlJRW9nSUJBQUtDQVFFQQ"
    assert Mask().apply(key + "\n") == "***\n"
    assert Mask().apply(f"no {begin} found\nin the file") == "no *** found\nin the file"


# --- ::add-mask:: ---------------------------------------------------------------------------------


def test_a_declared_value_is_masked_before_and_after_and_its_line_is_gone() -> None:
    text = (
        "+ echo hunter22\n::add-mask::hunter22\nhunter22 is it\n  ##[add-mask]other-one\nother-one"
    )
    assert Mask().apply(text) == "+ echo ***\n*** is it\n***"


def test_a_declared_value_is_unescaped() -> None:
    assert Mask().apply("::add-mask::50%25%0Ahunter22\n50% hunter22") == "50% ***"


def test_a_value_declared_in_one_step_is_masked_in_all() -> None:
    mask = Mask(["known"]).learn("::add-mask::hunter22\n")
    assert mask.apply("hunter22, known") == "***, ***"


def test_a_short_declared_value_only_loses_its_line() -> None:
    assert Mask().apply("a\n::add-mask::1\n1 a") == "a\n1 a"


# --- in time --------------------------------------------------------------------------------------


def test_a_mask_does_not_show_its_values() -> None:
    assert repr(Mask(["hunter22"])) == "Mask(1 values)"


def test_a_value_with_stars_cannot_be_made_by_masking() -> None:
    mask = Mask(["***a", "bbbb"])
    assert mask.apply("bbbb" + "a" * 100) == "***"


MEGABYTE = 1_000_000
SECRETS = [f"secret-{number:04}-{'abcdefgh' * (number % 5)}" for number in range(1_000)]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            SECRETS,
            "".join(f"line {n} of an ordinary build log, no secret here\n" for n in range(20_000)),
        ),
        (SECRETS, "".join(f"{SECRETS[n % 1_000]} " * 2 for n in range(20_000))),
        (["a" * n + "b" for n in range(4, 1_004)], "a" * MEGABYTE),
        (["x" * 4], "xxxy" * (MEGABYTE // 4)),
        ([], "eyJ_" * (MEGABYTE // 4)),
        ([], "://" * (MEGABYTE // 3)),
        ([], "-----BEGIN PRIVATE KEY-----\n" * 35_000),
        ([], "A\n-----END PRIVATE KEY-----\n" * 35_000),
        ([], "".join(f"::add-mask::value-{n}\n" for n in range(20_000))),
    ],
    ids=["none", "all", "almost", "near", "jwt", "url", "begin", "end", "add-mask"],
)
def test_a_thousand_values_in_a_megabyte_take_linear_time(values: list[str], text: str) -> None:
    mask = Mask(values)
    start = time.process_time()
    mask.apply(text)
    # Below a second on a quiet core; quadratic time would be minutes.
    assert time.process_time() - start < 5

"""SQL files: what a section is, that each statement runs on the schema, and none scans a table."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from ghapp.store import _file, sql

QUERIES: Final = sql.load("queries.sql")
WHOLE: Final = {
    "born": "one row",
    "prune_parked": "once an hour, and few rows are parked",
    "prune_slots": "once an hour; a slot's age alone does not say that it can go",
}
"""Statements that may read a whole table, and why."""


def test_a_statement_is_found_by_its_name() -> None:
    one, two = (
        "-- name: one\n-- First.\nSELECT 1;",
        "-- name: two\n-- Second,\n-- long.\nSELECT\n 2;",
    )
    assert dict(sql.parse(f"-- about\n{one}\n\n{two}\n")) == {
        "one": "SELECT 1;",
        "two": "SELECT\n 2;",
    }


def test_a_statement_without_a_sentence_is_refused() -> None:
    with pytest.raises(ValueError, match="sentence"):
        sql.parse("-- name: one\nSELECT 1;")


def test_two_statements_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two statements are called one"):
        sql.parse("-- name: one\n-- A.\nSELECT 1;\n-- name: one\n-- B.\nSELECT 2;")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "store.db"
    writer, reader = _file.open_file(path)
    with closing(reader), closing(writer):
        writer.execute(QUERIES["held_create"])
        yield writer


@pytest.mark.parametrize("name", sorted(set(QUERIES) - {"held_create"}))
def test_every_statement_finds_its_rows_by_an_index(
    connection: sqlite3.Connection, name: str
) -> None:
    values = dict.fromkeys(re.findall(r":(\w+)", QUERIES[name]), 1)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", values).fetchall()
    scans = [detail for *_, detail in plan if re.match(r"SCAN \w+$", detail)]
    assert not scans or name in WHOLE, scans


def test_every_statement_is_used() -> None:
    source = "".join(file.read_text() for file in Path(sql.__file__).parent.glob("*.py"))
    assert {name for name in QUERIES if f'"{name}"' not in source} == set()

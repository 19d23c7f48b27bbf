"""What the fields of Structs mean: the sentences that stand beneath them in the source.

msgspec knows their names, types and bounds; what a person wrote beneath a field only the source
says. It is read when schemas and documentation are generated, and when a document lacks a field.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from textwrap import dedent

from msgspec import Struct


@cache
def of(struct: type[Struct]) -> Mapping[str, str]:
    """Field, as Python spells it -> meaning; a subclass has the last word."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        found |= dict(_written(each))
    return found


def summary(struct: type) -> str:
    """What the Struct itself is."""
    return text(struct.__doc__ or "")


def text(docstring: str) -> str:
    """As one line, without the marks of reStructuredText."""
    return " ".join(inspect.cleandoc(docstring).split()).replace("``", "`")


def _written(struct: type) -> Iterator[tuple[str, str]]:
    try:
        source = inspect.getsource(struct)
    except (OSError, TypeError):
        return  # made while running, or in C: its parts were written somewhere
    body = ast.parse(dedent(source)).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            sentence = _sentence(after)
            if sentence:
                yield field.target.id, text(sentence)


def _sentence(node: ast.stmt) -> str:
    """The docstring that a statement is; empty: it is none."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else ""
    return ""

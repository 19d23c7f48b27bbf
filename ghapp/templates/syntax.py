"""The first wall: of Jinja's syntax only what is listed here is compiled.

No calls, so no methods; no assignments, macros, includes. What is left is guarded: where the tree
does not limit the work, a filter of ours is put that counts it.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from jinja2 import meta, nodes

from ghapp.core.rule import documented
from ghapp.templates import FILTERS, TESTS

DEEPEST: Final = 40
MOST_LOOPS: Final = 2
"""Inside each other."""

_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    *(nodes.CondExpr, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.Neg),
)
_WORDS: Final = {
    "Assign": "set",
    "AssignBlock": "set",
    "CallBlock": "call",
    "FilterBlock": "filter",
    "FloorDiv": "//",
    "Mod": "%",
    "Pow": "**",
    "Scope": "autoescape",
}
_FIELDS: Final = frozenset(name for name, _ in documented())


def mistakes(tree: nodes.Template, names: frozenset[str]) -> list[str]:
    """Everything that is wrong, each with its line; `names` are the variables there are."""
    found = list(_walk(tree, names))
    if found:
        return list(dict.fromkeys(found))
    unknown = meta.find_undeclared_variables(tree) - names
    return [_unknown(tree, name, names) for name in sorted(unknown)]


def _walk(node: nodes.Node, names: frozenset[str], depth: int = 0, loops: int = 0) -> Iterator[str]:
    """What is wrong in a node; of what is not available the inside is not looked at."""
    problem = "is nested too deeply" if depth > DEEPEST else _problem(node, names, loops)
    if problem:
        yield f"line {node.lineno or 1}: {problem}"
        return
    for child in node.iter_child_nodes():
        yield from _walk(child, names, depth + 1, loops + isinstance(node, nodes.For))


def _problem(node: nodes.Node, names: frozenset[str], loops: int) -> str:
    match node:
        case nodes.Call():
            return "functions and methods cannot be called; use a filter, {{ value|filter }}"
        case nodes.Name(name="self"):
            return "self is not available in texts"
        case nodes.Filter() if node.name not in FILTERS:
            return f"filter {_near(node.name, FILTERS)}"
        case nodes.Test() if node.name not in TESTS:
            return f"test {_near(node.name, TESTS)}"
        case nodes.For():
            return _loop_problem(node, names, loops)
        case nodes.Getattr() | nodes.Getitem() if (path := _path(node)) and path not in _FIELDS:
            return _field_problem(path)
        case _ if not isinstance(node, _ALLOWED):
            kind = type(node).__name__
            return f"{_WORDS.get(kind, kind.lower())} is not available in texts"
        case _:
            return ""


def _near(name: str, known: Mapping[str, str] | frozenset[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.7)
    return f"{name} is unknown; " + (
        f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(known))}"
    )


def _loop_problem(loop: nodes.For, names: frozenset[str], loops: int) -> str:
    if loop.recursive:
        return "recursive loops are not available"
    if loops >= MOST_LOOPS:
        return f"at most {MOST_LOOPS} loops inside each other"
    taken = names & {one.name for one in loop.target.find_all(nodes.Name)} | (
        names & {getattr(loop.target, "name", "")}
    )
    return f"{min(taken)} is the name of something else; take another" if taken else ""


def _path(node: nodes.Getattr | nodes.Getitem) -> str:
    """``repository.owner`` of ``run.repository.owner``; empty where it is not of `_FIELDS`."""
    step = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
    if not isinstance(step, str):
        return ""
    match node.node:
        case nodes.Name(name="run"):
            return step
        case nodes.Getattr(node=nodes.Name(name="run"), attr="repository"):
            return f"repository.{step}"
        case _:
            return ""


def _field_problem(path: str) -> str:
    near = get_close_matches(path, _FIELDS, n=1)
    hint = f"; did you mean run.{near[0]}?" if near else "; see the table of its fields"
    return f"a run has no {path}{hint}"


def _unknown(tree: nodes.Template, name: str, names: frozenset[str]) -> str:
    line = next((one.lineno for one in tree.find_all(nodes.Name) if one.name == name), 1)
    hint = f"; did you mean run.{name}?" if name in _FIELDS else ""
    return f"line {line}: {name} is unknown{hint}; there is {', '.join(sorted(names))}"


class Guarding:
    """Puts filters of ours where work is done that the tree does not limit."""

    def template(self, tree: nodes.Template) -> nodes.Template:
        """The same template, guarded."""
        self._inside(tree)
        return tree

    def _inside(self, node: nodes.Node) -> int:
        """Guards what is in a node; how many nodes there are."""
        count = 1
        for name, value in node.iter_fields():
            if isinstance(value, nodes.Node):
                count += self._inside(value)
                setattr(node, name, self._guarded(value, node, name))
            elif isinstance(value, list):
                count += sum(self._inside(one) for one in value if isinstance(one, nodes.Node))
                setattr(node, name, [self._guarded(one, node, name) for one in value])
        if isinstance(node, nodes.For):
            node.iter = _filter(node.iter, "_turns", nodes.Const(count))
        return count

    def _guarded(self, value: Any, parent: nodes.Node, name: str) -> Any:
        match value:
            case nodes.Const(value=str()) if not isinstance(parent, nodes.Getitem | nodes.Slice):
                return _filter(value, "_authored")
            case nodes.Concat():
                return _filter(nodes.List(value.nodes, lineno=value.lineno), "_joined")
            case nodes.Operand():  # changed in place, like the next
                value.expr = _filter(value.expr, "_compared", nodes.Const(value.op))
            case nodes.Compare():
                value.expr = _filter(value.expr, "_compared", nodes.Const(""))
        return value


def _filter(node: nodes.Expr | nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno)

"""Rules in CEL, the Common Expression Language (https://cel.dev), behind `core.rule.Rule`.

Whoever may write a rule may not stop the process. So the language is a part of CEL: conditions over
`run`, `object` and `oldPhase`, with `has`, `all` and `exists`. What makes new text or new lists is
left out (``+``, ``map``, ``filter``: the engine copies the list for each element, 1.6 GB for one
of 10,000). What is left is judged before it is evaluated, see `core.expression`; what could take
longer than about 0.2 s is not evaluated, and says so.

The engine is Google's, as a library of 22 MB: it is loaded with the first expression.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, Final

from ghapp.core import checked, markdown
from ghapp.core.expression import Constant, Tree, calls, names, states, work
from ghapp.core.rule import VARIABLES, Facts, Failed, Verdict
from ghapp.core.sizes import Sizes, encodable, measured
from ghapp.errors import ConfigError

LONGEST: Final = 2_000
"""Characters of an expression."""
MOST_STATES: Final = 2_000
"""Of one regular expression; ``[0-9a-f]{40}`` has 560."""
MOST_WORK: Final = 100_000_000
"""For one expression and one run; a unit is about 2 ns."""

MACROS: Final = ("has", "all", "exists")
FUNCTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "_&&_": (),
    "_||_": (),
    "!_": (),
    "_?_:_": (),
    "@not_strictly_false": (),  # how all and exists stop early
    "_==_": (),
    "_!=_": (),
    "_<_": (),
    "_<=_": (),
    "_>_": (),
    "_>=_": (),
    "@in": (),
    "_[_]": (),
    "_-_": ("subtract_int64", "subtract_double"),
    "_*_": ("multiply_int64", "multiply_double"),
    "_/_": ("divide_int64", "divide_double"),
    "_%_": ("modulo_int64",),
    "-_": ("negate_int64", "negate_double"),
    "size": (),
    "contains": (),
    "startsWith": (),
    "endsWith": (),
    "matches": (),
    "int": ("string_to_int64", "double_to_int64"),
    "double": ("string_to_double", "int64_to_double"),
}
"""The language: name in CEL's definition -> overloads; empty: all of them.
https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions"""

_HINTS: Final = {
    "'map'": "map is not available; ask with exists(x, …)",
    "'filter'": "filter is not available; ask with exists(x, …) or all(x, …)",
    "'exists_one'": "exists_one is not available; ask with exists(x, …)",
    "'string'": "string is not available; compare with a number",
    "'_+_'": "+ is not available; compare the parts",
}


@dataclass(frozen=True, slots=True)
class CelRule:
    """A compiled expression."""

    source: str
    needs_object: bool
    _expression: Any
    _work: Any
    """(sizes of run, of object, of oldPhase) -> units; remembers what it worked out."""

    def matches(self, facts: Facts) -> Verdict:
        """The verdict on these facts; never raises."""
        prepared = _prepared(facts)
        sizes = prepared.sizes(facts, needs_object=self.needs_object)
        if isinstance(sizes, Failed):
            return sizes
        units = self._work(*(size.rounded() for size in sizes))
        if units > MOST_WORK:
            return Failed(_TOO_LONG.format(units / MOST_WORK))
        return _evaluate(self._expression, prepared.activation(facts))


_TOO_LONG: Final = (
    "it could take too long on a run or an object of this size, {:.1f} times what is allowed; "
    "nest fewer loops, or compare smaller parts"
)


def compile(source: str) -> CelRule:  # noqa: A001 - the word for it; always used as cel.compile
    """The rule; raises ConfigError with line, column and what to do."""
    if len(source) > LONGEST:
        raise ConfigError(f"is longer than {LONGEST} characters: {len(source)}")
    expression = _compiled(source)
    if expression.return_type().name() not in {"BOOL", "DYN"}:
        kind = expression.return_type().name()
        raise ConfigError(f"gives {kind}, not true or false; compare it with something")
    try:
        tree = checked.read(expression.serialize())
    except ValueError as error:
        raise ConfigError(f"cannot be judged: {error}") from error
    mistakes = tuple(_mistakes(source, tree))
    if mistakes:
        raise ConfigError(*mistakes)
    used = names(tree)
    return CelRule(source, "object" in used, expression, lru_cache(32)(partial(_units, tree)))


def _units(tree: Tree, *sizes: Sizes) -> int:
    return work(tree, dict(zip(VARIABLES, sizes, strict=True)))


# --- what is wrong with a source ------------------------------------------------------------------


def _compiled(source: str) -> Any:
    if not encodable(source):
        raise ConfigError("is not Unicode text: it holds half of a surrogate pair")
    try:
        return _environment().compile(source)
    except RuntimeError as error:
        raise ConfigError(*_readable(str(error))) from error


_ERROR: Final = "ERROR: <input>:"


def _readable(message: str) -> Iterator[str]:
    """``1:5: undeclared reference to 'x'``, one for each mistake; hints instead where there are."""
    lines = [line for line in message.split("\n") if _ERROR in line]
    if not lines:
        yield f"1:1: {_sentence(message)}"
    # Of map(x, …) the engine says first that x is unknown; what is hinted at is the cause.
    hinted = [line for line in lines if _hint(line)]
    for line in dict.fromkeys(hinted or lines):
        place, _, what = line.partition(_ERROR)[2].partition(": ")
        place = "1:1" if place.startswith("-") else place  # of the whole expression
        yield f"{place}: {_hint(line) or _explained(what)}"


def _hint(line: str) -> str:
    return next((hint for word, hint in _HINTS.items() if word in line), "")


def _explained(what: str) -> str:
    sentence = _sentence(what).removesuffix(" (in container '')")
    known = f"; there is {', '.join(VARIABLES)}"
    return sentence + (known if sentence.startswith("undeclared reference") else "")


def _sentence(message: str) -> str:
    """Without the engine's own codes, and no longer than one reads."""
    head, colon, rest = message.partition(": ")
    bare = rest if colon and head.replace("_", "").isupper() else message
    bare = bare.partition(" [")[0] if bare.endswith("]") and " [" in bare else bare
    return markdown.cut(bare, 300)


def _mistakes(source: str, tree: Tree) -> Iterator[str]:
    for call in calls(tree):
        if call.function == "matches":
            pattern = call.arguments[1]
            problem = _pattern_problem(pattern)
            if problem:
                yield f"{_place(source, call.at)}: {problem}"


def _place(source: str, at: int) -> str:
    before = source[:at].split("\n")
    return f"{len(before)}:{len(before[-1]) + 1}"


def _pattern_problem(pattern: Tree) -> str:
    if not isinstance(pattern, Constant) or pattern.text is None:
        return "matches needs its regular expression written out, in quotes"
    many = states(pattern.text)
    if many > MOST_STATES:
        return f"the regular expression has {many} states, at most {MOST_STATES}; repeat less in it"
    found = _trial().eval(data={"run": pattern.text, "object": None, "oldPhase": ""})
    return _sentence(str(found.value())) if found.type().name() == "ERROR" else ""


# --- evaluating -----------------------------------------------------------------------------------


def _evaluate(expression: Any, activation: Any) -> Verdict:
    try:
        found = expression.eval(activation)
    except (RuntimeError, ValueError, TypeError) as error:
        return Failed(_sentence(str(error)))
    kind, value = found.type().name(), found.value()
    if kind == "ERROR":
        return Failed(_sentence(str(value)))
    if not isinstance(value, bool):
        return Failed(f"it gives {kind}, not true or false; compare it with something")
    return value


@dataclass(slots=True)
class _Prepared:
    """What was made of facts so far: each part once, when the first rule asks for it."""

    run: Sizes | Failed | None = None
    object: Sizes | Failed | None = None
    converted: Any = None

    def sizes(self, facts: Facts, *, needs_object: bool) -> tuple[Sizes, ...] | Failed:
        """Of each of `VARIABLES`."""
        if self.run is None:
            self.run = _sizes("run", facts.run)
        if needs_object and self.object is None:
            self.object = _sizes("object", facts.object)
        parts = (self.run, self.object if needs_object else Sizes(), Sizes(text=64))
        failed = [part for part in parts if isinstance(part, Failed)]
        return failed[0] if failed else tuple(part for part in parts if isinstance(part, Sizes))

    def activation(self, facts: Facts) -> Any:
        """All three; nothing in it is converted before it is looked at."""
        if self.converted is None:
            self.converted = _environment().Activation(
                {"run": facts.run, "object": facts.object, "oldPhase": facts.old_phase}
            )
        return self.converted


def _prepared(facts: Facts) -> _Prepared:
    made: _Prepared = facts.prepared.setdefault(__name__, _Prepared())
    return made


def _sizes(name: str, value: Any) -> Sizes | Failed:
    try:
        return measured(value)
    except ValueError as error:
        return Failed(f"{name} {error}")


# --- the engine -----------------------------------------------------------------------------------


@cache
def _environment() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(_configuration()))


@cache
def _trial() -> Any:
    return _environment().compile("oldPhase.matches(run)")


def _configuration() -> str:
    """https://github.com/google/cel-spec/blob/master/proto/cel/expr/conformance/env_config.proto"""
    lines = ["variables:", *(f"  - {{name: {name}, type: {_TYPES[name]}}}" for name in VARIABLES)]
    lines += ["stdlib:", f"  include_macros: [{', '.join(MACROS)}]", "  include_functions:"]
    for function, overloads in FUNCTIONS.items():
        lines.append(f'    - name: "{function}"')
        ids = ", ".join(f"{{id: {one}}}" for one in overloads)
        lines += [f"      overloads: [{ids}]"] if overloads else []
    return "\n".join(lines) + "\n"


_TYPES: Final = {"run": "dyn", "object": "dyn", "oldPhase": "string"}

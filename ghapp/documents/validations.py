"""What the API server itself refuses: those of the `rules` that CEL can say.

They are rules of the CRDs (``x-kubernetes-validations``), so that `kubectl apply` says at once what
would else be a condition later. The words are those of `rules`, which holds all rules.
Kubernetes spells names that are keywords of CEL or no names in it in its own way:
``__namespace__``, ``pull__dash__request``.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct

from ghapp.core import problem_matcher
from ghapp.documents import rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """A rule about a part of a document."""

    at: str
    """``spec.providerRefs[]``."""
    rule: str
    """CEL, in which `self` is the part."""
    message: str
    field: str = ""
    """The field to blame, where it is not the part itself: ``.namespace``."""
    reason: str = ""
    """As the API server answers it; empty: FieldValueInvalid."""

    def document(self) -> Mapping[str, Any]:
        """As a CRD has it."""
        more = {"fieldPath": self.field, "reason": self.reason}
        said = {"rule": self.rule, "message": self.message}
        return said | {key: value for key, value in more.items() if value}


REQUIRED: Final = "FieldValueRequired"
FORBIDDEN: Final = "FieldValueForbidden"


def provider(blocks: Mapping[str, type[Struct]]) -> Iterator[Validation]:
    """The block of its type, and no other; by type, the settings."""
    for name, settings in blocks.items():
        yield Validation(
            at="spec",
            field=f".{name}",
            rule=f"self.type == '{name}' || !has(self.{name})",
            message=rules.OTHER_BLOCK.format(name),
            reason=FORBIDDEN,
        )
        needed = [one.encode_name for one in msgspec.structs.fields(settings) if one.required]
        if needed:
            yield Validation(
                at="spec",
                field=f".{name}",
                rule=f"self.type != '{name}' || has(self.{name})",
                message=rules.NO_BLOCK.format(name, ", ".join(needed)),
                reason=REQUIRED,
            )


_ANY_NOTIFICATION: Final = (
    Validation(
        at="spec.progressInterval",
        rule="duration(self) <= duration('1h')",
        message=rules.TOO_LONG,
    ),
    Validation(
        at="spec.logs.reports[]",
        rule="(has(self.result) && self.result != '') != (has(self.step) && self.step != '')",
        message=rules.ONE_PLACE,
    ),
    Validation(
        at="spec.logs.matchers[]",
        field=".pattern",
        rule="self.pattern.exists(one, has(one.file))",
        message=problem_matcher.NO_FILE,
    ),
    Validation(
        at="spec.logs.matchers[]",
        field=".pattern",
        rule="self.pattern.exists(one, has(one.message))",
        message=problem_matcher.NO_MESSAGE,
    ),
)

NOTIFICATION: Final = (
    Validation(
        at="spec",
        field=".filter.namespaces",
        rule="!has(self.filter) || !has(self.filter.namespaces) || self.filter.namespaces == []",
        message=rules.OWN_NAMESPACE,
        reason=FORBIDDEN,
    ),
    Validation(
        at="spec.providerRefs[]",
        field=".namespace",
        rule="!has(self.kind) || self.kind != 'ClusterProvider' || !has(self.__namespace__)",
        message=rules.NEEDLESS_NAMESPACE,
        reason=FORBIDDEN,
    ),
    *_ANY_NOTIFICATION,
)

CLUSTER_NOTIFICATION: Final = (
    Validation(
        at="spec.providerRefs[]",
        field=".namespace",
        rule="!has(self.kind) || self.kind != 'Provider' || has(self.__namespace__)",
        message=rules.NO_NAMESPACE,
        reason=REQUIRED,
    ),
    Validation(
        at="spec.providerRefs[]",
        field=".namespace",
        rule="(has(self.kind) && self.kind == 'Provider') || !has(self.__namespace__)",
        message=rules.NEEDLESS_NAMESPACE,
        reason=FORBIDDEN,
    ),
    *_ANY_NOTIFICATION,
)

TRUST_POLICY: Final = (
    Validation(
        at="spec.repositories[]",
        rule="self.contains('/') || self.matches('^[*]*$')",
        message=rules.NO_OWNER,
    ),
)


def _promotion(at: str) -> tuple[Validation, ...]:
    return (
        Validation(
            at=at, field=".manual", rule="!has(self.manual) || self.manual", message=rules.BY_ITSELF
        ),
        Validation(
            at=f"{at}.strategy.pull-request.url",
            rule="self.matches('^https?://[^/?#]+/+[^/?#]+/+[^/?#]+')",
            message=rules.NO_REPOSITORY,
        ),
    )


PIPELINE: Final = (
    Validation(
        at="spec.environments",
        rule="self.all(one, self.exists_one(other, other.name == one.name))",
        message="two have the same name; expected names of their own",
    ),
    Validation(
        at="spec.environments",
        rule=(
            "self.all(one, one.targets.all(target, self.exists_one(other, "
            "other.targets.exists_one(place, place.__namespace__ == target.__namespace__))))"
        ),
        message="a namespace is a target of two of them; expected it in one",
    ),
    Validation(
        at="spec",
        field=".promotion",
        rule=(
            "size(self.environments) < 2 || has(self.promotion) || "
            "self.environments.exists(one, has(one.promotion))"
        ),
        message=rules.NO_PROMOTION,
        reason=REQUIRED,
    ),
    *_promotion("spec.promotion"),
    *_promotion("spec.environments[].promotion"),
)

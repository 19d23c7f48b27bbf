"""Who may ask what: an optional bearer token, and denials that stand in for missing RBAC rules.

Everything is allowed unless it was denied: the opposite of RBAC, and right for a stand-in, whose
tests name the one permission that is missing.
"""

from dataclasses import dataclass

from ghapp.demo.kube import status
from ghapp.demo.kube.resources import Object, Resource

USER = "system:serviceaccount:default:checkrail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this be done? An empty namespace means all of them."""

    verb: str
    group: str
    resource: str
    """The plural, with its subresource: `pods/log`."""
    namespace: str = ""
    name: str = ""


class Access:
    """A token and the list of denials."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._denied: set[tuple[str, str, str | None]] = set()

    def deny(self, verb: str, resource: str, *, namespace: str | None = None) -> None:
        self._denied.add((verb, resource, namespace))

    def allow(self, verb: str, resource: str, *, namespace: str | None = None) -> None:
        self._denied.discard((verb, resource, namespace))

    def knows(self, authorization: str | None) -> bool:
        return self._token is None or authorization == f"Bearer {self._token}"

    def permits(self, question: Question) -> bool:
        plural, _, sub = question.resource.partition("/")
        qualified = f"{plural}.{question.group}" if question.group else plural
        names = {"*", question.resource, qualified + (f"/{sub}" if sub else "")}
        return not any(
            (verb, name, namespace) in self._denied
            for verb in (question.verb, "*")
            for name in names
            for namespace in {question.namespace, None}
        )

    def check(self, resource: Resource, question: Question) -> None:
        if self._denied and not self.permits(question):
            place = (
                f'in the namespace "{question.namespace}"'
                if question.namespace
                else "at the cluster scope"
            )
            why = (
                f'User "{USER}" cannot {question.verb} resource "{question.resource}" '
                f'in API group "{question.group}" {place}'
            )
            raise status.forbidden(resource, question.name, why)

    def review(self, body: Object) -> Object:
        """The answer to a SelfSubjectAccessReview."""
        asked = (body.get("spec") or {}).get("resourceAttributes") or {}
        sub = asked.get("subresource")
        question = Question(
            verb=asked.get("verb", "*"),
            group=asked.get("group", ""),
            resource=asked.get("resource", "*") + (f"/{sub}" if sub else ""),
            namespace=asked.get("namespace", ""),
        )
        return {
            **body,
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "status": {"allowed": self.permits(question)},
        }

"""The words of a promotion's pull request, as pipeline-controller chose them.

The Weave GitOps pages find its pull requests by the metadata block in their text, and people by
branch and title; so all three stay what they were. https://github.com/weaveworks/pipeline-controller
"""

from ghapp.core.effects import Promote


def branch(effect: Promote) -> str:
    """``promotion-<ns>-<name>-<env>``."""
    return f"promotion-{effect.pipeline.replace(':', '-', 1)}-{effect.environment}"


def title(effect: Promote) -> str:
    """Of the pull request, and of its commit."""
    return f"Promote {_slashed(effect)} in {effect.environment} to {effect.version}"


def body(effect: Promote) -> str:
    """The block that other tools look for, then who asked."""
    subject = effect.subject
    return (
        "<details>\n<summary>metadata</summary>\n!!! DO NOT EDIT !!!\n\n"
        f"{_slashed(effect)}/{effect.environment}\n</details>\n\n"
        f"Asked by @{effect.login} {_how(effect)} {subject.kind}"
        f" `{subject.namespace}/{subject.name}` in cluster `{subject.cluster}`.\n"
        + ("It goes back to the version that ran well there before.\n" if effect.back else "")
    )


def _how(effect: Promote) -> str:
    reply = effect.reply
    if reply is None:
        return "with the button on the check of"
    return f"in {reply.repository.slug}#{reply.number} for"


def what(effect: Promote) -> str:
    """What is promoted, for sentences about it."""
    return f"{_slashed(effect)} in {effect.environment}"


def _slashed(effect: Promote) -> str:
    return effect.pipeline.replace(":", "/", 1)

"""Comments, reactions, labels and reviewers: what people and Apps say on a pull request."""

from __future__ import annotations

from . import events, pulls, render, render_pulls
from .errors import ApiError, Json, invalid, needs, not_found
from .model import Account, App, Comment, Pull, Repository
from .world import World

BODY_LIMIT = 65536


def create(
    world: World, pull: Pull, body: Json, author: Account, app: App | None = None
) -> Comment:
    comment = Comment(
        id=world.next_id(large=True),
        pull=pull,
        author=author,
        app=app,
        body=_text(body),
        born=world.clock(),
        updated=world.clock(),
    )
    pull.repository.comments[comment.id] = comment
    tell(world, comment, "created", author)
    return comment


def _text(body: Json) -> str:
    text = needs(body, "body")
    if len(text) > BODY_LIMIT:
        raise invalid("IssueComment", "body", f"body is too long (maximum is {BODY_LIMIT})")
    return text


def find(repo: Repository, number: int) -> Comment:
    if number not in repo.comments:
        raise not_found()
    return repo.comments[number]


def update(world: World, comment: Comment, body: Json, sender: Account) -> None:
    before, comment.body, comment.updated = comment.body, _text(body), world.clock()
    tell(world, comment, "edited", sender, changes={"body": {"from": before}})


def delete(world: World, comment: Comment, sender: Account) -> None:
    del comment.pull.repository.comments[comment.id]
    tell(world, comment, "deleted", sender)


def react(world: World, comment: Comment, content: str, who: Account) -> tuple[bool, Json]:
    """(is it new?, the reaction); one of each kind for each person."""
    if content not in render_pulls.REACTIONS:
        raise ApiError(422, f"Invalid request.\n\n{content} is not a reaction.")
    mine = [each for each in comment.reactions if each[1] is who and each[2] == content]
    new = not mine
    if new:
        mine = [(world.next_id(), who, content, world.clock())]
        comment.reactions += mine
    return new, _reaction(world, mine[0])


def _reaction(world: World, entry: tuple[int, Account, str, float]) -> Json:
    number, who, content, at = entry
    return {
        "id": number,
        "node_id": render.node_id("Reaction", number),
        "user": render.account(world, who),
        "content": content,
        "created_at": world.iso(at),
    }


def add_labels(world: World, pull: Pull, names: list[str], sender: Account) -> None:
    for name in names:
        if name not in pull.labels:
            pull.labels.append(name)
            shown = render_pulls.label(world, pull.repository, name)
            pulls.tell(world, pull, "labeled", sender, label=shown)


def request_review(world: World, pull: Pull, body: Json) -> None:
    """Only people who may see the repository can be asked."""
    repo = pull.repository
    for login in body.get("reviewers", ()):
        person = world.accounts.get(login.lower())
        if person is None or not world.allowed(repo, person, "read"):
            raise ApiError(422, "Reviews may only be requested from collaborators.")
        if person is pull.author:
            raise ApiError(422, "Review cannot be requested from pull request author.")
        if person not in pull.reviewers:
            pull.reviewers.append(person)
    for slug in body.get("team_reviewers", ()):
        team = world.teams.get((repo.owner.login.lower(), slug))
        if team is None:
            raise ApiError(422, "Reviews may only be requested from collaborators.")
        if team not in pull.review_teams:
            pull.review_teams.append(team)


def tell(world: World, comment: Comment, action: str, sender: Account, **facts: object) -> None:
    events.happened(
        world,
        comment.pull.repository,
        "issue_comment",
        sender,
        action=action,
        issue=render_pulls.issue(world, comment.pull),
        comment=render_pulls.comment(world, comment),
        **facts,
    )

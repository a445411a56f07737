"""Caesar's extractor, reducers and one rule: post each one that is missing, and only if the user asks.

Caesar's rule retires a subject a minute after its last vote; without the rule, a step does so once a day. This module
changes nothing that exists. Posting twice would make two rules, so it first lists what is there. **It was never tried on the
live service.**
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from zooactive.foundation.errors import UploadError, explained
from zooactive.foundation.vocabulary import CaesarRule
from zooactive.labels.retirement import caesar_config
from zooactive.labels.zooniverse.session import Refused, Session


class Post(NamedTuple):
    """Something that Caesar lacks: the path where it is posted, its body, and its name in words."""

    path: str
    body: Mapping[str, Any]
    said: str


def missing_in_caesar(session: Session, *, workflow: int, task: str, ceiling: int, rule: CaesarRule) -> tuple[Post, ...]:
    """Return the parts of a retirement rule that Caesar lacks, without posting them.

    The effect of a rule belongs to the rule, and is listed only once the rule exists.

    Parameters
    ----------
    session : Session
    workflow : int
    task : str
        The key of the workflow's first task.
    ceiling : int
        The number of volunteers after which a subject without its own number is done.
    rule : {"metadata", "reduction"}

    Raises
    ------
    UploadError
        When Caesar does not know the workflow.
    """
    config, at = caesar_config(task, ceiling=ceiling), f"/workflows/{workflow}"
    missing = []
    for kind, key in (("extractors", "extractor"), ("reducers", "reducer")):
        there = {entry.get("key") for entry in _listed(session, f"{at}/{kind}", kind, workflow)}
        for body in config[kind]:
            name = body[key]["key"]
            if name not in there:
                missing.append(Post(f"{at}/{kind}", body, f"the {key} '{name}'"))
    wanted, effect = config["rules"][rule]["subject_rule"], config["rules"][rule]["subject_rule_effect"]
    same = [
        entry
        for entry in _listed(session, f"{at}/subject_rules", "subject_rules", workflow)
        if _condition(entry) == json.loads(wanted["condition_string"])
    ]
    if not same:
        return (*missing, Post(f"{at}/subject_rules", {"subject_rule": wanted}, f"the rule on {rule}"))
    effects = f"{at}/subject_rules/{same[0]['id']}/subject_rule_effects"
    if not any(entry.get("action") == effect["action"] for entry in _listed(session, effects, "effects", workflow)):
        missing.append(Post(effects, {"subject_rule_effect": effect}, "the rule's effect: retire the subject"))
    return tuple(missing)


def post_to_caesar(session: Session, look: Callable[[], tuple[Post, ...]], wrote: Callable[[Post], None]) -> int:
    """Post what is missing and look again, until nothing is missing; return the number of posts.

    Parameters
    ----------
    session : Session
    look : callable
        Returns what is missing now, by `missing_in_caesar`.
    wrote : callable
        Receives each post before it is made.
    """
    number, last = 0, tuple[Post, ...]()
    while (missing := look()) and missing != last:
        for post in missing:
            wrote(post)
            session.ask("POST", post.path, body=post.body, caesar=True)
            number += 1
        last = missing
    if missing:
        raise UploadError(f"Caesar accepted {missing[0].said} but does not list it; look at the workflow on Caesar by hand")
    return number


def _listed(session: Session, path: str, key: str, workflow: int) -> list[Mapping[str, Any]]:
    unknown = f"Caesar does not know workflow {workflow} ({{reason}}); add it there by hand, or check your login"
    with explained(UploadError, unknown, Refused):
        body = session.ask("GET", path, caesar=True).body
    found = body.get("list", body.get(key, []))
    return [entry for entry in found if isinstance(entry, Mapping)]


def _condition(entry: Mapping[str, Any]) -> Any:
    """Return a rule's condition, which Caesar gives as a list or as a list's text."""
    found = entry.get("condition_string", entry.get("condition"))
    try:
        return json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return None

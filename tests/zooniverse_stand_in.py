"""A Panoptes on loopback with a crowd of its own, and every trap of it that a loop without hands can fall into.

What the server does is what the public code of Panoptes does; times are simulated, and told by the test. It counts every
call that must never be made to a live project.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
from numpy.typing import NDArray

from zooactive.labels.simulate.crowd import Crowd, members
from zooactive.labels.simulate.forms import HEADER, answers_given, export_row, own_words
from zooactive.tree import DecisionTree

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
PROJECT, WORKFLOW, OWNER, FOREIGN = "7", "77", "11", "8"
REASONS = ("classification_count", "flagged", "nothing_here", "consensus", "other", "human")
_LINE = "\u2028"  # at which some readers cut a row
CROWD = Crowd(volunteers=200, activity=0.7, seed=3)
LARGEST_PAGE, LONGEST_ADDRESS = 200, 4000


@dataclass
class Fault:
    """Something that goes wrong: a status, "lost before" (nothing was done) or "lost after" (done, and nobody heard)."""

    kind: int | str
    where: Callable[[str, str], bool]
    times: int = 1
    said: str = "no"


@dataclass
class Medium:
    """An export of one resource: one file, one state, one job at a time."""

    state: str = "creating"
    updated_at: datetime = BEGAN
    accepted_at: datetime | None = None
    job_ready_at: datetime | None = None
    file: bytes | None = None
    asked: list[datetime] = field(default_factory=list)


@dataclass
class World:
    """What the Zooniverse holds, what it counts, and what goes wrong there.

    Parameters
    ----------
    tree : DecisionTree
    chances : mapping
        Galaxy -> probabilities of its answers.
    seed : int
    """

    tree: DecisionTree
    chances: Mapping[str, NDArray[np.float64]]
    seed: int = 0
    crowd: Crowd = CROWD

    def __post_init__(self) -> None:
        self.now, self.rng, self.lock, self.address = BEGAN + DAY / 2, np.random.default_rng(self.seed), RLock(), ""
        self.project: dict[str, Any] = {"id": PROJECT, "live": True, "links": {"owner": {"id": OWNER, "type": "users"}}}
        self.workflow: dict[str, Any] = {
            "id": WORKFLOW, "active": True, "prioritized": False, "finished_at": None,
            "retirement": {"criteria": "never_retire", "options": {}},
        }  # fmt: skip
        self.belongs = PROJECT
        self.roles, self.limit, self.uploaded = ["owner"], 10_000, 0
        self.sets: dict[str, dict[str, Any]] = {"900": {"id": "900", "display_name": "theirs", "project": PROJECT}}
        self.linked: list[str] = []
        self.subjects: dict[str, dict[str, Any]] = {}
        self.images: dict[str, bytes] = {}
        self.member: dict[str, dict[str, float | None]] = {"900": {}}
        self.status: dict[str, dict[str, Any]] = {}
        self.media: dict[tuple[str, str], Medium] = {}
        self.classifications: list[dict[str, Any]] = []
        self.sees: dict[int, set[str]] = {}
        self.waiting: list[tuple[datetime, str, str]] = []
        self.never: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.chance_of_fault, self.job_hours, self.jobs_fail = 0.0, (0.5, 5.0), 0.0
        self.retired_in_step: Counter[str] = Counter()
        self.unsure: set[str] = set()
        self.caesar: dict[str, list[dict[str, Any]]] = {"extractors": [], "reducers": [], "subject_rules": []}
        self.effects: list[dict[str, Any]] = []
        self.files = 0
        self.stated_share = 1.0
        self.links_made: list[tuple[str, datetime]] = []
        self.on_subject: Callable[[int], None] = lambda number: None
        self.dead_links = 0
        self.cut_files = 0
        self.lag = timedelta(0)
        self.unlinks_made: list[tuple[str, datetime]] = []

    # The crowd -------------------------------------------------------------------------------------------------------

    def classify(self, number: int, hours: float = 1.0) -> None:
        """Let so many classifications come in during the next hours, and let that time pass."""
        people = members(self.crowd, self.tree)
        times = np.sort(self.rng.random(number)) * hours
        start = self.now
        for hour in times:
            self.pass_to(start + timedelta(hours=float(hour)))
            who = int(self.rng.choice(self.crowd.volunteers, p=people.shares))
            subject = self._shown_to(who)
            if subject is not None:
                self._say(who, subject, people)
        self.pass_to(start + timedelta(hours=hours))

    def _shown_to(self, who: int) -> str | None:
        seen = self.sees.setdefault(who, set())
        here = [(subject, priority) for number in self.linked for subject, priority in self.member[number].items()]
        retired = {subject for subject, _ in here if self.status.get(subject, {}).get("retired_at")}
        fresh = [(subject, priority) for subject, priority in here if subject not in seen and subject not in retired]
        if not fresh:  # what is finished or seen is shown when nothing else is left, and fewer stay
            if not here or self.rng.random() > (0.1 if self.workflow["finished_at"] else 0.4):
                return None
            return here[int(self.rng.integers(len(here)))][0]
        if self.workflow["prioritized"]:
            return min(fresh, key=lambda pair: (0 if pair[1] is None else pair[1], int(pair[0])))[0]
        return fresh[int(self.rng.integers(len(fresh)))][0]

    def _say(self, who: int, subject: str, people: Any) -> None:
        galaxy = str(self.subjects[subject]["metadata"]["#id"])
        chances = people.chances(np.array([who]), self.chances[galaxy][None])[0]
        chosen: list[int] = []
        for question in self.tree.order:
            if self.tree.parents[question] < 0 or any(self.tree.leads_to[question, column] for column in chosen):
                where = self.tree.slices[question]
                share = chances[where] / chances[where].sum()
                chosen.append(where.start + int(self.rng.choice(where.stop - where.start, p=share)))
        self.sees[who].add(subject)
        entry = self.status.setdefault(subject, {"classifications_count": 0, "retired_at": None, "retirement_reason": None})
        entry["classifications_count"] += 1
        self.classifications.append(
            {"id": len(self.classifications) + 1, "who": who, "subject": subject, "galaxy": galaxy, "columns": chosen,
             "at": self.now.replace(microsecond=0), "sets": [s for s in self.linked if subject in self.member[s]]}
        )  # fmt: skip

    def pass_to(self, time: datetime) -> None:
        """Let time pass: jobs that are ready write their files, subjects in the queue are retired."""
        while True:
            ready = [(m.job_ready_at, key) for key, m in self.media.items() if m.job_ready_at and m.job_ready_at <= time]
            queued = [entry for entry in self.waiting if entry[0] <= time]
            if not ready and not queued:
                break
            if queued and (not ready or queued[0][0] <= min(ready)[0]):
                self.now, subject, reason = queued[0]
                self.waiting.remove(queued[0])
                self._retired(subject, reason)
            else:
                self.now, key = min(ready)
                self._made(key)
        self.now = time

    def _retired(self, subject: str, reason: str) -> None:
        entry = self.status.setdefault(subject, {"classifications_count": 0, "retired_at": None, "retirement_reason": None})
        if entry["retired_at"] is None:
            entry |= {"retired_at": self.now.isoformat(), "retirement_reason": reason}
        open_ones = [
            s for number in self.linked for s in self.member[number] if not self.status.get(s, {}).get("retired_at")
        ]
        self.workflow["finished_at"] = None if open_ones else self.now.isoformat()

    # Exports ---------------------------------------------------------------------------------------------------------

    def _made(self, key: tuple[str, str]) -> None:
        medium = self.media[key]
        medium.job_ready_at, medium.updated_at = None, self.now
        if self.rng.random() < self.jobs_fail:
            medium.state = "failed"
            return
        kind, number = key
        linked = number in self.linked
        rows = [
            entry
            for entry in self.classifications
            if entry["at"] <= self.now - self.lag
            and (kind == "workflows" or (linked and entry["subject"] in self.member[number]))
        ]
        medium.file, medium.state = self.export_of(rows), "ready"

    def export_of(self, entries: Sequence[dict[str, Any]]) -> bytes:
        """Write an export: names of those without a login are drawn anew, and rows hold signs at which lines are cut."""
        self.files += 1
        salt, said, out = int(self.rng.integers(1 << 40)), own_words(self.tree), io.StringIO()
        writer = csv.DictWriter(out, HEADER)
        writer.writeheader()
        for entry in entries:
            who = entry["who"]
            name = f"volunteer-{who}" if who % 5 != 4 else f"not-logged-in-{hash((salt, who)) & (1 << 64) - 1:020x}"
            metadata = {"retired": None, **self.subjects[entry["subject"]]["metadata"]}
            marks = answers_given(entry["columns"], said)
            seconds = int((entry["at"] - BEGAN).total_seconds())
            row = export_row(
                entry["id"], name, marks, int(entry["subject"]), metadata, workflow=int(WORKFLOW), seconds=seconds
            )
            row["workflow_name"] = f"Galaxies{_LINE}and \x85 more"
            row["subject_data"] = json.dumps({entry["subject"]: metadata | {"note": f"a{_LINE}b"}}, ensure_ascii=False)
            writer.writerow(row)
        return out.getvalue().encode()

    def _ask_export(self, key: tuple[str, str]) -> None:
        medium = self.media.setdefault(key, Medium())
        if medium.asked and self.now - medium.asked[-1] < DAY:
            self.never["an export asked for twice in a day"] += 1
        medium.asked.append(self.now)
        medium.state, medium.updated_at = "creating", self.now
        if medium.accepted_at is None or self.now - medium.accepted_at >= DAY:  # else it is dropped, without a word
            low, high = self.job_hours
            medium.accepted_at = self.now
            medium.job_ready_at = self.now + timedelta(hours=float(self.rng.uniform(low, high)))

    def others_ask_export(self, key: tuple[str, str] = ("workflows", WORKFLOW)) -> None:
        """Let somebody else of the team spend the day's export."""
        medium = self.media.setdefault(key, Medium())
        medium.state, medium.updated_at, medium.accepted_at = "creating", self.now, self.now
        medium.job_ready_at = self.now + timedelta(hours=1)

    # Answers ---------------------------------------------------------------------------------------------------------

    def answer(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any, dict[str, str]] | None:
        """Answer a request: status, values and headers; None where the connection is cut."""
        self.calls[f"{method} {re.sub(r'[0-9]+', 'N', path)}"] += 1
        if "admin" in query:
            self.never["admin"] += 1
        kind = self._fault(method, path)
        if kind is not None and kind.kind != "lost after":
            self._note_unsure(method, path, body)
            return None if kind.kind == "lost before" else (int(kind.kind), _errors(kind.said), {})
        try:
            found = self._answer(method, path, query, headers, json.loads(body) if body else {})
        except _No as no:
            return no.status, _errors(str(no)), {}
        if kind is not None:
            self._note_unsure(method, path, body)
            return None
        return found

    def _note_unsure(self, method: str, path: str, body: bytes) -> None:
        if (method, path) == ("POST", "/api/subjects"):
            self.unsure.add(str(json.loads(body)["subjects"]["metadata"]["#id"]))

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.where(method, path):
                fault.times -= 1
                return fault
        if path.startswith("/api") and self.rng.random() < self.chance_of_fault:
            kinds = (503, "lost before", "lost after") + ((409,) if "/links/" in path else ())
            return Fault(kinds[int(self.rng.integers(len(kinds)))], lambda *_: True)
        return None

    def _answer(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> tuple[int, Any, dict[str, str]]:
        if path.startswith("/media/"):
            return self._file(path, query)
        if path.startswith("/caesar/"):
            return self._caesar(method, path.removeprefix("/caesar"), body)
        path = path.removeprefix("/api")
        if method == "GET":
            return self._get(path, query)
        found = self._change(method, path, headers, body)
        return (201 if method == "POST" else 200), found, {}

    def _file(self, path: str, query: Mapping[str, str]) -> tuple[int, Any, dict[str, str]]:
        if float(query["expires"]) < self.now.timestamp():
            return 403, b"<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code></Error>", {}
        _, _, kind, number = path.split("/")
        content = self.media[kind, number].file
        assert content is not None
        if self.cut_files > 0:
            self.cut_files -= 1
            content = content[: len(content) - 40]
        return 200, gzip.compress(content, 1), {"Content-Encoding": "gzip", "Content-Type": "text/csv"}

    def _get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any, dict[str, str]]:
        if path == "/me":
            user = {"id": OWNER, "max_subjects": self.limit, "uploaded_subjects_count": self.uploaded}
            return 200, {"users": [user]}, {}
        if path == f"/projects/{PROJECT}":
            return 200, {"projects": [self.project]}, {}
        if path == f"/workflows/{WORKFLOW}":
            links = {"project": self.belongs, "subject_sets": list(self.linked)}
            return 200, {"workflows": [self.workflow | {"links": links}]}, {"ETag": "W/1"}
        if match := re.fullmatch(r"/(workflows|subject_sets)/(\d+)/classifications_export", path):
            return self._described((match[1], match[2]))
        if match := re.fullmatch(r"/subject_sets/(\d+)", path):
            return 200, {"subject_sets": [self._set(self._there(self.sets, match[1]))]}, {}
        if match := re.fullmatch(r"/subjects/(\d+)", path):
            entry = self._there(self.subjects, match[1])
            return 200, {"subjects": [entry]}, {"ETag": f'W/"{entry["version"]}"'}
        return 200, self._listed(path, query), {}

    def _listed(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        key = path.removeprefix("/")
        if key == "project_roles":
            entries = [{"roles": self.roles, "links": {"owner": {"id": OWNER}, "project": PROJECT}}]
        elif key == "subject_sets":
            entries = [self._set(entry) for entry in self.sets.values() if entry["project"] == query["project_id"]]
        elif key == "set_member_subjects":
            number = query["subject_set_id"]
            entries = [
                {"links": {"subject": subject, "subject_set": number}, "priority": priority}
                for subject, priority in self.member[number].items()
            ]
        elif key == "subjects":
            assert query["project_id"] == PROJECT
            entries = list(self.subjects.values())
            self.unsure.clear()
        elif key == "subject_workflow_statuses":
            if len(query["subject_ids"]) > LONGEST_ADDRESS:
                raise _No(414, "address too long")
            entries = [
                self.status[subject] | {"links": {"subject": subject, "workflow": WORKFLOW}}
                for subject in query["subject_ids"].split(",")
                if subject in self.status
            ]
        else:
            raise _No(404, f"nothing at {path}")
        size, page = int(query.get("page_size", 20)), int(query.get("page", 1))
        assert size <= LARGEST_PAGE
        meta = {"page": page, "page_count": max(-(-len(entries) // size), 1)}
        return {key: entries[(page - 1) * size : page * size], "meta": {key: meta}}

    def _described(self, key: tuple[str, str]) -> tuple[int, Any, dict[str, str]]:
        medium = self.media.get(key)
        if medium is None:
            raise _No(404, "no export")
        lives = -MINUTE if self.dead_links > 0 else 5 * MINUTE
        self.dead_links -= 1
        expires = (self.now + lives).timestamp()
        link = f"{self.address}/media/{key[0]}/{key[1]}?expires={expires}&sig=s3cret" if medium.file is not None else None
        entry = {"src": link, "metadata": {"state": medium.state}, "updated_at": _said(medium.updated_at)}
        return 200, {"media": [entry]}, {}

    def _set(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": entry["id"], "display_name": entry["display_name"], "links": {"project": entry["project"]}}

    def _there(self, things: Mapping[str, Any], number: str) -> Any:
        if number not in things:
            raise _No(404, f"Could not find {number}")
        return things[number]

    # Changes ---------------------------------------------------------------------------------------------------------

    def _change(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        if method == "POST" and path == "/subject_sets":
            return self._make_set(body["subject_sets"])
        if method == "POST" and path == "/subjects":
            return self._make_subject(body["subjects"])
        if method == "PUT" and (match := re.fullmatch(r"/subjects/(\d+)", path)):
            return self._renew(match[1], headers, body["subjects"])
        if method == "POST" and (match := re.fullmatch(r"/subject_sets/(\d+)/links/subjects", path)):
            return self._join(match[1], [str(subject) for subject in body["subjects"]])
        if method == "POST" and path == f"/workflows/{WORKFLOW}/links/subject_sets":
            return self._link([str(number) for number in body["subject_sets"]])
        if method == "DELETE" and (match := re.fullmatch(rf"/workflows/{WORKFLOW}/links/subject_sets/([\d,]+)", path)):
            return self._unlink(match[1].split(","))
        if method == "POST" and path == f"/workflows/{WORKFLOW}/retired_subjects":
            return self._retire(body)
        if method == "POST" and (match := re.fullmatch(r"/(workflows|subject_sets)/(\d+)/classifications_export", path)):
            if match[2] not in (WORKFLOW, *self.sets):
                self.never["another's export"] += 1
            self._ask_export((match[1], match[2]))
            return {"media": [{"metadata": {"state": "creating"}}]}
        self.never[f"{method} {re.sub(r'[0-9]+', 'N', path)}"] += 1
        raise _No(403, "not allowed")

    def _make_set(self, said: Mapping[str, Any]) -> dict[str, Any]:
        if str(said["links"]["project"]) != PROJECT:
            self.never["a set in another project"] += 1
        if any(
            entry["display_name"] == said["display_name"] and entry["project"] == PROJECT for entry in self.sets.values()
        ):
            raise _No(422, "Validation failed: Display name has already been taken")
        number = str(1000 + len(self.sets))
        self.sets[number] = {"id": number, "display_name": said["display_name"], "project": PROJECT}
        self.member[number] = {}
        return {"subject_sets": [self._set(self.sets[number])]}

    def _make_subject(self, said: Mapping[str, Any]) -> dict[str, Any]:
        galaxy = str(said["metadata"]["#id"])
        if galaxy in self.unsure:
            self.never["a subject made again without looking"] += 1
        if self.uploaded >= self.limit:
            raise _No(403, f"User has uploaded {self.uploaded} subjects of {self.limit} maximum")
        self.uploaded += 1
        number = str(90_000 + self.uploaded)
        self.on_subject(self.uploaded)
        self.subjects[number] = {
            "id": number, "metadata": dict(said["metadata"]), "version": 1, "links": {"project": PROJECT},
            "locations": [{"image/jpeg": f"https://nowhere/{number}"}],
        }  # fmt: skip
        return self._with_link(number)

    def _renew(self, number: str, headers: Mapping[str, str], said: Mapping[str, Any]) -> dict[str, Any]:
        entry = self._there(self.subjects, number)
        if "If-Match" not in headers:
            raise _No(428, "Request requires If-Match header")
        if headers["If-Match"] != f'W/"{entry["version"]}"':
            raise _No(412, "Precondition failed")
        entry["version"] += 1
        entry["metadata"] = dict(said.get("metadata", entry["metadata"]))
        self.images.pop(number, None)  # locations that are not sent are gone
        if not said.get("locations"):
            entry["locations"] = []
            return {"subjects": [entry]}
        return self._with_link(number)

    def _with_link(self, number: str) -> dict[str, Any]:
        link = f"{self.address}/media/images/{number}?expires={(self.now + 5 * MINUTE).timestamp()}"
        return {"subjects": [self.subjects[number] | {"locations": [{"image/jpeg": link}]}]}

    def _join(self, number: str, subjects: Sequence[str]) -> dict[str, Any]:
        if self.sets[number]["project"] != PROJECT or not self.sets[number]["display_name"].startswith("zooactive"):
            self.never["a set that the loop did not make was filled"] += 1
        if any(subject not in self.subjects for subject in subjects):
            raise _No(422, "Couldn't find all subjects")
        read = [self._priority(subject) for subject in subjects]
        readable = all(not isinstance(priority, str) for priority in read)
        for subject, priority in zip(subjects, read, strict=True):
            if subject not in self.member[number]:  # one that is there stays as it is
                self.member[number][subject] = priority if readable else None  # type: ignore[assignment]
        self.workflow["finished_at"] = None
        return {"subjects": []}

    def _priority(self, subject: str) -> float | str | None:
        said = {key.casefold(): value for key, value in self.subjects[subject]["metadata"].items()}
        value = said.get("#priority", said.get("priority"))
        try:
            return None if value is None else float(value)
        except ValueError:
            return str(value)

    def _link(self, numbers: Sequence[str]) -> dict[str, Any]:
        for number in numbers:
            if self.sets[number]["project"] != PROJECT:
                self.never["a set of another project was linked"] += 1
            if set(self.member[number]) - set(self.images):
                self.never["a subject without its image was shown"] += 1
            if number not in self.linked:
                self.linked.append(number)
                self.links_made.append((number, self.now))
        self.workflow["finished_at"] = None
        return {"workflows": [{"id": WORKFLOW}]}

    def _unlink(self, numbers: Sequence[str]) -> dict[str, Any]:
        for number in numbers:
            if not self.sets[number]["display_name"].startswith("zooactive"):
                self.never["a set that the loop did not make was unlinked"] += 1
            if number in self.linked:
                self.linked.remove(number)
                self.unlinks_made.append((number, self.now))
        if not self.linked:
            self.never["the last set was unlinked"] += 1
        return {}

    def _retire(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body["retirement_reason"] not in REASONS:
            raise _No(422, "wrong reason")
        for subject in map(str, body["subject_ids"]):
            if subject not in self.subjects:
                continue  # dropped without a word
            if "#loop" not in self.subjects[subject]["metadata"]:
                self.never["a subject that the loop did not upload was retired"] += 1
            if not self.status.get(subject, {}).get("retired_at"):
                for number in self.linked:
                    self.retired_in_step[number] += subject in self.member[number]
            self.waiting.append((self.now + 3 * MINUTE, subject, body["retirement_reason"]))
        if any(count > self.stated_share * len(self.member[number]) for number, count in self.retired_in_step.items()):
            self.never["more than the stated share of a set was retired in one step"] += 1
        return {}

    def _caesar(self, method: str, path: str, body: Mapping[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if match := re.fullmatch(rf"/workflows/{WORKFLOW}/subject_rules/(\d+)/subject_rule_effects", path):
            if method == "POST":
                self.effects.append({"rule": match[1], **body["subject_rule_effect"]})
            return 200, [entry for entry in self.effects if entry["rule"] == match[1]], {}
        match = re.fullmatch(rf"/workflows/{WORKFLOW}/(\w+)", path)
        assert match is not None
        there = self.caesar[match[1]]
        if method == "POST":
            ((_, entry),) = body.items()
            there.append({"id": len(there) + 1, **entry})
            return 201, there[-1], {}
        if method != "GET":
            self.never["a change of Caesar's rules"] += 1
        return 200, there, {}

    # What tests ask --------------------------------------------------------------------------------------------------

    def begin_step(self) -> None:
        """Begin to count what one step retires."""
        self.retired_in_step.clear()

    def image(self, number: str, content: bytes) -> None:
        """Take the bytes of an image."""
        self.images[number] = content

    def votes(self, until: datetime | None = None) -> dict[str, NDArray[np.int64]]:
        """Return galaxy -> votes of the crowd's first answers each, of classifications up to a time."""
        found: dict[str, NDArray[np.int64]] = {}
        met = set[tuple[int, str]]()
        for entry in self.classifications:
            if (until is not None and entry["at"] > until) or (entry["who"], entry["galaxy"]) in met:
                continue
            met.add((entry["who"], entry["galaxy"]))
            votes = found.setdefault(entry["galaxy"], np.zeros(len(self.tree.columns), dtype=np.int64))
            votes[entry["columns"]] += 1
        return found

    def clicks(self) -> int:
        """Return all answers that were given."""
        return sum(len(entry["columns"]) for entry in self.classifications)


class _No(Exception):
    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


def _errors(said: str) -> dict[str, Any]:
    return {"errors": [{"message": said}]}


def _said(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


@contextmanager
def serving(world: World):  # type: ignore[no-untyped-def]
    """Serve a world on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # an answer in one packet
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def _do(self) -> None:
            place = urlparse(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = {key: value[0] for key, value in parse_qs(place.query).items()}
            with world.lock:
                if place.path == "/oauth/token":
                    found: Any = (200, {"access_token": "t0ken", "expires_in": 7200}, {})
                elif self.command == "PUT" and place.path.startswith("/media/images/"):
                    world.image(place.path.rpartition("/")[2], body)
                    found = (201, {}, {})
                else:
                    found = world.answer(self.command, place.path, query, self.headers, body)
            if found is None:
                self.close_connection = True
                return
            status, values, headers = found
            content = values if isinstance(values, bytes) else json.dumps(values).encode()
            self.send_response(status)
            for key, value in (
                {"Content-Type": "application/json"} | headers | {"Content-Length": str(len(content))}
            ).items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _do

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    world.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()

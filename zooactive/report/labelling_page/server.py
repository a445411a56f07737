"""The server of the page: on 127.0.0.1 alone, under a secret address, for requests of its own page only.

Every address begins with a token that only who started the server knows. The header ``Host`` has to name this machine, so
that no page elsewhere reaches the server under a name of its own (DNS rebinding), and ``Origin``, where a browser sends one,
has to be this server's: another page may not post answers. A request has 64 KiB at most. Images are encoded anew, texts are
set as texts by the page, and the content policy lets it load nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zooactive.foundation.errors import ImageError, OutputError, ZooactiveError, explained
from zooactive.foundation.stopping import Terminated, stop_is_answered
from zooactive.foundation.vocabulary import CHOSEN, LABEL_NEXT
from zooactive.loop.labelling.session import Next, Session, told_of
from zooactive.report.labelling_page.pictures import Pictures
from zooactive.report.sky_links import place_of

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from zooactive.catalogue import Catalogue, Preprocessing

_MISSING = "the page is served by starlette and uvicorn, which are not installed; pip install 'zooactive[label]'"

_PAGE = Path(__file__).parent / "static"
_FILES = {"": "label.html", "label.css": "label.css", "label.js": "label.js"}
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

_LARGEST = 64 * 1024
"""Bytes of a request's body."""

_AT_ONCE = 100
"""Connections; further ones are told to come again."""

_AHEAD = 8
"""Galaxies that a page may ask for at once."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_Word = TypeVar("_Word", bound=str)
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Refusal(Exception):
    """Why a request gets nothing, with the status that says so."""

    status: int
    why: str


class Guard:
    """Lets requests of the page itself through, and no others."""

    def __init__(self, app: Any, *, port: int, token: str) -> None:
        self._app, self._port, self._token = app, port, token

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
            body = await _body(receive)
        except Refusal as refusal:
            await _refuse(send, refusal)
            return
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> MutableMapping[str, Any]:
            return next(given, None) or await receive()

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.lower().encode(), text.encode()) for name, text in _HEADERS.items()]
            await send(message)

        await self._app(scope, again, with_headers)

    def _check(self, scope: _Scope) -> None:
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in scope["headers"]}
        own = {f"127.0.0.1:{self._port}", f"localhost:{self._port}"}
        if headers.get("host", "") not in own:
            raise Refusal(403, "this server answers under 127.0.0.1 alone")
        if headers.get("origin", "null" if "origin" in headers else "") not in {"", *(f"http://{host}" for host in own)}:
            raise Refusal(403, "this page is another server's")
        token = scope["path"].split("/")[1] if scope["path"].startswith("/") else ""
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            raise Refusal(403, "the address has no token, or not the one that was printed")
        if int(headers.get("content-length", "0") or 0) > _LARGEST:
            raise Refusal(413, f"a request has {_LARGEST} bytes at most")


async def _body(receive: _Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > _LARGEST:
            raise Refusal(413, f"a request has {_LARGEST} bytes at most")
        if not message.get("more_body", False):
            return body


async def _refuse(send: _Send, refusal: Refusal) -> None:
    body = refusal.why.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


def make_app(
    session: Session,
    pool: Catalogue,
    *,
    port: int,
    token: str,
    progress: Callable[[], dict[str, Any]],
    seen: Preprocessing | None = None,
) -> Any:
    """Return the ASGI application: the page, its pictures, and what it asks and says.

    Parameters
    ----------
    session : Session
    pool : Catalogue
        Row-aligned with the session's ids.
    port : int
    token : str
    progress : callable
        Gives what the page shows of work that goes on beside it, such as features that are being computed.
    seen : Preprocessing, optional
        How the encoder sees the images, which people are shown in the same bands.
    """
    with explained(OutputError, _MISSING, ImportError):
        from starlette.applications import Starlette
        from starlette.routing import Route
    api = _Api(session, pool, Pictures(pool, seen), progress)
    routes = [
        Route(f"/{token}/api/{name}", _json(function), methods=[method])
        for name, method, function in (
            ("state", "GET", api.state),
            ("next", "GET", api.next),
            ("grid", "GET", api.grid),
            ("galaxy", "GET", api.galaxy),
            ("answer", "POST", api.answer),
            ("undo", "POST", api.undo),
        )
    ]
    routes.append(Route(f"/{token}/image/{{row:int}}", api.image))
    routes += [Route(f"/{token}/{name}", _file(_PAGE / file)) for name, file in _FILES.items()]
    app: Starlette = Starlette(routes=routes)
    return Guard(app, port=port, token=token)


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    content, kind = path.read_bytes(), _KINDS[path.suffix]

    async def serve(request: Request) -> Response:
        from starlette.responses import Response

        return Response(content, media_type=kind)

    return serve


def _json(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """Serve a function of plain values; what it refuses is a sentence."""

    async def serve(request: Request) -> Response:
        from starlette.responses import JSONResponse

        try:
            given: Any = dict(request.query_params)
            if request.method == "POST":
                given = await request.json()
            if not isinstance(given, dict):
                return JSONResponse({"error": "give an object"}, status_code=400)
            return JSONResponse(await asyncio.to_thread(function, given))
        except OutputError as error:
            return JSONResponse({"error": str(error)}, status_code=507)
        except (ZooactiveError, ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return serve


@dataclass(frozen=True)
class _Api:
    """What the page can ask, by plain values."""

    session: Session
    pool: Catalogue
    pictures: Pictures
    progress: Callable[[], dict[str, Any]]

    def state(self, given: dict[str, Any]) -> dict[str, Any]:
        """How far it is: what the page shows beside the galaxy."""
        session, labeller = self.session, str(given.get("labeller", ""))
        same, asked = session.answers.consistency(labeller)
        agreed, several = session.answers.agreement()
        return {
            "question": session.question.name,
            "questions": [
                {"name": question.name, "answers": question.answers, "asked_after": question.asked_after}
                for question in (session.tree.questions[place] for place in session.tree.order)
            ],
            "pool": len(session.ids),
            "measures": session.measures().to_dict(),
            "consistency": {"same": same, "asked": asked},
            "agreement": {"same": agreed, "several": several},
            "work": {"text": f"The model could not learn: {session.failure}"} if session.failure else self.progress(),
        }

    def next(self, given: dict[str, Any]) -> dict[str, Any]:
        """Some galaxies to look at, in their order."""
        page, labeller = str(given["page"]), str(given.get("labeller", ""))
        mode = _one_of(LABEL_NEXT, given.get("mode", "informative"))
        but = {int(row) for row in str(given.get("but", "")).split(",") if row}
        found = []
        for _ in range(min(int(given.get("number", 1)), _AHEAD)):
            chosen = self.session.next(page, labeller, mode=mode, answer=given.get("answer") or None, but=but)
            if chosen is None:
                break
            but.add(chosen.row)
            found.append(self._shown(chosen, labeller))
        return {"galaxies": found}

    def grid(self, given: dict[str, Any]) -> dict[str, Any]:
        """Galaxies of one expected answer."""
        found = self.session.grid(str(given["page"]), str(given["answer"]))
        return {"galaxies": [self._shown(chosen) for chosen in found]}

    def galaxy(self, given: dict[str, Any]) -> dict[str, Any]:
        """What is known of one galaxy."""
        galaxy = str(given["id"])
        row = self.session.row_of(galaxy)
        return self._shown(Next(row, "named")) | told_of(self.session, galaxy)

    def answer(self, given: dict[str, Any]) -> dict[str, Any]:
        """Take in an answer, and say what was expected."""
        galaxy, labeller = str(given["id"]), _name(given["labeller"])
        expected = self.session.expected(galaxy)
        probability = given.get("probability")
        self.session.answer(
            galaxy,
            str(given["answer"]),
            labeller,
            question=given.get("question"),
            chosen=_one_of(CHOSEN, given.get("chosen", "named")),
            probability=None if probability is None else float(probability),
        )
        return {"expected": expected}

    def undo(self, given: dict[str, Any]) -> dict[str, Any]:
        """Take back the labeller's last answer."""
        labeller = _name(given["labeller"])
        event = self.session.undo(labeller)
        if event is None:
            return {"galaxy": None}
        row, chosen = self.session.row_of(event.galaxy), _one_of(CHOSEN, event.chosen)
        return {"galaxy": self._shown(Next(row, chosen, event.probability), labeller)}

    async def image(self, request: Request) -> Response:
        """A picture."""
        from starlette.responses import PlainTextResponse, Response

        row = int(request.path_params["row"])
        if not 0 <= row < len(self.session.ids):
            return PlainTextResponse("there is no such galaxy", status_code=404)
        try:
            content = await asyncio.to_thread(self.pictures.jpeg, row, small="small" in request.query_params)
        except ImageError as error:
            return PlainTextResponse(str(error), status_code=404)
        return Response(content, media_type="image/jpeg")

    def _shown(self, chosen: Next, labeller: str = "") -> dict[str, Any]:
        """A galaxy as the page takes it; what is expected is told once it is answered."""
        row, galaxy = chosen.row, str(self.session.ids[chosen.row])
        begun = chosen.chosen != "again" and not self.session.answers.done(galaxy)
        place = place_of(self.pool.table.iloc[row])
        return {
            "row": row,
            "id": galaxy,
            "given": self.session.answers.given(galaxy, labeller) if begun else (),
            "chosen": chosen.chosen,
            "probability": chosen.probability,
            "links": None if place is None else {"ra": place.ra, "dec": place.dec, **place.links},
        }


def _one_of(words: tuple[_Word, ...], word: Any) -> _Word:
    if word not in words:
        raise ValueError(f"a galaxy is chosen as one of {', '.join(map(str, words))}; received {word!r}")
    return words[words.index(word)]


def _name(text: Any) -> str:
    name = str(text).strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise ValueError("a labeller has a name of 1 to 80 letters that can be printed")
    return name


class PageServer:
    """The page under an address of its own, until it is stopped.

    Parameters
    ----------
    session : Session
    pool : Catalogue
        Row-aligned with the session's ids.
    port : int
        0: any that is free.
    progress, seen : optional
        As of `make_app`.

    Raises
    ------
    OutputError
        When the port is taken, or without starlette and uvicorn.
    """

    def __init__(
        self,
        session: Session,
        pool: Catalogue,
        *,
        port: int = 0,
        progress: Callable[[], dict[str, Any]] = dict,
        seen: Preprocessing | None = None,
    ) -> None:
        with explained(OutputError, _MISSING, ImportError):
            import uvicorn
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        said = f"port {port} of 127.0.0.1 cannot be had ({{reason}}); give another --port"
        try:
            with explained(OutputError, said, OSError):
                self._socket.bind(("127.0.0.1", port))
        except OutputError:
            self._socket.close()
            raise
        self._socket.listen()  # who comes before it serves waits for a moment
        port, token = self._socket.getsockname()[1], secrets.token_urlsafe(24)
        self.address = f"http://127.0.0.1:{port}/{token}/"
        """Under which alone it answers."""
        self._server = uvicorn.Server(
            uvicorn.Config(
                make_app(session, pool, port=port, token=token, progress=progress, seen=seen),
                log_level="critical",
                log_config=None,  # its own would close every handler that somebody else has
                lifespan="off",
                limit_concurrency=_AT_ONCE,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=2,
                server_header=False,
                ws="none",
            )
        )
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until Ctrl-C, which is how people end it."""
        gc.collect()
        gc.freeze()  # or the collections that a fit sets off would look through a million galaxies while somebody answers
        try:
            with self._socket:
                self._server.run(sockets=[self._socket])
        except Terminated:
            raise
        except KeyboardInterrupt:
            stop_is_answered()
        finally:
            gc.unfreeze()

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="zooactive-page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End what `start` began."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()

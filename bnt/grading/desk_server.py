"""``bnt desk OUT``: the page for what a person grades, on this machine alone.

tornado, which Jupyter needs anyway, serves it on the loopback address. Who opens the address with its token gets a
cookie; without it nothing is answered. Text of learners reaches the page as JSON and is only ever set as text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import webbrowser
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from bnt.errors import FormatError
from bnt.grading.desk import Desk, open_desks

COOKIE = "bnt-desk"
KINDS = {"desk.html": "text/html", "desk.js": "text/javascript", "desk.css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Handler(tornado.web.RequestHandler):
    """Checks host and token before anything else."""

    def initialize(self, desks: list[Desk], token: str, hosts: set[str]) -> None:
        self.desks, self.token, self.hosts = desks, token, hosts

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        if self.request.host not in self.hosts:  # a page elsewhere may have its name point here
            raise tornado.web.HTTPError(403)
        given = self.get_cookie(f"{COOKIE}-{self.request.host.rpartition(':')[2]}") or ""
        if not secrets.compare_digest(given.encode(), self.token.encode()) and not self._enters():
            raise tornado.web.HTTPError(403)

    def _enters(self) -> bool:
        return False

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("open the address that bnt desk printed, token included" if status_code == 403 else "not possible")


class _Door(_Handler):
    def _enters(self) -> bool:
        given = self.get_query_argument("token", "")
        return secrets.compare_digest(given.encode(), self.token.encode())

    def get(self) -> None:
        if self.get_query_argument("token", None) is not None:
            name = f"{COOKIE}-{self.request.host.rpartition(':')[2]}"
            self.set_cookie(name, self.token, httponly=True, samesite="Strict", path="/")
            self.redirect("/")
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(_file("desk.html"))


class _Static(_Handler):
    def get(self, name: str) -> None:
        self.set_header("Content-Type", f"{KINDS[name]}; charset=utf-8")
        self.finish(_file(name))


class _Data(_Handler):
    def get(self) -> None:
        self._answer(self._shown)

    def post(self) -> None:
        if not (self.request.headers.get("Content-Type") or "").startswith("application/json"):
            raise tornado.web.HTTPError(403)  # what a form elsewhere could send
        self._answer(self._enter)

    def _shown(self) -> dict[str, Any]:
        number = self.get_query_argument("desk", "0")
        chosen = self._desk(int(number) if number.isdecimal() else None)
        every = [{"exercise": one.facts["exercise"], "waiting": one.waiting()} for one in self.desks]
        return {**chosen.shown(), "desk": self.desks.index(chosen), "desks": every}

    def _desk(self, number: object) -> Desk:
        if type(number) is not int or not 0 <= number < len(self.desks):
            raise FormatError("the page asked for an exercise that is not open here")
        return self.desks[number]

    def _enter(self) -> dict[str, Any]:
        try:
            told = json.loads(self.request.body)
            values = [told[key] for key in ("learner", "cell", "points", "comment")]
            number = told.get("desk", 0)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise FormatError("the page sent something that is no entry") from None
        self._desk(number).enter(*values)
        return {"saved": True}

    def _answer(self, asked: Callable[[], dict[str, Any]]) -> None:
        try:
            answer = asked()
        except (FormatError, OSError) as error:
            self.set_status(400)
            answer = {"error": str(error)}
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(answer))


def _file(name: str) -> str:
    return (files("bnt") / "data" / name).read_text(encoding="utf-8")


def listen(port: int) -> list[socket.socket]:
    """Sockets on this machine's own address, at ``port``; 0 takes a free one. FormatError if it cannot be had."""
    if port > 65535:  # getaddrinfo would take another, silently
        raise FormatError(f"--port must be at most 65535, not {port}")
    try:
        return tornado.netutil.bind_sockets(port, "127.0.0.1")
    except OSError as error:  # in use, or kept for the system
        raise FormatError(f"port {port} cannot be used ({error.strerror}): choose another, or none") from None


async def serve(outs: list[Path], port: int, ready: Callable[[str], None]) -> None:
    """Serve until cancelled; ``ready`` gets the address with its token."""
    desks, token = open_desks(outs), secrets.token_urlsafe(24)
    sockets = listen(port)
    port = sockets[0].getsockname()[1]
    shared = {"desks": desks, "token": token, "hosts": {f"127.0.0.1:{port}", f"localhost:{port}"}}
    application = tornado.web.Application(
        [(r"/", _Door, shared), (r"/(desk\.js|desk\.css)", _Static, shared), (r"/data", _Data, shared)],
        log_function=lambda handler: None,
    )
    server = tornado.httpserver.HTTPServer(application, max_body_size=1 << 20)
    server.add_sockets(sockets)
    ready(f"http://127.0.0.1:{port}/?token={token}")
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await server.close_all_connections()


def run(outs: list[Path], port: int, browser: bool) -> None:
    """Until Ctrl-C."""

    where = ", ".join(map(str, outs))

    def ready(address: str) -> None:
        print(
            f"the desk is open at {address}\nevery entry is saved in manual.csv of {where}; stop with Ctrl-C",
            flush=True,
        )
        if browser:
            webbrowser.open(address)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(outs, port, ready))

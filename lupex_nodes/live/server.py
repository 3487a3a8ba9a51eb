# SPDX-License-Identifier: Apache-2.0
"""Serves the live page on this computer alone, in a thread and an event loop of its own.

A page loads once and then reads server-sent events. Each page's task asks the view at most four
times a second of wall time for what is new to it; a slow browser is asked for nothing while it
has not taken the last answer, a dead one ends its task, and neither is known to the flight.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

from aiohttp import web

from lupex_nodes.live.site_picture import Cancelled, SitePicture
from lupex_nodes.live.view import LiveView, Reader

ADDRESS = "127.0.0.1"
PERIOD_S = 0.25
_ALIVE_S = 10.0
_MOST_PAGES = 16
#: How long pages may take to fetch the end of a flight.
_FAREWELL_S = 2.0
_PAGE = {
    "/": ("index.html", "text/html"),
    "/live.css": ("live.css", "text/css"),
    "/live.js": ("live.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
    "/map.js": ("map.js", "text/javascript"),
    "/uPlot.js": ("uplot/uPlot.iife.min.js", "text/javascript"),
    "/uPlot.css": ("uplot/uPlot.min.css", "text/css"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LiveServer:
    """The server of one view; it listens from the moment it is made.

    Raises OSError when the port cannot be had; 0 takes any that is free. ``picture`` is the
    ground, None when it is not known.
    """

    def __init__(self, view: LiveView, picture: SitePicture | None = None, port: int = 0) -> None:
        self._view = view
        self._picture = picture
        # matplotlib and the ground are for one thread at a time
        self._drawing = ThreadPoolExecutor(1, "live-drawing")
        self._pages: set[asyncio.Task[Any]] = set()
        self._socket = socket.create_server((ADDRESS, port))
        self.port = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.port}/"

    def close(self) -> None:
        """Let the open pages fetch what is last, then end; takes at most a few seconds."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(_FAREWELL_S + 3.0)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        application = web.Application(middlewares=[_guard(self.port)])
        for path, (name, kind) in _PAGE.items():
            application.router.add_get(path, _file(name, kind))
        application.router.add_get("/updates", self._updates)
        application.router.add_get("/site.json", self._site)
        application.router.add_get("/relief.png", self._relief)
        application.router.add_get("/shadow.png", self._shadow)
        runner = web.AppRunner(
            application, handle_signals=False, access_log=None, shutdown_timeout=0.1
        )
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        await self._closing.wait()
        if self._pages:
            await asyncio.wait(self._pages, timeout=_FAREWELL_S)
        if self._picture:
            self._picture.cancelled = True
        self._drawing.shutdown(wait=False, cancel_futures=True)
        await runner.cleanup()

    async def _updates(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= _MOST_PAGES:
            raise web.HTTPServiceUnavailable(
                text=f"{_MOST_PAGES} pages are open already: close one"
            )
        task = asyncio.current_task()
        assert task is not None
        self._pages.add(task)
        try:
            response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
            await response.prepare(request)
            await self._tell(request, response)
        except ConnectionResetError:
            pass  # the page was closed
        finally:
            self._pages.discard(task)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse) -> None:
        reader = Reader()
        told = self._loop.time()
        # a page that was closed while nothing is to tell leaves its place at once
        while request.transport is not None:
            last = self._closing.is_set()
            update = self._view.since(reader)
            if update is not None:
                text = json.dumps(update, ensure_ascii=False, separators=(",", ":"))
                await response.write(f"data: {text}\n\n".encode())
                told = self._loop.time()
            elif self._loop.time() - told > _ALIVE_S:
                await response.write(b": still here\n\n")
                told = self._loop.time()
            if last:
                await response.write(b"event: end\ndata: {}\n\n")
                return
            try:
                await asyncio.wait_for(self._closing.wait(), PERIOD_S)
            except TimeoutError:
                pass

    async def _site(self, request: web.Request) -> web.Response:
        if self._picture is None:
            return web.json_response(None, headers=_HEADERS)
        ground = await self._drawn(lambda picture: picture.ground)
        told = None if ground is None else {"half_m": ground.half_m}
        return web.json_response(told, headers=_HEADERS)

    async def _relief(self, request: web.Request) -> web.Response:
        return _png(await self._drawn(lambda picture: picture.relief_png))

    async def _shadow(self, request: web.Request) -> web.Response:
        sun = self._view.sun()
        return _png(sun and await self._drawn(lambda picture: picture.shadow_png(*sun)))

    async def _drawn(self, draw: Callable[[SitePicture], Any]) -> Any:
        """Draw in the thread for it; None when there is no ground to draw."""
        picture = self._picture
        if picture is None or self._closing.is_set():
            return None
        try:
            return await self._loop.run_in_executor(self._drawing, lambda: draw(picture))
        except Cancelled:
            return None  # the run has ended meanwhile


def _guard(port: int) -> Any:
    """Refuse requests that name another host: a web page elsewhere that had its name point here.

    That is how DNS rebinding reaches servers of the local computer.
    """
    allowed = {f"{ADDRESS}:{port}", f"localhost:{port}"}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host", "").lower() not in allowed:
            raise web.HTTPForbidden(
                text=f"This page is for this computer alone: open http://{ADDRESS}:{port}/"
            )
        return await handler(request)

    return guard


def _file(name: str, kind: str) -> Handler:
    content = files("lupex_nodes.live").joinpath("page", *name.split("/")).read_bytes()

    async def send(request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=_HEADERS)

    return send


def _png(content: bytes | None) -> web.Response:
    if content is None:
        raise web.HTTPNotFound(text="There is no picture of the ground.")
    return web.Response(body=content, content_type="image/png", headers=_HEADERS)

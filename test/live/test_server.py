# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fed_view import FedView

from lupex_nodes.live.server import LiveServer
from lupex_nodes.live.site_picture import Ground, SitePicture
from lupex_nodes.models.synthetic_site import synthetic_site


@pytest.fixture
def served() -> Iterator[tuple[FedView, LiveServer]]:
    view = FedView()
    server = LiveServer(view)
    try:
        yield view, server
    finally:
        server.close()


def ask(server: LiveServer, path: str, method: str = "GET", host: str | None = None) -> Any:
    """Return status, headers and content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{server.port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


class Updates:
    """A page without a browser."""

    def __init__(self, server: LiveServer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        self._connection.request("GET", "/updates")
        self._answer = self._connection.getresponse()

    def next(self) -> tuple[str, Any]:
        """Return the kind and the content of the next event."""
        kind = "message"
        while line := self._answer.readline().decode().rstrip("\n"):
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                self._answer.readline()
                return kind, json.loads(line.removeprefix("data: "))
        return "closed", None


def test_the_page_and_its_parts_come_from_here_alone(served: tuple[FedView, LiveServer]) -> None:
    _, server = served
    status, headers, page = ask(server, "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    text = page.decode()
    assert "http:" not in text and "https:" not in text and "style=" not in text
    for part in ("live.css", "live.js", "charts.js", "map.js", "uPlot.js", "uPlot.css"):
        assert f'"{part}"' in text
        assert ask(server, f"/{part}")[0] == 200
    assert ask(server, "/live.py")[0] == 404
    assert ask(server, "/..%2fserver.py")[0] == 404
    assert ask(server, "/", method="POST")[0] == 405


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "", "[::1]"])
@pytest.mark.parametrize("path", ["/", "/updates", "/site.json", "/nothing"])
def test_a_request_that_names_another_host_is_refused(
    served: tuple[FedView, LiveServer], path: str, host: str
) -> None:
    status, _, text = ask(served[1], path, host=host)
    assert (status, served[1].url.encode() in text) in {(403, True), (400, False)}


def test_it_listens_on_loopback_alone(served: tuple[FedView, LiveServer]) -> None:
    assert served[1]._socket.getsockname()[0] == "127.0.0.1"
    assert ask(served[1], "/", host=f"LocalHost:{served[1].port}")[0] == 200


def test_updates_follow_the_flight_but_not_its_pace(served: tuple[FedView, LiveServer]) -> None:
    view, server = served
    view.fly(0, 3)
    updates = Updates(server)
    assert updates.next()[1]["histories"]["count"] == 3
    began = time.monotonic()
    for t in range(3, 403):
        view.fly(t, t + 1)
    told = 0
    while True:
        kind, update = updates.next()
        told += 1
        if update["mission"]["time_s"] >= 402.0:
            break
    assert kind == "message"
    assert told <= 4.5 * (time.monotonic() - began) + 2


def test_a_page_that_comes_late_or_again_has_the_history(
    served: tuple[FedView, LiveServer],
) -> None:
    view, server = served
    view.fly(0, 100)
    for _ in range(2):
        first = Updates(server).next()[1]
        assert first["histories"]["count"] == 100 and len(first["begin"]["goals"]) == 2
        assert first["histories"]["signals"]["0"][1][0] == 90.0


def test_open_pages_get_the_end_before_the_server_goes() -> None:
    view = FedView()
    server = LiveServer(view)
    view.fly(0, 2)
    updates = Updates(server)
    updates.next()
    view.end("energy", "The battery is empty.", ["results  x"])
    server.close()
    assert updates.next()[1]["mission"]["outcome"] == "energy"
    assert updates.next() == ("end", {})
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), 1.0)
    server.close()


def test_a_browser_that_takes_nothing_holds_nobody_up() -> None:
    view = FedView()
    server = LiveServer(view)
    dead = []
    for _ in range(3):
        sleeper = socket.socket()
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sleeper.connect(("127.0.0.1", server.port))
        host = f"127.0.0.1:{server.port}"
        sleeper.sendall(f"GET /updates HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        dead.append(sleeper)
    dead[0].close()
    for part in range(6):
        view.fly(300 * part, 300 * part + 300)
        for t in range(200):
            view.say(300 * part + 299, "events", "imu", "NOISE", 1, "x" * 500, number=t)
        time.sleep(0.3)
    living = Updates(server)
    assert living.next()[1]["mission"]["time_s"] == 1799.0
    assert threading.active_count() < 20
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < 15.0
    assert not server._thread.is_alive()
    for each in dead:
        each.close()


def test_a_taken_port_is_an_error_of_the_system(served: tuple[FedView, LiveServer]) -> None:
    with pytest.raises(OSError):
        LiveServer(FedView(), port=served[1].port)


def test_only_so_many_pages_are_served(served: tuple[FedView, LiveServer]) -> None:
    view, server = served
    view.fly(0, 1)
    pages = [Updates(server) for _ in range(16)]
    for page in pages:
        page.next()
    assert ask(server, "/updates")[0] == 503


def test_the_ground_is_drawn_and_its_shadow_follows_the_sun() -> None:
    from io import BytesIO

    from PIL import Image

    view = FedView()
    site = synthetic_site(4, 400.0, 2.0)
    picture = SitePicture(lambda: Ground(site, 150.0))
    server = LiveServer(view, picture)
    try:
        assert json.loads(ask(server, "/site.json")[2]) == {"half_m": 150.0}
        relief = np.asarray(Image.open(BytesIO(ask(server, "/relief.png")[2])).convert("L"))
        assert relief.std() > 5.0
        assert ask(server, "/shadow.png")[0] == 404  # nobody has told of the Sun
        view.fly(0, 1)
        dark = np.asarray(Image.open(BytesIO(ask(server, "/shadow.png")[2])))[..., 3]
        assert dark.shape == (100, 100)
        lit = picture.shadow_png(130.0, 60.0)
        assert lit is not None
        assert np.asarray(Image.open(BytesIO(lit)))[..., 3].max() == 0 < dark.max()
    finally:
        server.close()


def test_the_end_does_not_wait_for_a_drawing(capfd: pytest.CaptureFixture[str]) -> None:
    view = FedView()
    view.fly(0, 1)
    site = synthetic_site(4, 400.0, 2.0)
    picture = SitePicture(lambda: Ground(site, 150.0))
    server = LiveServer(view, picture)
    page = threading.Thread(target=lambda: suppress_reset(server))
    page.start()
    while "ground" not in vars(picture):
        time.sleep(0.01)
    server.close()
    page.join(10)
    assert not server._thread.is_alive() and not page.is_alive()
    server._drawing.shutdown(wait=True)
    assert "_horizons" not in vars(picture)
    assert capfd.readouterr().err == ""


def suppress_reset(server: LiveServer) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        ask(server, "/shadow.png")


def test_without_a_ground_there_is_none(served: tuple[FedView, LiveServer]) -> None:
    assert json.loads(ask(served[1], "/site.json")[2]) is None
    assert ask(served[1], "/relief.png")[0] == 404

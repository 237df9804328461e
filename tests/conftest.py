"""Fixtures shared by all tests."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Small real structure files kept in the repository."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's shared folder beside the checkout (a mirror of PDB entries); skips where it is absent."""
    path = ROOT.parent / "shared"
    if not (path / "pdb").is_dir():
        pytest.skip("no shared/pdb mirror beside the checkout")
    return path


@pytest.fixture
def serve(monkeypatch):
    """Maker of HTTP servers on this machine: ``serve(answer)`` is an address, ``answer(path)`` a status and a body."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()

"""Shows a built site on this machine alone:  python site/serve.py DIR [--port N]"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it served."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Takes a port that was used a moment ago, and none that is in use: Windows would give it to two."""

    allow_reuse_address = os.name == "posix"


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the folder on 127.0.0.1; port 0: any free one."""
    return Server(("127.0.0.1", port), partial(Quiet, directory=str(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8000, help="0: any free one (default 8000)")
    asked = parser.parse_args()
    if not (asked.folder / "index.html").is_file():
        sys.exit(f'{asked.folder} holds no index.html: build it with  python site/build.py --out "{asked.folder}"')
    try:
        running = server(asked.folder, asked.port)
    except (OSError, OverflowError) as error:  # OverflowError: 65536 and more
        reason = getattr(error, "strerror", None) or "ports end at 65535"
        sys.exit(f"port {asked.port} cannot be used ({reason}): choose another with --port, or 0 for any")
    print(f"http://127.0.0.1:{running.server_port}  (Ctrl-C ends it)", flush=True)
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        running.server_close()


if __name__ == "__main__":
    main()

"""A server that tells each client the address it is seen under: `python -m tests.lab.mirror PORT`."""

import socketserver
import sys


class Mirror(socketserver.StreamRequestHandler):
    """One client: its address, a line feed, the end."""

    def handle(self) -> None:
        """Answer."""
        self.wfile.write(f"{self.client_address[0]}\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with _Server(("", int(sys.argv[1])), Mirror) as server:
        server.serve_forever()

"""How gunicorn serves the driver: one process, many threads, one Unix socket that only root may open.

Start it with `gunicorn -c gunicorn.conf.py "netplugin.app:create_app()"`. `FULLHOST_SOCKET` says where the
socket is to be; under systemd the socket unit has made it already, gunicorn then takes that one (LISTEN_FDS).
"""

import os
import pathlib
import socket
import struct

from gunicorn.workers import gthread

_socket = pathlib.Path(os.environ.get("FULLHOST_SOCKET", "/run/docker/plugins/fullhost.sock"))
if "LISTEN_FDS" not in os.environ:
    _socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)

bind = f"unix:{_socket}"
umask = 0o177  # the socket is bound with mode 0600: who may speak to the driver may plumb the host's network

# One process, since the driver's one keeper lives in it. Threads, since the engine sends the calls of
# different containers at once, and a call that waits for DNS must not hold up the others.


class Worker(gthread.ThreadWorker):
    """Threads that no client can hold by sending half a request and no more."""

    def enqueue_req(self, conn):
        """Give the connection five seconds for each piece of its request."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 5, 0))
        super().enqueue_req(conn)


worker_class = Worker
workers = 1
threads = 32

# Every answer closes its connection: the engine keeps idle ones for ever, and a POST that meets one which
# this side has just closed is sent again with an empty body (moby, pkg/plugins/client.go).
keepalive = 0

timeout = 60  # of the worker's heartbeat, not of a call
graceful_timeout = 10
worker_tmp_dir = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None  # noqa: S108 - unlinked once opened
control_socket_disable = True  # a second door, in $HOME, that nobody asked for

proc_name = "fullhost"
loglevel = os.environ.get("FULLHOST_LOG", "info")
accesslog = None  # the driver writes a line of its own for each call
errorlog = "-"

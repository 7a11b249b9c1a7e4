"""How gunicorn serves the driver: one process, many threads, one Unix socket that only root may open.

Start it with `gunicorn -c gunicorn.conf.py "netplugin.app:create_app()"`. `FULLHOST_SOCKET` says where the
socket is to be; under systemd the socket unit has made it already, gunicorn then takes that one (LISTEN_FDS).
`FULLHOST_SOCKET_GROUP` names a group whose members may open it too; who can, can plumb the host's network.
"""

import contextlib
import ctypes
import gc
import grp
import os
import pathlib
import selectors
import socket
import time

from gunicorn.workers import gthread

PIECE_SECONDS = 5.0  # for a whole request, and for a whole answer; the engine needs milliseconds
LINGER_SECONDS = 0.5  # for the peer to close, once it has its answer

M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8  # malloc.h of glibc

_socket = pathlib.Path(os.environ.get("FULLHOST_SOCKET", "/run/docker/plugins/fullhost.sock"))
_group = os.environ.get("FULLHOST_SOCKET_GROUP", "")
if "LISTEN_FDS" not in os.environ:
    _socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
try:
    _gid = grp.getgrnam(_group).gr_gid if _group else None
except KeyError:
    raise SystemExit(
        f"cannot start with FULLHOST_SOCKET_GROUP={_group[:80]}: this machine has no such group; "
        "make it (groupadd --system), or leave the setting away"
    ) from None

bind = f"unix:{_socket}"
umask = 0o177  # the socket is bound with mode 0600: who may speak to the driver may plumb the host's network


def when_ready(server):
    """Open the socket to the group; one that systemd made is opened before the driver starts (fullhost.service)."""
    if _gid is not None and "LISTEN_FDS" not in os.environ:
        os.chown(_socket, -1, _gid)
        _socket.chmod(0o660)
        server.log.info("%s is open to the group %s", _socket, _group)


def pre_fork(server, worker):
    """Have the worker's collections of garbage leave alone what it shares with this process: 1.7 MB less."""
    gc.freeze()


# One process, since the driver's one keeper lives in it. Threads, since the engine sends the calls of
# different containers at once, and a call that waits for DNS must not hold up the others.


class Hurried(socket.socket):
    """A connection of which the whole request is read, and the whole answer written, within a time."""

    until = float("inf")

    def hurry(self, seconds):
        """Begin the time for what is read from now on."""
        self.until = time.monotonic() + seconds

    def recv(self, size, flags=0):
        """Read; when the time is over the peer has said all that it will say."""
        self.settimeout(max(self.until - time.monotonic(), 0.001))
        try:
            return super().recv(size, flags)
        except TimeoutError:
            return b""

    def is_silent(self):
        """Tell whether nothing was said yet by a peer that is there."""
        try:
            super().recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:  # who serves the connection will meet it
            pass
        return False

    def sendall(self, data, flags=0):
        """Write; a peer that takes nothing is one that is gone."""
        self.settimeout(PIECE_SECONDS)
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise BrokenPipeError from None


class Worker(gthread.ThreadWorker):
    """Threads that no client can hold: one that says nothing gets none, and one that is slow not for long."""

    def init_process(self):
        """Begin without connections; `silent` has when each was accepted that has not said anything yet."""
        self.silent = {}
        super().init_process()

    def enqueue_req(self, conn):
        """Wait for the first octet in the loop of the worker, and not in a thread; most often it is there already."""
        plain = conn.sock
        conn.sock = Hurried(plain.family, plain.type, plain.proto, plain.detach())
        conn.sock.settimeout(0)
        if conn.sock.is_silent():
            self.silent[conn] = time.monotonic()
            self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: self.hear(conn))
        else:
            self.begin(conn)

    def hear(self, conn):
        """Note that a silent connection speaks."""
        self.poller.unregister(conn.sock)
        del self.silent[conn]
        self.begin(conn)

    def begin(self, conn):
        """Give a connection that speaks a thread, and the time for its request."""
        conn.data_ready = True
        conn.sock.hurry(PIECE_SECONDS)
        super().enqueue_req(conn)

    def handle(self, conn):
        """Serve the connection, and wait here for its end: the loop of the worker must not wait for a peer."""
        kept = super().handle(conn)
        with contextlib.suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.hurry(LINGER_SECONDS)
            while time.monotonic() < conn.sock.until and conn.sock.recv(1 << 16):
                pass
            conn.sock.shutdown(socket.SHUT_RDWR)
        return kept

    def finish_request(self, conn, _):
        """Count a connection off that was served; it is over, since none is kept."""
        self.nr_conns -= 1
        conn.close()

    def murder_keepalived(self, *arguments, **named):
        """Close, too, what has been silent for too long, or for as long as a worker that ends can wait."""
        for conn, since in list(self.silent.items()):
            if not self.alive or time.monotonic() - since > PIECE_SECONDS:
                self.poller.unregister(conn.sock)
                del self.silent[conn]
                self.nr_conns -= 1
                conn.close()
        super().murder_keepalived(*arguments, **named)


with contextlib.suppress(AttributeError):  # musl has one heap anyway
    # glibc gives each thread a heap, up to eight a processor, and keeps in each what was needed once: a driver of
    # 61 MB had 72 after 1,000 lifecycles, 16 at once. Python's threads take turns, and do with one: 59 and 66.
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 1 << 16)  # octets

worker_class = Worker
workers = 1
threads = 256  # made one by one, as they are needed

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

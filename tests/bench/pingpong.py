"""One octet there and back over TCP, again and again: `pingpong serve PORT`, `pingpong ADDRESS PORT SECONDS`."""

import socket
import statistics
import sys
import time


def serve(port: int) -> None:
    """Send back what each client sends, one after the other."""
    with socket.create_server(("", port)) as server:
        while True:
            peer, _ = server.accept()
            with peer:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while octet := peer.recv(1):
                    peer.sendall(octet)


def play(address: str, port: int, seconds: float) -> float:
    """Return the median of the microseconds that an octet takes there and back."""
    took = []
    with socket.create_connection((address, port), timeout=5) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            peer.sendall(b".")
            peer.recv(1)
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        print(play(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))

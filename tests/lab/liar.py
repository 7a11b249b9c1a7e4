"""A name server that does not do what it should: `python -m tests.lab.liar MANNER ADDRESS NAME=ADDRESS...`."""

import enum
import socketserver
import struct
import sys
import threading
import time
import typing

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

SLOW_SECONDS = 0.7


class Manner(enum.StrEnum):
    """What it does."""

    SLOW = "slow"  # it answers right, and late
    SERVFAIL = "servfail"
    WRONG = "wrong"  # it answers another question with octets of its own
    TRUNCATED = "truncated"  # over UDP it says that there is more, over TCP it says all


class _Server(typing.NamedTuple):
    manner: Manner
    records: dict[str, str]

    def answer(self, asked: bytes, *, stream: bool) -> bytes:
        query = dns.message.from_wire(asked)
        name = query.question[0].name
        if self.manner is Manner.SLOW:
            time.sleep(SLOW_SECONDS)
        if self.manner is Manner.WRONG:
            return struct.pack("!H", query.id ^ 1) + asked[2:] + b"\0lies"
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        if self.manner is Manner.SERVFAIL:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif self.manner is Manner.TRUNCATED and not stream:
            answer.flags |= dns.flags.TC
        elif address := self.records.get(name.to_text(omit_final_dot=True)):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", address))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


def serve(manner: Manner, address: str, records: dict[str, str]) -> None:
    """Serve UDP and TCP port 53 of the address, for ever."""
    server = _Server(manner, records)

    class Datagram(socketserver.BaseRequestHandler):
        """One query over UDP."""

        def handle(self) -> None:
            asked, socket = self.request
            socket.sendto(server.answer(asked, stream=False), self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        """One query over TCP."""

        def handle(self) -> None:
            (length,) = struct.unpack("!H", self.rfile.read(2))
            answer = server.answer(self.rfile.read(length), stream=True)
            self.wfile.write(struct.pack("!H", len(answer)) + answer)

    socketserver.TCPServer.allow_reuse_address = True
    udp = socketserver.ThreadingUDPServer((address, 53), Datagram)
    threading.Thread(target=udp.serve_forever, daemon=True).start()
    with socketserver.ThreadingTCPServer((address, 53), Stream) as tcp:
        print("ready", flush=True)
        tcp.serve_forever()


if __name__ == "__main__":
    serve(Manner(sys.argv[1]), sys.argv[2], dict(pair.split("=") for pair in sys.argv[3:]))

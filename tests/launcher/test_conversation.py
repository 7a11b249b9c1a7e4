"""A command in a machine, as the engine passes its input and output."""

import contextlib
import os
import pty
import select
import signal
import socket
import threading
from collections.abc import Iterator

from launcher import conversation, model


class Executions:
    """An engine that knows one command, which ended with 7."""

    def resize(self, execution: str, *, rows: int, columns: int) -> None:
        raise model.Cannot(f"cannot resize a stopped container: {execution} {rows} {columns}")

    def exit_code(self, execution: str) -> int:
        assert execution == "one"
        return 7


@contextlib.contextmanager
def _talk(*, tty: bool) -> Iterator[tuple[conversation.Conversation, socket.socket]]:
    ours, engines = socket.socketpair()
    talk = conversation.Conversation(Executions(), "one", ours, tty=tty)
    with contextlib.closing(talk), engines:
        yield talk, engines


def _frame(stream: int, octets: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(octets).to_bytes(4, "big") + octets


def test_frames_are_told_apart_however_they_come() -> None:
    sent = _frame(1, b"out" * 9999) + _frame(2, b"err") + _frame(1, b"x")
    with _talk(tty=False) as (talk, engines):

        def dribble() -> None:
            for start in range(0, len(sent), 7):
                engines.sendall(sent[start : start + 7])
            engines.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=dribble)
        thread.start()
        assert talk.receive() == (1, b"out" * 9999)
        assert talk.receive() == (2, b"err")
        assert talk.receive() == (1, b"x")
        assert talk.receive()[1] == b""
        thread.join()


def test_a_terminal_has_no_frames() -> None:
    with _talk(tty=True) as (talk, engines):
        engines.sendall(b"\1\0\0\0\0\0\0\1")
        assert talk.receive() == (1, b"\1\0\0\0\0\0\0\1")


def test_the_end_of_input_ends_only_the_input() -> None:
    with _talk(tty=False) as (talk, engines):
        talk.send(b"hello")
        talk.send(b"")
        assert engines.recv(9) + engines.recv(9) == b"hello"
        engines.sendall(_frame(1, b"still here"))
        assert talk.receive() == (1, b"still here")


def test_standard_input_and_both_outputs_are_joined_to_the_command() -> None:
    """In a process of its own, for its descriptors 0, 1 and 2 are those of this one."""
    keys, screen, errors = os.pipe(), os.pipe(), os.pipe()
    with _talk(tty=False) as (talk, engines):
        child = os.fork()
        if not child:
            for number, end in enumerate((keys[0], screen[1], errors[1])):
                os.dup2(end, number)
            os.close(keys[1])
            os._exit(_held(talk))
        os.write(keys[1], b"typed")
        assert engines.recv(9) == b"typed"
        for end in (*keys, screen[1], errors[1]):
            os.close(end)
        assert engines.recv(9) == b""
        engines.sendall(_frame(1, b"out") + _frame(2, b"err"))
        engines.shutdown(socket.SHUT_WR)
        assert (os.read(screen[0], 9), os.read(errors[0], 9)) == (b"out", b"err")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    for end in (screen[0], errors[0]):
        os.close(end)


def test_a_terminal_that_cannot_be_resized_hides_no_exit_code() -> None:
    """Nor at the signal of a change of size, and keys that were typed early are not lost."""
    with _talk(tty=True) as (talk, engines):
        child, keys = pty.fork()
        if not child:
            os._exit(_on_this_terminal(talk))
        assert os.read(keys, 9) == b"ready"
        os.write(keys, b"early\n")
        assert engines.recv(9) == b"early\n"
        os.kill(child, signal.SIGWINCH)
        os.write(keys, b"x")
        assert engines.recv(9) == b"x"
        engines.shutdown(socket.SHUT_WR)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        os.close(keys)


def _ended(code: int | None) -> int:
    assert code is not None, "nobody typed the keys that leave it"
    return code


def _held(talk: conversation.Conversation) -> int:
    try:
        return _ended(conversation.hold(talk, live=False))
    except BaseException:  # the child is not to go on with the tests
        return 99


def _on_this_terminal(talk: conversation.Conversation) -> int:
    try:
        os.write(1, b"ready")
        select.select([0], [], [])
        return _ended(conversation.hold(talk, live=True))
    except BaseException:  # the child is not to go on with the tests
        return 99


def test_a_command_that_answers_while_it_is_spoken_to_holds_nothing_up() -> None:
    """More of both than all the buffers between them take, and the end only after all of it."""
    much = bytes(range(256)) * 20000
    keys, screen = os.pipe(), os.pipe()
    with _talk(tty=True) as (talk, engines):
        child = os.fork()
        if not child:
            signal.alarm(120)
            os.dup2(keys[0], 0)
            os.dup2(screen[1], 1)
            for end in (keys[1], screen[0], engines.fileno()):
                os.close(end)
            os._exit(_held(talk))
        os.close(keys[0])
        os.close(screen[1])

        def echo() -> None:
            while piece := engines.recv(65536):
                engines.sendall(piece)
            engines.shutdown(socket.SHUT_WR)

        threading.Thread(target=_type, args=(keys[1], much), daemon=True).start()
        threading.Thread(target=echo, daemon=True).start()
        with os.fdopen(screen[0], "rb") as shown:
            assert shown.read() == much
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def _type(keys: int, octets: bytes) -> None:
    with os.fdopen(keys, "wb") as end:
        end.write(octets)


def test_a_command_that_takes_no_more_input_still_gives_output() -> None:
    with _talk(tty=True) as (talk, engines):
        left = talk.send(b"x" * 9999999)
        assert 0 < len(left) < 9999999
        while len(rest := talk.send(left)) < len(left):
            left = rest
        engines.sendall(b"here")
        assert talk.receive() == (1, b"here")

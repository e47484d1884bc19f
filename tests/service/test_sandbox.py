"""What a process beside the service can do, by trying it."""

import os
import signal
import socket
import time
from functools import partial
from pathlib import Path

import pytest

from service.processes.sandbox import Channel, ChannelClosedError, Child, ProcessLimits

PATIENCE_S = 60
MIB = 1024 * 1024


def attempt(channel, limits, what):
    """Tells the name of the error that something raises, or what it returned."""
    limits.apply()
    try:
        answer = str(what())
    except Exception as error:
        answer = type(error).__name__
    channel.send(answer.encode())


def of_child(what, limits):
    child = Child(partial(attempt, limits=limits, what=what))
    try:
        return child.channel.receive(1000, PATIENCE_S).decode()
    finally:
        child.kill()


def open_file():
    with Path("/etc/hostname").open() as file:
        return bool(file)


def open_socket():
    with socket.socket() as opened:
        return bool(opened)


def write_file(path):
    path.write_bytes(b"0" * 1000)


def spin():
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    while True:
        pass


def leave(channel, how):
    channel.send(b"here")
    if how == "hang":
        time.sleep(PATIENCE_S)
    os.kill(os.getpid(), how)


def echo(channel):
    while True:
        channel.send(channel.receive(10 * MIB))


@pytest.mark.parametrize("what", [open_file, open_socket])
def test_a_closed_process_opens_nothing(what):
    assert of_child(what, ProcessLimits()) == "True"
    assert of_child(what, ProcessLimits(closed=True)) == "OSError"


def test_nothing_can_be_written_to_a_disk(tmp_path):
    assert of_child(partial(write_file, tmp_path / "signer"), ProcessLimits()) == "OSError"
    assert not (tmp_path / "signer").read_bytes()


def test_memory_is_bounded():
    assert of_child(partial(bytearray, 900 * MIB), ProcessLimits(memory_bytes=800 * MIB)) == "MemoryError"


@pytest.mark.slow
def test_processor_time_is_bounded():
    child = Child(partial(attempt, limits=ProcessLimits(cpu_s=1), what=spin))
    with pytest.raises(ChannelClosedError):
        child.channel.receive(1000, PATIENCE_S)

    assert child.exit_code() == -signal.SIGXCPU
    child.kill()


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_is_reported(how):
    child = Child(partial(leave, how=how))

    assert child.channel.receive(10, PATIENCE_S) == b"here"
    with pytest.raises(ChannelClosedError):
        child.channel.receive(10, PATIENCE_S)
    assert child.exit_code() == -how
    child.kill()


def test_a_hang_is_reported_and_ends_with_kill():
    child = Child(partial(leave, how="hang"))
    child.channel.receive(10, PATIENCE_S)

    with pytest.raises(TimeoutError):
        child.channel.receive(10, 0.05)
    child.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    child.kill()


def test_messages_of_any_size_arrive():
    child = Child(echo)
    for parts in ([b""], [b"a", b"", b"bc"], [os.urandom(5 * MIB)]):
        child.channel.send(*parts)
        assert child.channel.receive(10 * MIB, PATIENCE_S) == b"".join(parts)
    child.kill()


def test_a_message_that_is_too_long_is_not_read():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Channel(theirs).send(b"12345")
        with pytest.raises(ChannelClosedError):
            Channel(ours).receive(4, PATIENCE_S)


def test_a_client_that_does_not_read_is_reported():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        Channel(ours).send(bytes(50 * MIB), timeout_s=0.05)

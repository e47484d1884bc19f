"""Child processes for code that hostile input could crash: the service survives them.

They are forked from a process that has loaded the modules and nothing else (`multiprocessing`'s fork server), so that
another one takes a few ms and 15 MB. They answer with bytes of a known format, never with pickles, so that an attacker
who controls one of them does not control the service.
"""

import contextlib
import ctypes
import multiprocessing
import multiprocessing.forkserver
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

CONTEXT = multiprocessing.get_context("forkserver")
LENGTH = struct.Struct("<I")
KILLED_S = 5.0  # for the kernel to end a process that was killed or has closed its channel
PR_SET_PDEATHSIG = 1

Part = bytes | bytearray | memoryview


class ChannelClosedError(EOFError):
    """The other end has gone."""


class Channel:
    """Messages of bytes over a connected socket, from one process to another. Not for two threads at once."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def send(self, *parts: Part, timeout_s: float | None = None) -> None:
        """Send one message, made of these parts.

        Raises:
            TimeoutError: the other end did not take it in time.
            ChannelClosedError: there is no other end.
        """
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(LENGTH.pack(sum(memoryview(part).nbytes for part in parts)))
            for part in parts:
                self._socket.sendall(part)
        except ConnectionError:
            raise ChannelClosedError from None

    def receive(self, max_bytes: int, timeout_s: float | None = None) -> bytearray:
        """The next message.

        Raises:
            TimeoutError: it was not there in whole in time.
            ChannelClosedError: the other end has gone, or its message is larger than `max_bytes`.
        """
        deadline_s = None if timeout_s is None else monotonic() + timeout_s
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size, deadline_s))
        if length > max_bytes:
            raise ChannelClosedError(f"a message of {length} bytes")
        return self._exactly(length, deadline_s)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _exactly(self, length: int, deadline_s: float | None) -> bytearray:
        content = bytearray(length)
        left = memoryview(content)
        while left:
            # 0 would mean not to block at all, and end in another error.
            self._socket.settimeout(None if deadline_s is None else max(deadline_s - monotonic(), 1e-3))
            try:
                count = self._socket.recv_into(left)
            except ConnectionError:
                count = 0
            if count == 0:
                raise ChannelClosedError
            left = left[count:]
        return content


@dataclass(frozen=True)
class ProcessLimits:
    """ProcessLimits that the kernel enforces on a process.

    Attributes:
        memory_bytes: address space; None leaves it open.
        cpu_s: processor time; None leaves it open.
        closed: the process can open no more files or sockets; its input comes through its channel.
    """

    memory_bytes: int | None = None
    cpu_s: int | None = None
    closed: bool = False

    def apply(self) -> None:
        """Limit this process, for good."""
        _limit(resource.RLIMIT_CORE, 0)  # a dump would put the signer's pictures on a disk
        _limit(resource.RLIMIT_FSIZE, 0)
        if self.memory_bytes is not None:
            _limit(resource.RLIMIT_AS, self.memory_bytes)
        if self.cpu_s is not None:
            # At the soft limit comes SIGXCPU, which ends the process and tells why; at the hard one, SIGKILL.
            _limit(resource.RLIMIT_CPU, self.cpu_s, self.cpu_s + 1)
        if self.closed:
            _limit(resource.RLIMIT_NOFILE, 0)


class Child:
    """A process that does `work`, from construction to `kill`.

    Args:
        work: called in it with its end of the channel; picklable. The process ends with it.
    """

    def __init__(self, work: Callable[[Channel], None]) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        try:
            self._process = CONTEXT.Process(target=_run, args=(theirs, work), daemon=True)
            self._process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs.

        It is meant for a process that has closed its channel, and waits until that has ended.
        """
        self._process.join(KILLED_S)
        return self._process.exitcode

    def kill(self) -> None:
        """End it, whatever it is doing. A second call does nothing."""
        self.channel.close()
        self._process.kill()
        self._process.join(KILLED_S)


def prepare(modules: Sequence[str]) -> None:
    """Have the fork server load these modules, for all later processes; returns at once. Only the first call counts."""
    CONTEXT.set_forkserver_preload([__name__, *modules])
    multiprocessing.forkserver.ensure_running()


def _run(connected: socket.socket, work: Callable[[Channel], None]) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # from a terminal; the service ends its processes in order
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":  # a process that hangs would not notice that the service has gone
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(ChannelClosedError):
        work(Channel(connected))


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    hard = soft if hard is None else hard
    _, highest = resource.getrlimit(which)
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(which, (soft, hard))

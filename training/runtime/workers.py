"""Processes that work for another one."""

import os
from multiprocessing import parent_process
from threading import Thread


def end_with_parent() -> None:
    """End this process when the one that started it is gone, by whatever signal.

    A pool tells its processes to end when it is shut down. Where the process that has it is killed, nobody tells them:
    they would work on what they have been given, and then wait for more for ever.
    """
    Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    parent = parent_process()
    if parent is not None:  # None in a process that no other one started
        parent.join()
        os._exit(1)

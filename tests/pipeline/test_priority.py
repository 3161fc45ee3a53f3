"""Who shows a window gives way: in a process of its own, since nobody gets priority back."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys

import pytest

from pipeline import priority

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's scheduler")

GIVES_WAY = """
import ctypes, os, struct, threading
from pipeline.node import Node
from pipeline.priority import give_way

class Plain(Node): pass
class Window(Node): needs_display = True

def told():
    raw = ctypes.create_string_buffer(48)
    number = {"x86_64": 315}.get(os.uname().machine, 275)
    assert ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, raw, 48, 0) == 0
    _, policy, _, nice, _, slice_ns, _, _ = struct.unpack("=IIQiIQQQ", raw.raw)
    print(policy, nice, slice_ns)

told()
give_way([Plain()])
told()
give_way([Plain(), Window()])
told()
later = threading.Thread(target=told)
later.start()
later.join()
"""


@LINUX
def test_a_process_with_a_window_may_be_interrupted_and_so_may_its_threads() -> None:
    said = subprocess.run(
        [sys.executable, "-c", GIVES_WAY], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    usual, plain, window, thread = ([int(word) for word in line.split()] for line in said[:4])
    assert usual == plain
    assert window == thread
    policy, nice, slice_ns = window
    assert (policy, nice) == (os.SCHED_OTHER, min(19, usual[1] + 10))
    if usual[2] and _kernel() >= (6, 12):
        assert slice_ns == 5_000_000 > usual[2]


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])


def test_where_there_is_no_such_wish_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority, "_SCHED_SETATTR", {})
    assert not priority.lengthen_slice(5_000_000)

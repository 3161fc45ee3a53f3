"""A process that multiplies no matrices begins without SciPy; one that may finds it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

import pipeline
from pipeline.kinds import find, known

_KERNEL = """
import sys
import numpy as np
from pipeline import event_kernels, lean
{begin}
words = np.zeros((1, 2), np.int64)
event_kernels.pack(words, 0, np.zeros(1, np.int64))
print("scipy.linalg" in sys.modules)
import scipy.linalg
print(float(scipy.linalg.norm([3.0, 4.0])))
"""


def told(code: str) -> list[str]:
    """Run code in a process of its own; return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=120, check=True, text=True
    )
    return done.stdout.split()


@pytest.mark.skipif(importlib.util.find_spec("scipy") is None, reason="SciPy is not installed")
@pytest.mark.parametrize(("begin", "looks"), [("lean.without_scipy()", "False"), ("", "True")])
def test_numba_looks_for_blas_unless_nobody_needs_it(begin: str, looks: str) -> None:
    # Either way SciPy can be used afterwards.
    assert told(_KERNEL.format(begin=begin)) == [looks, "5.0"]


def test_where_numba_has_begun_nothing_is_changed() -> None:
    code = (
        "import sys, numba.np.arraymath\nfrom pipeline import lean\n"
        "before = list(sys.meta_path)\nlean.without_scipy()\nprint(sys.meta_path == before)"
    )
    assert told(code) == ["True"]


def test_only_our_own_kinds_do_without() -> None:
    assert not any(find(kind, "").blas for kind in known())
    assert pipeline.Node.blas


def test_the_command_begins_before_numpy_is_there() -> None:
    code = "import sys\nimport pipeline.__main__\nprint('numpy' in sys.modules)"
    assert told(code) == ["False"]


def test_what_stands_in_the_package_is_what_its_modules_hold() -> None:
    for name in pipeline.__all__:
        assert getattr(pipeline, name) is not None
        assert name in dir(pipeline)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = pipeline.Nonsense  # type: ignore[attr-defined]

"""numba begun without SciPy, where none of the compiled code multiplies matrices.

When numba compiles its first function, or loads it from its cache, it looks for BLAS in SciPy, if
that is installed. Importing it takes a quarter of a second, in every process of a run at once.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_LOOKS_FOR_BLAS = "numba.np.arraymath"
_BLAS = "scipy.linalg"


class _WithoutScipy(MetaPathFinder):
    """Lets one module of numba find no BLAS while it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how that module is loaded; of every other module say nothing."""
        if name != _LOOKS_FOR_BLAS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None or _BLAS in sys.modules:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            # What stands for a module as None cannot be imported.
            sys.modules[_BLAS] = None  # type: ignore[assignment]
            try:
                load(module)
            finally:
                del sys.modules[_BLAS]

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def without_scipy() -> None:
    """Let numba, once it begins, do without SciPy, which itself stays usable.

    ``@`` and ``numpy.linalg`` are then unknown to compiled code in this process. To be called
    before there are threads that import.
    """
    there = any(isinstance(finder, _WithoutScipy) for finder in sys.meta_path)
    if not there and _LOOKS_FOR_BLAS not in sys.modules:
        sys.meta_path.insert(0, _WithoutScipy())

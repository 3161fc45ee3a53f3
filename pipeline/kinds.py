"""Which kinds of node there are: ours and those of any installed package.

A package offers a kind by an entry point of group ``silicon_retina.nodes``. A kind can also be
named by where it stands: ``module:Class`` or ``path/to/file.py:Class``; in a graph file the path
begins at the graph file's folder.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

from pipeline.errors import GraphError
from pipeline.node import Node

GROUP = "silicon_retina.nodes"


@functools.cache
def known() -> dict[str, str]:
    """Return every installed kind and where it stands, as ``module:Class``."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}


def located(kind: str, folder: Path) -> str:
    """Return ``kind`` with the path of its file, where it names one, as seen from ``folder``."""
    file, colon, class_name = kind.rpartition(":")
    if not colon or not file.endswith(".py") or kind in known():
        return kind
    return f"{folder.absolute() / file}:{class_name}"


def find(kind: str, where: str) -> type[Node]:
    """Return the class of a kind of node; raise GraphError (opened by ``where``) if unknown."""
    place = known().get(kind, kind)
    module_name, colon, class_name = place.rpartition(":")
    if not colon:
        close = difflib.get_close_matches(kind, known(), 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise GraphError(
            f"{where}: unknown kind '{kind}'{hint} (known: {', '.join(sorted(known()))};"
            " one of your own: 'file.py:Class')"
        )
    try:
        module = (
            _load_file(Path(module_name))
            if module_name.endswith(".py")
            else importlib.import_module(module_name)
        )
        found = getattr(module, class_name)
    except (Exception, SystemExit) as error:
        # Whatever a file of the user's does when it is loaded is no fault of the program's.
        why = " ".join(str(error).split()) or type(error).__name__
        raise GraphError(f"{where}: kind '{kind}' cannot be loaded: {why}") from None
    if not (isinstance(found, type) and issubclass(found, Node)):
        raise GraphError(f"{where}: kind '{kind}' is no node (a class derived from pipeline.Node)")
    return found


def _load_file(path: Path) -> object:
    name = f"retina_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

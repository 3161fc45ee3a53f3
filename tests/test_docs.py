"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def run(*words: str) -> str:
    result = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_node_of_ones_own_runs() -> None:
    out = run("-m", "pipeline", "run", "docs/examples/balance.toml")
    assert len(re.findall(r"\d+% of \d+ events are ON", out)) == 6


def test_the_readme_shows_the_example_as_it_is() -> None:
    shown = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S)
                 if "class Balance(Node)" in block)  # fmt: skip
    code = (ROOT / "docs" / "examples" / "balance.py").read_text()
    bare = [line for line in code.splitlines() if '"""' not in line and line.strip()]
    assert bare == [line for line in shown.splitlines() if line.strip()]
    assert len(code.splitlines()) < 32


def test_the_offline_example_runs() -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S)
                if "from nodes.infer" in block)  # fmt: skip
    assert run("-c", code).count(" is a ") == 3


def test_every_file_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target

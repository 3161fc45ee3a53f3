"""A simulated head to try things on: prints its port, and ends with its standard input.

``python -m nodes.head.simulated [dynamixel | hobby]``.
"""

from __future__ import annotations

import contextlib
import sys

from nodes.head.simulated import Board, Servos


def main() -> int:
    """Serve until standard input ends, or Ctrl-C."""
    kinds = {"dynamixel": Servos, "hobby": Board}
    wanted = sys.argv[1] if len(sys.argv) > 1 else "dynamixel"
    if wanted not in kinds:
        sys.stderr.write(f"no simulated head '{wanted}' ({', '.join(kinds)})\n")
        return 2
    with kinds[wanted]() as far_end, contextlib.suppress(KeyboardInterrupt):
        sys.stdout.write(far_end.path + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())

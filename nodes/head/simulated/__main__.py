"""A simulated head to try things on: prints its port, and ends with its standard input.

``python -m nodes.head.simulated dynamixel``.
"""

from __future__ import annotations

import sys

from nodes.head.simulated import Servos


def main() -> None:
    """Serve until standard input ends."""
    with Servos() as far_end:
        sys.stdout.write(far_end.path + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()

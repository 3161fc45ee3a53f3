"""``retina``, and ``python -m pipeline``: what can begin at once does, then the command is read."""

import sys

from pipeline import spares


def main() -> None:
    """Run the command ``retina``."""
    spares.foresee(sys.argv[1:])
    from pipeline.cli import main as command

    command()


if __name__ == "__main__":
    main()

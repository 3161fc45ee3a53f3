"""``python -m pipeline`` is the command ``retina``."""

from pipeline.cli import main

if __name__ == "__main__":
    main()

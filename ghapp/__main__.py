"""``python -m ghapp`` and the command ``checkrail``."""

from ghapp.cli import main

if __name__ == "__main__":
    main()

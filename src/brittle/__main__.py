"""`python -m brittle` is the command `brittle`."""

from brittle.cli import main

if __name__ == "__main__":
    main()

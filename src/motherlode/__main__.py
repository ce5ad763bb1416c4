"""`python -m motherlode`: the command line, as `motherlode` starts it."""

from motherlode.cli import main

if __name__ == "__main__":
    main()

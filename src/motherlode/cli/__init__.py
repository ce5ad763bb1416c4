"""The command line: one thin function a verb; parse, call, print.

Nothing heavy is imported before a command runs, so that `motherlode --help` answers at once.
"""

try:
    from motherlode.cli.main import main
except KeyboardInterrupt:  # Ctrl-C while modules are being loaded leaves as it does later
    raise SystemExit(130) from None

__all__ = ["main"]

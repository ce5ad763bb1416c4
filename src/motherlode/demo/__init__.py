"""The demo: the whole of mining on text that every user has, the documentation inside this Python installation."""

from motherlode.demo.run import run_demo

__all__ = ["run_demo"]

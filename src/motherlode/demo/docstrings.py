"""A corpus that every user has: the documentation strings of the standard library and of installed packages.

Sources are parsed, never imported. A docstring's module tells its true topic, by the tables below, which were written
from what the modules are for; modules at the border of a topic are left out of the count.
"""

from __future__ import annotations

import ast
import inspect
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

LEAST_WORDS = 15
MOST_PER_PACKAGE = 1_500  # so that one large package does not become the corpus

PACKAGES = tuple("numpy scipy sklearn pydantic rich jinja2 yaml typer click joblib ftfy pip".split())

TOPICS: dict[str, tuple[str, ...]] = {
    "networking": tuple(
        """
        socket socketserver ssl http urllib ftplib smtplib smtpd imaplib poplib nntplib telnetlib xmlrpc wsgiref
        ipaddress asyncore asynchat cgi asyncio.streams asyncio.selector_events asyncio.proactor_events
        asyncio.sslproto asyncio.transports asyncio.base_events pip._vendor.urllib3 pip._vendor.requests
        pip._internal.network
        """.split()
    ),
    "statistics": ("statistics", "random", "numpy", "scipy", "sklearn"),
    "filesystem": tuple(
        """
        os posixpath ntpath genericpath pathlib shutil tempfile glob fnmatch zipfile tarfile gzip bz2 lzma fileinput
        filecmp stat mimetypes dbm shelve joblib.disk zipimport
        """.split()
    ),
}
BORDER = tuple(
    """
    asyncio email mailbox selectors csv configparser plistlib webbrowser io _pyio _io netrc multiprocessing subprocess
    pty pip joblib distutils ensurepip venv compileall pydoc importlib zipapp fractions decimal colorsys uuid linecache
    tokenize nturl2path numpy.testing numpy.f2py numpy.distutils numpy.lib.npyio numpy.lib._npyio_impl numpy.lib.format
    numpy.ma.testutils numpy.typing numpy._typing numpy.ctypeslib numpy._core.memmap scipy._lib scipy.io scipy.datasets
    sklearn.utils sklearn.externals sklearn.datasets sklearn.__check_build sklearn._build_utils
    """.split()
)


def true_topic(module: str) -> str | None:
    """Tell the topic of a module.

    Args:
        module: A dotted name.

    Returns:
        A key of `TOPICS`, `other`, or None for a module at the border of a topic.
    """
    found, length = "other", 0
    for topic, prefixes in [*TOPICS.items(), ("", BORDER)]:
        for prefix in prefixes:
            if len(prefix) > length and (module == prefix or module.startswith(f"{prefix}.")):
                found, length = topic, len(prefix)
    return found or None


def _sources() -> Iterator[tuple[str, Path]]:
    """Yield (dotted module, file) of the standard library and of the packages, in a fixed order."""
    library = Path(sysconfig.get_path("stdlib"))
    skipped = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__", "turtledemo"}
    roots = [(library, path) for path in sorted(library.rglob("*.py"))]
    places = [Path(path) for path in dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])]
    for package in PACKAGES:
        for place in places:
            if (place / package).is_dir():
                roots += [(place, path) for path in sorted((place / package).rglob("*.py"))]
                break
    for root, path in roots:
        parts = path.relative_to(root).with_suffix("").parts
        if not skipped & set(parts):
            yield ".".join(part for part in parts if part != "__init__"), path


def _docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (name inside the module, docstring) of a source file; a file that does not parse has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        name, node = waiting.pop(0)
        waiting += [
            (f"{name}.{child.name}".lstrip("."), child)
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield name, inspect.cleandoc(text)


def collect() -> Iterator[dict[str, str]]:
    """Collect the documentation strings of this Python installation.

    Yields:
        Records with `id` (module:name, numbered from the second of a name on), `text`, `source` (the top-level module)
        and `module`.
    """
    taken: dict[str, int] = {}
    for module, path in _sources():
        package = module.partition(".")[0] or "builtins"
        if taken.get(package, 0) >= MOST_PER_PACKAGE:
            continue
        names: dict[str, int] = {}
        for name, text in _docstrings(path):
            if len(text.split()) >= LEAST_WORDS:
                taken[package] = taken.get(package, 0) + 1
                names[name] = names.get(name, 0) + 1  # a property's parts share one, overloads too
                place = f"{module}:{name}" if name else module
                unique = place if names[name] == 1 else f"{place}~{names[name]}"
                yield {"id": unique, "text": text, "source": package, "module": module}


def python_version() -> str:
    """Return the version of the running Python, for captions."""
    return ".".join(map(str, sys.version_info[:3]))

"""Input at an address: s3://, gs://, https:// and whatever else fsspec knows.

A remote file is told apart from its next version by what its server says of it (ETag, checksum, time of change, size):
its bytes are not read to find out.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from motherlode.errors import InputError
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.objects import known_protocol, missing_package

_URL = re.compile(r"[a-z][a-z0-9+.-]+(?:://|::)", re.IGNORECASE)
_TELLING = ("ETag", "etag", "md5Hash", "md5", "checksum", "content_md5", "generation", "LastModified", "last_modified")
_TELLING_TIMES = ("mtime", "updated", "Last-Modified", "created")
_READ_AHEAD = 1 << 22


@dataclass(frozen=True)
class RemoteFile:
    """A file at an address.

    Attributes:
        url: Its address.
        name: What it is called in the corpus: relative to the folder or pattern that was given.
        bytes: Its size.
        digest: Digest of what its server says of it.
    """

    url: str
    name: str
    bytes: int
    digest: str


def is_url(item: object) -> bool:
    """Return whether an input is an address, not a path of this machine."""
    return isinstance(item, str) and _URL.match(item) is not None and not item.lower().startswith("file://")


def local_path(item: str) -> str:
    """Return the path that a file:// address names; any other text stays."""
    return unquote(urlsplit(item).path) if item.lower().startswith("file://") else item


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn what a file system says into one line."""
    try:
        yield
    except (InputError, GeneratorExit):
        raise
    except FileNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):  # fsspec, of no connection
            reason = " ".join(str(cause).split())[:200]
            raise InputError(f"cannot be reached ({reason})", where=url) from error
        raise InputError("no such file or folder", where=url) from error
    except PermissionError as error:
        raise InputError("cannot be read (permission denied)", where=url) from error
    except ImportError as error:
        raise missing_package(url, error) from error
    except Exception as error:  # every file system has errors of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"cannot be read ({reason})", where=url) from error


def _file_system(url: str) -> tuple[Any, str]:
    known_protocol(url.partition(":")[0].lower(), url)
    import fsspec

    file_system, path = fsspec.core.url_to_fs(url)
    return file_system, path


def expand(url: str) -> tuple[bool, list[RemoteFile]]:
    """Find the files that an address stands for.

    Args:
        url: The address of a file, a folder or a pattern.

    Returns:
        Whether it may stand for several; and the files, in order.

    Raises:
        InputError: It cannot be reached, or nothing is there.
        MissingExtraError: A package for addresses of its kind is not installed.
    """
    with _told(url):
        file_system, path = _file_system(url)
        web = url.lower().startswith(("http://", "https://"))
        if not web and any(character in path for character in "*?["):
            paths = [found for found in sorted(file_system.glob(path)) if file_system.isfile(found)]
            root = re.split(r"[*?\[]", path)[0].rpartition("/")[0]
            return bool(paths), [_describe(file_system, found, root) for found in paths]
        if not web and file_system.isdir(path):
            hidden = re.compile(r"(?:^|/)\.")
            below = [found for found in sorted(file_system.find(path)) if not hidden.search(found[len(path) :])]
            return True, [_describe(file_system, found, path) for found in below]
        return False, [_describe(file_system, path, path.rpartition("/")[0])]


def _describe(file_system: Any, path: str, root: str) -> RemoteFile:
    about = file_system.info(path)
    size = about.get("size")
    if not isinstance(size, int):
        raise InputError(
            "its server does not say how long it is", where=file_system.unstrip_protocol(path), hint="download it first"
        )
    url = path if path.startswith(("http://", "https://")) else file_system.unstrip_protocol(path)
    known = {key: str(about[key]) for key in (*_TELLING, *_TELLING_TIMES) if about.get(key)}
    name = path[len(root) :].strip("/") if path.startswith(root) else path
    if url.startswith(("http://", "https://")):
        name = unquote(name.partition("?")[0]) or "index"
    return RemoteFile(url, name, size, fingerprint("remote", url, size, known))


def open_remote(url: str) -> IO[bytes]:
    """Open a remote file for reading at any place; one whose server sends it only whole is fetched first.

    Raises:
        InputError: It cannot be opened.
    """
    with _told(url):
        file_system, path = _file_system(url)
        parts = not url.lower().startswith(("http://", "https://")) or file_system.info(path).get("partial", False)
        stream: IO[bytes] = file_system.open(path, "rb", block_size=_READ_AHEAD if parts else 0)
        if parts and stream.seekable():
            return stream
        with stream:
            fetched = tempfile.TemporaryFile()  # noqa: SIM115 - whoever opened this closes it
            shutil.copyfileobj(stream, fetched, _READ_AHEAD)
        fetched.seek(0)
        return fetched


@contextmanager
def readable(path: Path | str) -> Iterator[Any]:
    """Give what Arrow reads a file from: its path, or a remote one opened."""
    if isinstance(path, Path):
        yield path
        return
    with open_remote(path) as stream:
        yield stream

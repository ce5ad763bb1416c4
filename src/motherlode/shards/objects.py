"""Object stores: whatever fsspec opens (s3://, gs://, ...), with errors in one line and nothing remembered.

Credentials and endpoints come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, a role, ...), as each file
system's own documentation says; nothing here asks for them or writes them. Retries of what is worth one (503, timeouts,
broken connections) are the file systems' own: s3fs tries a request five times with growing pauses.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from motherlode.errors import InputError, MissingExtraError, MotherlodeError, StorageError

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "remote", "https": "remote"}
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ProfileNotFound")


def missing_package(url: str, error: ImportError, doing: str = "reading") -> InputError:
    """Say which package an address needs."""
    protocol = url.partition(":")[0].lower()
    if protocol in EXTRAS:
        return MissingExtraError(EXTRAS[protocol], f"{doing} {protocol}:// addresses", where=url)
    return InputError(f"{doing} {protocol}:// addresses needs a package ({error})", where=url)


def known_protocol(protocol: str, url: str) -> None:
    """Refuse an address of a kind that no file system knows.

    Raises:
        InputError: It is unknown.
        MissingExtraError: The package that knows kinds is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise missing_package(url, error) from error
    if protocol not in fsspec.available_protocols():
        raise InputError(f"{protocol}:// addresses are not known", where=url, hint="use s3://, gs:// or https://")


@functools.lru_cache
def file_system(protocol: str) -> Any:
    """Return the file system of a protocol; it remembers no listings, for other processes write too."""
    import fsspec

    known_s3 = protocol in ("s3", "s3a")
    return fsspec.filesystem(protocol, use_listings_cache=False, **({"session": _s3_session()} if known_s3 else {}))


def _s3_session() -> Any:
    """Return a session of S3 whose writes do not wait for a `100 Continue`.

    A client that has asked for one waits for ever where the server drops the connection instead: no limit of time is
    set on that wait.
    """
    from aiobotocore.session import AioSession
    from botocore.handlers import add_expect_header

    session = AioSession()
    session.unregister("before-call.s3", add_expect_header)
    return session


@contextmanager
def object_errors(url: str, doing: str = "written") -> Iterator[None]:
    """Turn what a file system says of an address into one line.

    A `FileNotFoundError` and a `FileExistsError` pass: what they mean is the caller's to say.

    Args:
        url: The address.
        doing: What was tried, as a participle.

    Raises:
        InputError: Credentials are missing or do not suffice.
        MissingExtraError: The package for addresses of this kind is not installed.
        StorageError: The store did not answer, or answered with an error, after all retries.
    """
    try:
        yield
    except (MotherlodeError, FileNotFoundError, FileExistsError, GeneratorExit):
        raise
    except ImportError as error:
        raise missing_package(url, error, "using") from error
    except Exception as error:  # every file system has errors of its own
        if type(error).__name__ in _NO_CREDENTIALS or "credentials" in str(error).lower():
            hint = "set them in the environment, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise InputError(f"cannot be {doing} without valid credentials", where=url, hint=hint) from error
        if isinstance(error, PermissionError):
            said = " ".join(str(error).split())[:200]
            hint = "check the credentials in the environment and what they may do"
            raise InputError(f"cannot be {doing} ({said or 'permission denied'})", where=url, hint=hint) from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        hint = "what is finished is kept; run the same command again"
        raise StorageError(f"cannot be {doing} ({reason})", where=url, hint=hint) from error


def abort_uploads(protocol: str, key: str, kept: Any) -> None:
    """Abort the uploads in parts that a killed process left below a place; stores but S3 drop them by themselves.

    Args:
        protocol: Of the store.
        key: The place, with its bucket.
        kept: A function from the key of an unfinished upload to whether it is another writer's.
    """
    system = file_system(protocol)
    if not hasattr(system, "call_s3"):
        return
    bucket, _, prefix = key.partition("/")
    answer = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
    for upload in answer.get("Uploads", ()):
        if not kept(f"{bucket}/{upload['Key']}"):
            system.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

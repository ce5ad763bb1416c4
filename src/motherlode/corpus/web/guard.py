"""Extraction that ends: each worker has a process that it sends pages to, and outlives it.

Deep nesting makes parsers quadratic (resiliparse 2.0.1: 9 s for 20,000 nested elements, 100 KB), and native code can
crash. The way through the process costs about a tenth of the extraction's own time (140 pages/s instead of 154, news
pages, a busy machine).
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from motherlode.corpus.web.extract import PageText, check_extractor, extract_page
from motherlode.corpus.web.extract_process import ANSWER, LENGTHS, READY
from motherlode.errors import MotherlodeError

_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ, Linux
_PIPE_BYTES = 1 << 20
_TIMEOUTS = (-signal.SIGPROF, -signal.SIGALRM)


class ExtractionError(Exception):
    """A page that cannot be extracted; the message says why."""


class Extractor:
    """Extracts pages in a process of its own, with a limit of time for each."""

    def __init__(self, name: str, seconds: float) -> None:
        """Describe the extractor; the process starts with the first page.

        Args:
            name: One of `extract.EXTRACTORS`.
            seconds: Processor time that a page may take; 0: no limit, and no process of its own.
        """
        self.name, self.seconds = name, seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, data: bytes, declared: str = "", html_page: bool = True) -> PageText:
        """Extract a page.

        Args:
            data: Its bytes.
            declared: The charset that the HTTP header names.
            html_page: Whether it is HTML; plain text is only decoded.

        Returns:
            What it says.

        Raises:
            ExtractionError: It took too long, or crashed the parser.
            MotherlodeError: The process cannot be started.
        """
        if not self.seconds:
            return extract_page(data, declared, html_page, self.name)
        request = json.dumps({"declared": declared, "html_page": html_page, "extractor": self.name}).encode()
        answer = self._ask(request, data)
        if answer is None and not self._timed_out:  # it may have been ended by something else than this page
            answer = self._ask(request, data)
        if answer is None:
            raise ExtractionError(self._reason())
        said = json.loads(answer)
        if "error" in said:
            raise ExtractionError(said["error"])
        return PageText(**said)

    def _ask(self, request: bytes, data: bytes) -> bytes | None:
        """Send a page and return the answer, None if the process ended over it."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(LENGTHS.pack(len(request), len(data)) + request)
            self._process.stdin.write(data)
            self._process.stdin.flush()
            head = self._process.stdout.read(ANSWER.size)
            if len(head) == ANSWER.size:
                (length,) = ANSWER.unpack(head)
                answer = self._process.stdout.read(length)
                if len(answer) == length:
                    return answer
        except (BrokenPipeError, ConnectionError):
            pass
        self._process.wait()
        return None

    @property
    def _timed_out(self) -> bool:
        return self._process is not None and self._process.returncode in _TIMEOUTS

    def _reason(self) -> str:
        code = self._process.returncode if self._process is not None else 0
        if self._timed_out:
            return f"the extraction took longer than {self.seconds:g} s"
        how = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"exit code {code}"
        return f"the extractor crashed ({how})"

    def _start(self) -> None:
        self.close()
        root = str(Path(__file__).parents[3])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the process ignores it
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this package's own module
                [sys.executable, "-m", "motherlode.corpus.web.extract_process", str(self.seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise MotherlodeError(f"the extractor's process cannot be started ({error.strerror})") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.stdout is not None
        if self._process.stdout.read(len(READY)) != READY:
            raise MotherlodeError(f"the extractor's process does not start (exit code {self._process.wait()})")
        atexit.register(self.close)
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                fcntl.fcntl(pipe, _SET_PIPE_SIZE, _PIPE_BYTES)  # type: ignore[arg-type]
            except OSError:
                break  # smaller pipes are slower, no more

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.close)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


_EXTRACTORS: dict[tuple[str, float], Extractor] = {}


def extractor(name: str, seconds: float) -> Extractor:
    """Return this process's extractor; there is one for each setting.

    Raises:
        MissingExtraError: It is not installed.
    """
    if (name, seconds) not in _EXTRACTORS:
        check_extractor(name)
        _EXTRACTORS[name, seconds] = Extractor(name, seconds)
    return _EXTRACTORS[name, seconds]

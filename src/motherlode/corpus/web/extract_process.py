"""The process in which pages are extracted: parsers are native code that nobody else can interrupt.

It reads a page's bytes from its standard input and writes what the page says, as JSON, until the input ends. Before
each page it sets a timer of its processor time whose signal is left at its default action, which ends the process also
from within native code; an alarm of ten times that guards against waiting. Whoever started it sees the end, knows
the page that caused it, and starts another process. Memory is limited in the same manner.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import struct
import sys
from dataclasses import asdict
from typing import BinaryIO

LENGTHS = struct.Struct("<II")  # of the request (JSON) and of the page
ANSWER = struct.Struct("<I")
READY = b"ready"
MOST_MEMORY = 4 << 30


def main() -> None:
    """Serve until the input ends."""
    seconds = float(sys.argv[1])
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the business of whoever started this
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _serve(sys.stdin.buffer, sys.stdout.buffer, seconds)


def _serve(source: BinaryIO, sink: BinaryIO, seconds: float) -> None:
    from motherlode.corpus.web.extract import extract_page

    sink.write(READY)
    sink.flush()
    while len(lengths := source.read(LENGTHS.size)) == LENGTHS.size:
        asked, size = LENGTHS.unpack(lengths)
        request = json.loads(source.read(asked))
        data = source.read(size)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, 10 * seconds)
        try:
            answer = asdict(extract_page(data, **request))
        except MemoryError:
            answer = {"error": "the page needs too much memory"}
        except Exception as error:  # noqa: BLE001 - whatever a page provokes is kept with the page
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        written = json.dumps(answer).encode()
        sink.write(ANSWER.pack(len(written)) + written)
        sink.flush()


if __name__ == "__main__":
    main()

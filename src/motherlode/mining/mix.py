"""Seeds among the mined documents: a file of their own in each domain's folder, every document marked by its origin.

Whether synthetic documents help beside mined ones is an open question of the paper (arXiv 2410.00260); so they are
added on request alone, and can be told apart, or be left out by leaving out one file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from motherlode.mining.export import EXPORTED, ORIGIN, write_documents
from motherlode.seeds.seeds import Seeds
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry

GIVEN = "seed"  # the origin of a seed that does not say its own


@dataclass(frozen=True)
class SeedExportTask:
    """The seeds of one domain, written as a file of the export.

    Attributes:
        domain: The domain.
        seeds: Its seeds.
        format: `jsonl` or `parquet`.
        domains: All domains of the run: other labels of a seed are left out.
    """

    domain: str
    seeds: Seeds
    format: str
    domains: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file, without an ending."""
        return f"{self.domain}/seeds"

    @property
    def fingerprint(self) -> str:
        """Digest of what is written."""
        return fingerprint("export seeds", 1, self.domain, self.seeds.digest, self.format, self.domains)

    @property
    def size(self) -> int:
        """Seeds."""
        return len(self.seeds)

    def run(self, folder: Path) -> Entry:
        """Write the file."""
        rows = []
        others = [name for name in self.domains if name != self.domain]
        for seed in self.seeds:
            record = seed.record()
            rest = {key: value for key, value in record.items() if key not in ("id", "text", "labels", ORIGIN)}
            rows.append(
                {
                    "id": f"seed:{seed.id}",
                    "text": seed.text,
                    "score": 1.0,
                    "labels": [self.domain, *(name for name in others if name in seed.labels)],
                    "words": len(seed.text.split()),
                    "seed": seed.id,
                    "similarity": 1.0,
                    "round": 0,
                    "metadata": json.dumps(rest, ensure_ascii=False),
                    ORIGIN: str(seed.extra.get(ORIGIN) or GIVEN),
                }
            )
        table = pa.Table.from_pylist(rows, EXPORTED.append(pa.field(ORIGIN, pa.string())))
        file = write_documents(folder, self.name, self.format, table)
        return Entry(self.name, self.fingerprint, (file,), {"seeds": len(rows)})

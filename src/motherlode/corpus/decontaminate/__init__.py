"""Decontamination: documents and samples that hold what models are evaluated on.

* `options`: what can be set.
* `items`: the texts of evaluation files; `harness`: those of lm-evaluation-harness tasks.
* `index`: their n-grams, as sorted hashes.
* `match`: which items stand in which texts, checked word by word.
* `step`: the step of a build, and its review table.
* `review`: the table, summed up.

In Python, for any texts or samples::

    from motherlode.corpus.decontaminate import Decontaminator
    found = Decontaminator.from_files(["test.jsonl:question,answer"]).check_samples(rows)
"""

from motherlode.corpus.decontaminate.match import Decontaminator, Match
from motherlode.corpus.decontaminate.options import DecontaminateOptions

__all__ = ["DecontaminateOptions", "Decontaminator", "Match"]

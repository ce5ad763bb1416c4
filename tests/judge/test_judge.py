"""Judging a real run by a real server that knows the truth, or lies, or writes nonsense."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError, MotherlodeError
from motherlode.judge.judge import Judged, judge
from motherlode.llm.endpoint import Endpoint
from motherlode.mining.export import read_export
from motherlode.mining.mine import mine
from motherlode.mining.verdicts import Verdicts
from motherlode.report.mining import write_report
from motherlode.shards.engine import LocalEngine
from motherlode.shards.objects import file_system
from tests.invented import TOPICS, records
from tests.llm.server import Server, serving, write
from tests.object_store import BUCKET, running_store

TRUTH = {" ".join(record["text"].split()): record["truth"].split() for record in records(600)}


@pytest.fixture(scope="module")
def mined_once(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("judged") / "out"
    with LocalEngine(1, quiet=True) as engine:
        mine(invented_corpus, seed_files, out, engine=engine, contrast=("background",), rounds=1)
    return out


@pytest.fixture
def mined(mined_once: Path, tmp_path: Path) -> Path:
    shutil.copytree(mined_once, tmp_path / "out")
    return tmp_path / "out"


def shown(body: dict[str, Any]) -> tuple[list[str], str]:
    """Return the domains in the order shown, and the document."""
    prompt = body["messages"][1]["content"]
    names = re.findall(r"^\d+\. (\w+)", prompt, re.MULTILINE)
    mark = re.search(r"between marks (\S+):", prompt)[1]
    return names, prompt.split(mark)[2].strip()


def truthful(body: dict[str, Any]) -> str:
    names, text = shown(body)
    numbers = [names.index(name) + 1 for name in TRUTH[" ".join(text.split())]]
    if "response_format" in body:
        return json.dumps({"reason": "I know it.", "domains": numbers})
    return write(body, {"reason": "I know it.", "domains": ", ".join(map(str, numbers)) or "none"})


def run(server: Server, folder: Path | str, **settings: Any) -> Judged:
    endpoint = Endpoint(url=server.url, model="tiny", backoff=0.01, answers=settings.pop("answers", "auto"))
    return judge(folder, endpoint, quiet=True, **settings)


def test_a_judge_of_all_documents_gives_the_truth(mined: Path) -> None:
    with serving(Server(content=truthful)) as server:
        found = run(server, mined, sample=1000)
        assert found.documents == len(server.bodies) == 600
    for topic in TOPICS:
        labelled = {record["id"]: record["text"] for record in read_export(mined / "domains" / topic)}
        right = sum(topic in TRUTH[" ".join(text.split())] for text in labelled.values())
        there = sum(topic in truth for truth in TRUTH.values())
        domain = found.domains[topic]
        for estimate, true in ((domain.precision, right / len(labelled)), (domain.recall, right / there)):
            assert (estimate.low, estimate.value, estimate.high) == pytest.approx((true, true, true))
        assert (domain.agreed, domain.labelled, domain.missed) == (right, len(labelled), there - right)


def test_a_sample_is_near_the_truth_reproducible_and_kept(mined: Path) -> None:
    with serving(Server(content=truthful)) as server:
        found = run(server, mined, sample=30, answers="text")
        assert found.documents == len(server.bodies) < 160
        assert list(found.strata) == [*TOPICS, "rejected, near", "rejected, far"]
        assert sum(size for size, _ in found.strata.values()) == 600
        assert [count for _, count in found.strata.values()] == [
            min(most, size) for most, (size, _) in zip((30, 30, 30, 15, 15), found.strata.values(), strict=True)
        ]
        first = (mined / "judge.json").read_bytes(), (mined / "verdicts.jsonl").read_bytes()
        assert run(server, mined, sample=30, answers="text") == found
        assert len(server.bodies) == found.documents, "nothing is asked twice"
    assert first == ((mined / "judge.json").read_bytes(), (mined / "verdicts.jsonl").read_bytes())
    assert Judged.read(mined) == found
    orders = {tuple(shown(body)[0]) for body in server.bodies}
    assert len(orders) == 6, "the domains are shown in every order"
    assert all("velmar" not in str(body["messages"][0]) for body in server.bodies)
    page = write_report(mined, map_points=0).read_text()
    assert "What a judge says" in page
    assert all(f"{count} of {size} <bdi>{name}</bdi>" in page for name, (size, count) in found.strata.items())
    for domain in found.domains.values():
        assert f"{domain.precision.value:.1%}" in page


def test_answers_that_cannot_be_used_are_counted(mined: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> str | None:
        return "refusal" if len(shown(body)[1]) % 5 == 0 else None

    with serving(Server(content=truthful, script=script)) as server:
        found = run(server, mined, sample=20, tries=2)
    assert found.unjudged.keys() == {"refused"}
    assert all(len(record["text"]) % 5 for record in read_records_of(mined))
    nonsense = Server(content=lambda body: json.dumps({"reason": "?", "domains": [99]}))
    with serving(nonsense) as server, pytest.raises(MotherlodeError, match="no answer of the judge could be used"):
        run(server, mined, sample=5, tries=2)


def test_a_document_cannot_give_orders(mined: Path) -> None:
    with serving(Server(content=truthful)) as server:
        run(server, mined, sample=5)
    for body in server.bodies:
        prompt = body["messages"][1]["content"]
        mark = re.search(r"between marks (\S+):", prompt)[1]
        assert prompt.count(mark) == 3


def test_a_stale_result_is_not_shown(mined: Path, invented_corpus: Corpus, seed_files: Mapping[str, Path]) -> None:
    with serving(Server(content=truthful)) as server:
        run(server, mined, sample=5)
    kept = (mined / "judge.json").read_bytes()
    with LocalEngine(1, quiet=True) as engine:
        mine(invented_corpus, seed_files, mined, engine=engine, contrast=("background",), rounds=0, overwrite=True)
    (mined / "judge.json").write_bytes(kept)
    assert Judged.read(mined) is None
    assert "What a judge says" not in write_report(mined, map_points=0).read_text()


def test_bad_input(mined: Path, tmp_path: Path) -> None:
    with serving(Server(content=truthful)) as server:
        with pytest.raises(InputError, match="nothing: no such folder; name a folder that `mine` wrote"):
            run(server, tmp_path / "nothing")
        with pytest.raises(InputError, match="sample = 0"):
            run(server, mined, sample=0)
        with pytest.raises(InputError, match="'velmr' was not mined"):
            run(server, mined, definitions={"velmr": "x"})
        assert not server.bodies


def read_records_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]


def verdict_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_of_verdicts_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "no.jsonl", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=f"{what}; name a JSONL file of verdicts, as `motherlode judge` writes"):
            Verdicts.read(path, ["velmar"])
    with pytest.raises(InputError, match=r'is empty; write each verdict as {"text": "...", "judged"'):
        Verdicts.read(verdict_lines(tmp_path / "empty.jsonl", []), ["velmar"])


def test_verdicts_teach_the_classifier(invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path) -> None:
    """A person says that documents on two topics are not wanted. They go, and those on one topic stay."""
    generator = random.Random(0)
    wanted = {"velmar": seed_files["velmar"]}
    settings: dict[str, Any] = {"contrast": ("background",), "rounds": 2}
    with LocalEngine(1, quiet=True) as engine:
        before = mine(invented_corpus, wanted, tmp_path / "a", engine=engine, **settings)
        documents = list(read_export(Path(before.domains["velmar"].folder)))
        both = [d for d in documents if len(TRUTH[" ".join(d["text"].split())]) == 2]
        alone = [d for d in documents if len(TRUTH[" ".join(d["text"].split())]) == 1]
        ostrin = [r for r in records(600, 7) if r["truth"] == "velmar ostrin"]
        rows = [{"text": r["text"], "judged": [], "asked": ["velmar"]} for r in ostrin]
        rows += [{"text": d["text"], "judged": ["velmar"], "asked": ["velmar"]} for d in generator.sample(alone, 10)]
        file = verdict_lines(tmp_path / "v.jsonl", rows)
        after = mine(invented_corpus, wanted, tmp_path / "b", engine=engine, verdicts=file, **settings)
        again = mine(invented_corpus, wanted, tmp_path / "b", engine=engine, verdicts=file, **settings)
        with pytest.raises(InputError, match="another"):
            mine(invented_corpus, wanted, tmp_path / "b", engine=engine, **settings)
    assert again == after
    kept = {d["id"] for d in read_export(Path(after.domains["velmar"].folder))}
    assert len(both) >= 8, "without verdicts, documents on two topics have the label"
    assert sum(d["id"] in kept for d in both) < len(both) / 2
    assert sum(d["id"] in kept for d in alone) > 0.9 * len(alone)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"judged": [], "asked": ["velmar"]}, "has no text"),
        ({"text": "x", "judged": "velmar", "asked": ["velmar"]}, "'judged' is not a list"),
        ({"text": "x", "judged": []}, "'asked' is not a list"),
        ({"text": "x", "judged": [], "asked": ["ostrin"]}, "was not asked about 'velmar'"),
    ],
)
def test_verdicts_that_must_be_changed(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    file = verdict_lines(tmp_path / "v.jsonl", [row])
    with pytest.raises(InputError, match=reason) as caught:
        Verdicts.read(file, ["velmar"])
    assert f"{file}:1" in str(caught.value)


def test_verdicts_do_not_lie_where_they_would_be_replaced(
    mined: Path, invented_corpus: Corpus, seed_files: Mapping[str, Path]
) -> None:
    file = verdict_lines(mined / "verdicts.jsonl", [{"text": "x", "judged": [], "asked": list(TOPICS)}])
    with LocalEngine(1, quiet=True) as engine, pytest.raises(InputError, match="lies in the folder"):
        mine(invented_corpus, seed_files, mined, engine=engine, verdicts=file, overwrite=True)
    assert file.exists()


def test_a_run_on_an_object_store_is_judged_as_one_on_a_disk(mined: Path) -> None:
    with running_store(), serving(Server(content=truthful)) as server:
        file_system("s3").put(str(mined), f"{BUCKET}/mined", recursive=True)
        address = f"s3://{BUCKET}/mined"
        near, far = run(server, mined, sample=5), run(server, address, sample=5)
        asked = len(server.bodies)
        assert run(server, address, sample=5).documents == near.documents == far.documents > 0
        assert len(server.bodies) == asked, "answers are kept there"
        for name in ("judge.json", "verdicts.jsonl"):
            found = file_system("s3").cat_file(f"{BUCKET}/mined/{name}")
            assert found.replace(address.encode(), str(mined).encode()) == (mined / name).read_bytes()

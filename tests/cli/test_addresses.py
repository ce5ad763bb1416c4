"""Every command with inputs and outputs on an object store: the bytes of folders of this machine, killed or not."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("trl", reason="the extra 'train' is not installed")
pytest.importorskip("lm_eval", reason="the extra 'evaluate' is not installed")

from motherlode.cli import main
from motherlode.errors import InputError
from motherlode.shards.fetch import within
from motherlode.shards.location import location
from motherlode.shards.lock import acquire
from motherlode.shards.objects import file_system
from tests.adaptation.setting import documents
from tests.comparison.setting import config, items
from tests.comparison.setting import files as comparison_files
from tests.invented import records, seed_records, write_lines
from tests.llm.server import Server, serving
from tests.object_store import BUCKET, Store, files, objects, running_store
from tests.selection.setting import files as samples
from tests.workflow.setting import sections, write_data

pytestmark = pytest.mark.timeout(900)  # a busy machine is slow; nothing here measures time

MODEL = ("--model", "{in}/samples/model", "--device", "cpu")
SFT = ("adapt", "sft", *MODEL, "--train", "{in}/samples/domain.jsonl", "--max-length", "100")
TRAIN = ("--train", "{in}/samples/pool.jsonl", "--dev", "{in}/samples/domain.jsonl", "--epochs", "2")
SELECT = ("select", "--domain", "{in}/samples/domain.jsonl", "--pool", "{in}/samples/p*.jsonl", "-n", "4")
COMMANDS: dict[str, tuple[str, ...]] = {
    "select": (
        *(*SELECT, "--model", "{here}/samples/model", "--device", "cpu"),  # its name is in those of files that are kept
        *("--warmup-epochs", "1", "--max-length", "100", "--dev", "{in}/samples/domain.jsonl"),
        *("--out", "{out}/select/picked.jsonl", "--scores-out", "{out}/select/scores.parquet"),
    ),
    "sft": (*SFT, *TRAIN, "--out", "{out}/sft"),
    "cpt": (
        *("adapt", "cpt", "--model", "{here}/texts/model", "--device", "cpu", "--domain", "{in}/texts/domain.jsonl"),
        *("--general", "{in}/texts/general.jsonl", "--domain-dev", "{in}/texts/domain-dev.jsonl"),
        *("--sequence-length", "64", "--tokens", "2000", "--out", "{out}/cpt"),
    ),
    "evaluate": (
        *("evaluate", *MODEL, "--tasks", "{in}/tasks.jsonl:train={in}/tasks.jsonl", "--adapter", "{in}/adapter"),
        *("--texts", "held={in}/texts/domain-dev.jsonl", "--out", "{out}/evaluate"),
    ),
    "diagnose": (
        *("diagnose", *MODEL, "--domain", "{in}/samples/domain.jsonl", "--pool", "{in}/samples/pool.jsonl"),
        *("--out", "{out}/diagnose", "--warmup-epochs", "1", "--subsets", "0", "--no-bf16", "--kernel-samples", "4"),
        *("--max-length", "64", "--dimensions", "64", "--domain-sample", "4", "--pool-sample", "10"),
    ),
    "predict": (
        *("predict", *MODEL, "--domain", "{in}/samples/domain.jsonl", "--train", "{in}/samples/pool.jsonl"),
        *("--learning-rate", "0.001", "--adapter", "{in}/adapter", "--out", "{out}/predict/change.json"),
    ),
    "compare": ("compare", "{in}/compare/compare.yaml", "--out", "{out}/compare"),
    "run": ("run", "{in}/project/motherlode.yaml", "--workers", "1"),
    "init": ("init", "{out}/init"),
    "seeds": (
        *("seeds", "generate", "--domain", "law", "--llm", "{llm}", "--model", "tiny", "--n", "5"),
        *("--samples", "{in}/texts/domain-dev.jsonl", "--out", "{out}/seeds/law.jsonl"),
    ),
    "mine": (
        *("mine", "--corpus", "{in}/corpus", "--seeds", "velmar={in}/velmar.jsonl", "--contrast", "none"),
        *("--rounds", "1", "--workers", "1", "--out", "{out}/mine"),
    ),
}
LONG = ("compare", "diagnose", "mine", "cpt", "run", "sft")
_TIMES = re.compile(rb'("(?:[a-z_]*seconds|tokens_per_second)": )[0-9.e+-]+')
_MEANT = {"run": "project/out"}


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert left.value.code == code


def filled(arguments: tuple[str, ...], **places: str) -> list[str]:
    return [re.sub(r"\{(\w+)\}", lambda found: places[found[1]], argument) for argument in arguments]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield running


@pytest.fixture(scope="module")
def here(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands read, on this machine and, with the same names, on the store."""
    base = tmp_path_factory.mktemp("here")
    place = base / "in"
    samples((place / "samples").mkdir(parents=True) or place / "samples")
    documents((place / "texts").mkdir() or place / "texts")
    write_lines(place / "tasks.jsonl", items(8, 1, "t"))
    write_lines(place / "velmar.jsonl", seed_records("velmar"))
    comparison_files(place / "compare")
    own = config(methods={"base": None, "random": None}, random_seeds=1)
    (place / "compare" / "compare.yaml").write_text(yaml.safe_dump(own, sort_keys=False))
    write_data(place / "project", 120)
    (place / "project" / "motherlode.yaml").write_text(yaml.safe_dump(sections(select=None), sort_keys=False))
    write_lines(place / "documents.jsonl", records(120))
    run("corpus", "build", str(place / "documents.jsonl"), "--out", str(place / "corpus"), "--workers", "1")
    run(*filled(SFT, **{"in": str(place)}), "--epochs", "1", "--out", str(base / "trained"))
    shutil.copytree(base / "trained" / "adapter", place / "adapter")
    file_system("s3").put(str(place), f"{BUCKET}/in", recursive=True)
    return base


def told_here(found: dict[str, bytes], base: Path) -> dict[str, bytes]:
    """Return files as a run on this machine would write them: its paths, and no times."""
    here = {name: data.replace(f"s3://{BUCKET}".encode(), str(base).encode()) for name, data in found.items()}
    return {name: _TIMES.sub(rb"\g<1>0", data) for name, data in here.items()}


def differences(there: dict[str, bytes], here: dict[str, bytes], base: Path) -> list[str]:
    there, here = told_here(there, base), told_here(here, base)
    ignored = (
        ".digests.json",
        "report.html",
        "costs.parquet",
        ".sqlite",
    )  # times of files, times, and SQLite's own counters
    names = {name for name in (*there, *here) if not name.endswith(ignored)}
    assert {name for name in there if name.endswith(ignored[1:])} == {n for n in here if n.endswith(ignored[1:])}
    assert ".digests.json" not in there
    return sorted(name for name in names if there.get(name) != here.get(name))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in COMMANDS]
)
def test_outputs_have_the_bytes_of_a_disk(
    name: str,
    here: Path,
    store: Store,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # one that no other test writes to
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inputs, where = (here / "in", "out") if name == "run" else (here / "out", name)
    for folder in ("select", "predict", "seeds"):
        (here / "out" / folder).mkdir(parents=True, exist_ok=True)
    with serving(Server()) as server:
        near = {"in": str(here / "in"), "out": str(here / "out"), "llm": server.url, "here": str(here / "in")}
        far = {**near, "in": f"s3://{BUCKET}/in", "out": f"s3://{BUCKET}/out"}
        run(*filled(COMMANDS[name], **near))
        said = capsys.readouterr()
        run(*filled(COMMANDS[name], **far))
        there = capsys.readouterr()
        if name != "init":  # again: nothing is left to do
            asked = len(server.bodies)
            run(*filled(COMMANDS[name], **far))
            assert len(server.bodies) == asked
    if name == "run":
        wanted, found = files(here / "in" / "project" / "out"), objects("in/project/out")
    else:
        wanted, found = files(inputs / where), objects(f"out/{where}")
    if name in ("run", "sft", "compare"):  # far inputs are known by what their server says, models by their names
        for names in (wanted, found):
            for manifest in [name for name in names if name.endswith("manifest.jsonl")]:
                del names[manifest]
    if name == "diagnose":  # likewise the names of folders in which stages are kept
        wanted, found = ({n: data for n, data in all_of.items() if n[:5] != "work/"} for all_of in (wanted, found))
    assert wanted
    assert not differences(found, wanted, here)
    for text in (there.out, there.err, *map(str, found), *(data.decode("utf-8", "replace") for data in found.values())):
        assert tempfile.gettempdir() + "/motherlode-" not in text
        assert "secret" not in text.replace("secretar", "")
    ours, theirs = ("".join(text.out.split()) for text in (said, there))  # tables cut long words
    assert (str(here) in ours) == (f"s3://{BUCKET}" in theirs)
    assert not list(tmp_path.glob("motherlode-*")), "a mirror's folder is left"


def test_a_killed_run_goes_on_from_what_was_sent(here: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    model = ("--model", str(here / "in" / "samples" / "model"), "--device", "cpu", "--max-length", "100")
    train = ("adapt", "sft", *model, "--train", str(here / "in" / "samples" / "pool.jsonl"), "--batch", "2")
    train += ("--epochs", "3", "--checkpoint-every", "1", "--learning-rate", "1e-3")
    out = f"s3://{BUCKET}/killed/run"
    command = [sys.executable, "-m", "motherlode", *train, "--out", out]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MOTHERLODE_SYNC_SECONDS": "0.1"},
    )
    sent = threading.Event()
    lists = []

    def count(request: str) -> None:
        if re.match(r"DELETE /bucket/killed/run/\.sending/\w+\.json", request):
            lists.append(request)
        if len(lists) > 2 and request.startswith(
            "PUT /bucket/killed/run/checkpoint/weights"
        ):  # in the middle of another
            sent.set()

    store.on_request = count
    assert sent.wait(120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store.on_request = lambda request: None
    assert any(name.startswith(".sending/") for name in objects("killed/run"))
    run(*train, "--out", out)
    steps = re.search(r"training: (\d+) steps", capsys.readouterr().err)
    assert steps is not None
    assert int(steps[1]) < 3 * 9
    run(*train, "--out", str(here / "whole"))
    assert not differences(objects("killed/run"), files(here / "whole"), here)


@pytest.mark.parametrize("place", ["taken", pytest.param("taken/change.json", marks=pytest.mark.long)])
def test_one_writer_an_address(place: str, here: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    samples = str(here / "in" / "samples" / "domain.jsonl")
    command = {
        "taken": ("adapt", "sft", "--train", samples),
        "taken/change.json": ("predict", "--domain", samples, "--train", samples, "--learning-rate", "1"),
    }[place]
    folder = location(f"s3://{BUCKET}/{place.replace('/change.json', '/.change')}")
    held = acquire(folder)
    try:
        run(*command, "--model", "m", "--out", f"s3://{BUCKET}/{place}", code=2)
    finally:
        held.release()
    assert f"error: {folder}: another motherlode process is writing here" in capsys.readouterr().err


def test_what_is_read_is_not_written(here: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    samples = f"s3://{BUCKET}/in/samples"
    given = ("select", "--domain", f"{samples}/domain.jsonl", "--pool", f"{samples}/*.jsonl", "-n", "2")
    for out in (f"{samples}/domain.jsonl", f"{samples}/new.jsonl"):
        run(*given, "--method", "random", "--out", out, code=2)
        assert "which is read" in capsys.readouterr().err
    assert "in/samples/new.jsonl" not in objects("")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "without valid credentials"),
        ({"OUT": "s3://nowhere/x"}, "there is no bucket 'nowhere'"),
        ({"OUT": "s4://bucket/x"}, "s4:// addresses are not known"),
        ({"OUT": "https://127.0.0.1/x"}, "can only be read"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "several processes train"),
        ({"MOTHERLODE_SYNC_SECONDS": "often"}, "is not a number of seconds"),
    ],
)
def test_bad_addresses_are_one_line(
    change: dict[str, str],
    said: str,
    here: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import s3fs

    def forget() -> None:
        s3fs.S3FileSystem.clear_instance_cache()
        file_system.cache_clear()

    out = change.get("OUT", f"s3://{BUCKET}/bad")
    for name, value in change.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    forget()
    texts = f"held={here / 'in' / 'texts' / 'domain-dev.jsonl'}"
    try:
        run("evaluate", "--model", "m", "--texts", texts, "--out", out, code=2)
    finally:
        monkeypatch.undo()
        forget()
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    assert said in line


@pytest.mark.parametrize("name", ["../left.txt", "inner/../../left.txt", "/left.txt", ".."])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert within(tmp_path, "inner/a..b.txt") == tmp_path / "inner" / "a..b.txt"
    with pytest.raises(InputError, match="leads out of its folder"):
        within(tmp_path, name)

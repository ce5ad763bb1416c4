import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from motherlode.cli.seeds import seeds_app
from motherlode.errors import InputError
from motherlode.seeds.seeds import BUILTIN, Seed, Seeds
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES, INDUSTRIES, length_of

printable = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
names = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | printable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=5,
)
seed_objects = st.builds(
    Seed,
    id=names,
    text=printable.filter(str.strip),
    labels=st.lists(names, min_size=1, max_size=3, unique=True).map(tuple),
    type=st.none() | printable,
    length=st.none() | printable,
    topic=st.none() | printable,
    extra=st.dictionaries(names.map("x_{}".format), values, max_size=3),
)
seed_sets = st.builds(
    Seeds, names, st.lists(seed_objects, min_size=1, max_size=6, unique_by=lambda seed: seed.id)
).filter(lambda seeds: len(seeds) == 1 or len({" ".join(text.split()) for text in seeds.texts}) > 1)


def write(folder: Path, *lines: object, name: str = "finance.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def refusal(path: Path | str, name: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        Seeds.read(path, name)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(seeds=seed_sets, ending=st.sampled_from([".jsonl", ".jsonl.gz", ".jsonl.zst"]))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(tmp_path: Path, seeds: Seeds, ending: str) -> None:
    path = tmp_path / f"seeds{ending}"
    seeds.write(path)
    again = Seeds.read(path, seeds.name)
    assert again == seeds
    assert again.digest == seeds.digest
    first = path.read_bytes()
    again.write(path)
    assert path.read_bytes() == first


@given(data=st.binary(max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_seeds_or_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.jsonl"
    for content in (data, b'{"text": "a document"}\n' + data, gzip.compress(data), b"\x28\xb5\x2f\xfd" + data):
        path.write_bytes(content)
        try:
            assert len(Seeds.read(path)) > 0
        except InputError as error:
            assert "\n" not in str(error) and str(path) in str(error)


@given(value=values)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_in_any_field_gives_seeds_or_one_line(tmp_path: Path, value: object) -> None:
    for key in ("text", "id", "label", "labels", "type", "premise", "more"):
        path = write(tmp_path, {"text": "a document", key: value})
        try:
            seed = Seeds.read(path)[0]
            assert isinstance(seed.text, str) and all(isinstance(label, str) for label in seed.labels)
        except InputError as error:
            assert f"{path}:1" in str(error)


def test_only_text_is_required(tmp_path: Path) -> None:
    path = write(tmp_path, {"text": "Bonds fell."}, "", {"text": "Shares rose.", "label": "markets", "id": 7})
    seeds = Seeds.read(path)
    assert [(s.id, s.labels) for s in seeds] == [("finance-0001", ("finance",)), ("7", ("markets",))]
    assert seeds.name == "finance" and seeds.texts == ["Bonds fell.", "Shares rose."]
    assert [s.id for s in Seeds.read(write(tmp_path, {"text": "Bonds fell."}), "money")] == ["money-0001"]


def test_a_set_without_a_name_is_named_after_its_shared_label(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"text": "a", "labels": ["law", "tax"]}, {"text": "b", "labels": ["tax"]}, name="my file.jsonl.gz"
    )
    assert Seeds.read(path).name == "tax"
    assert Seeds.read(path).labels == {"tax": 2, "law": 1}
    assert Seeds.read(path, "mine").name == "mine"


def test_the_digest_is_of_the_content_not_of_the_name_or_the_file(tmp_path: Path) -> None:
    record = {"id": "1", "text": "a", "labels": ["x"], "topic": "t"}
    digest = Seeds.read(write(tmp_path, record), "one").digest
    assert Seeds.read(write(tmp_path, dict(reversed(record.items())), name="b.jsonl"), "two").digest == digest
    for key, value in {"id": "2", "text": "b", "labels": ["y"], "topic": "u", "more": 1}.items():
        assert Seeds.read(write(tmp_path, record | {key: value}), "one").digest != digest


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "is empty"),
        (("", " "), "holds no document"),
        (("A plain text.", "Another line."), "is plain text, not JSONL"),
        (('"a string"',), "is plain text, not JSONL"),
        (("[", '{"text": "a"}', "]"), "is a JSON array, not JSONL"),
        (('[{"text": "a"}]',), "is a JSON array, not JSONL"),
        (("{", '"text": "a"', "}"), "write each object on one line"),
        (({"text": "a"}, '{"text": "b"'), "finance.jsonl:2: not JSON"),
        (({"text": "a"}, "b"), "finance.jsonl:2: not JSON"),
        (({"text": "a"}, ["b"]), "finance.jsonl:2: not a JSON object"),
        (({"text": "a"}, '{"text": "b", "x": NaN}'), "finance.jsonl:2: not JSON"),
        (({"text": "a"}, '{"text": "b", "x": 1e999}'), "finance.jsonl:2: not JSON"),
        (('{"text": "\\ud800"}',), "surrogate"),
        (("[" * 100_000,), "is a JSON array"),
        (({"text": "a"}, {"content": "b"}), "finance.jsonl:2: has no field 'text'; its fields: content"),
        (({"text": "a"}, "", {"text": " "}), "finance.jsonl:3: 'text' is empty"),
        (({"text": ["a"]},), "finance.jsonl:1: 'text' is a list, not a string"),
        (({"text": None},), "finance.jsonl:1: 'text' is null, not a string"),
        (({"text": "a", "id": True},), "'id' is true or false, not a string"),
        (({"text": "a", "id": ""},), "'id' is an empty string"),
        (({"text": "a", "type": 3},), "'type' is a number, not a string"),
        (({"text": "a", "labels": "law"},), "'labels' is not a list of strings"),
        (({"text": "a", "labels": []},), "'labels' is not a list of strings"),
        (({"text": "a", "labels": ["law", 1]},), "'labels' is not a list of strings"),
        (({"text": "a", "label": ["law"]},), "'label' is a list"),
        (({"text": "a", "label": "law", "labels": ["law"]},), "has both 'labels' and 'label'"),
        (({"text": "a", "label": "../law"},), "cannot name a domain"),
        (
            ({"text": "a", "id": "1"}, {"text": "b"}, {"text": "c", "id": "1"}),
            "finance.jsonl:3: id '1' is also the id of line 1",
        ),
        (({"text": "a b"}, {"text": "a  b\n"}), "all 2 documents have the same text"),
    ],
)
def test_mistakes_in_a_file_are_named_with_their_line(tmp_path: Path, lines: tuple[object, ...], said: str) -> None:
    assert said in refusal(write(tmp_path, *lines))


def test_files_that_are_no_seed_files(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.jsonl")
    assert "is a folder" in refusal(tmp_path)
    path = tmp_path / "file.jsonl"
    path.write_bytes(b'{"text": "caf\xe9"}\n')
    assert f"{path}:1: not UTF-8 (byte 14" in refusal(path)
    path.write_bytes(b"PAR1\x00\x15\x04" * 9)
    assert "is binary data" in refusal(path)
    path.write_bytes(b'{"text": "' + b"a" * (5 << 20) + b'"}')
    assert "longer than 4 MiB" in refusal(path)
    whole = b'{"text": "one document"}\n' * 50
    for data in (gzip.compress(whole), zstandard.compress(whole)):
        path.write_bytes(data[: len(data) // 2])
        assert "cannot be read" in refusal(path)
    path.write_bytes(zstandard.compress(b'{"text": "one"}\n') + zstandard.compress(b'{"text": "two"}\n'))
    assert Seeds.read(path).texts == ["one", "two"]
    path.write_bytes(b"\xef\xbb\xbf" + '{"text": "with a byte order mark: é"}\r\n'.encode())
    assert Seeds.read(path).texts == ["with a byte order mark: é"]


def test_parse_reads_what_a_command_line_names(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    path = write(tmp_path / "a=b", {"text": "a"})
    assert Seeds.parse(f"tax={path}").name == "tax"
    assert Seeds.parse(str(path)).name == "finance"
    assert Seeds.parse("legal=builtin") == Seeds.parse("legal") == Seeds.builtin("legal")
    assert Seeds.parse("demo-networking").name == "networking"
    for spec, said in {
        "helthcare": "did you mean 'healthcare'?",
        "helthcare=builtin": "did you mean 'healthcare'?",
        "medicine=healthcare": "write healthcare=builtin",
        "=x": "is not NAME=FILE",
        "x=": "is not NAME=FILE",
        "none.jsonl": "no such file",
        "tax=none.jsonl": "no such file",
        "": "no seeds are named",
    }.items():
        with pytest.raises(InputError) as caught:
            Seeds.parse(spec)
        assert said in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", ".hidden", "a\nb", "x" * 101, "a=b", " a", "a\\b"])
def test_names_that_could_not_be_a_folder_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a domain"):
        Seeds(name, (Seed("1", "text", ("x",)),))
    with pytest.raises(InputError, match="cannot name a domain"):
        Seed("1", "text", (name,))


def test_sets_and_seeds_that_cannot_be() -> None:
    seed = Seed("1", "text", ("x",))
    with pytest.raises(InputError, match="holds no seed"):
        Seeds("x", ())
    with pytest.raises(InputError, match="used twice"):
        Seeds("x", (seed, seed))
    with pytest.raises(InputError, match="'text' is empty"):
        Seed("1", " ", ("x",))
    with pytest.raises(InputError, match="no label"):
        Seed("1", "a", ())
    with pytest.raises(InputError, match="is a field of every seed"):
        Seed("1", "a", ("x",), extra={"topic": "b"})


def test_repr_says_what_and_how_much() -> None:
    assert (
        repr(Seeds("x", (Seed("1", "a", ("x", "y")), Seed("2", "b", ("x",)))))
        == "Seeds('x', 2 seeds, labels {x: 2, y: 1})"
    )


def test_the_template_has_the_papers_dimensions() -> None:
    assert (len(DOCUMENT_TYPES), len(DEMEANOURS), len(INDUSTRIES)) == (17, 11, 21)
    assert [length_of(words) for words in (0, 500, 501, 1000, 1001, 9999)] == [
        "short", "short", "long", "long", "very long", "very long",
    ]  # fmt: skip


def test_importing_is_light() -> None:
    code = (
        "import sys; from motherlode import Seeds; Seeds.builtin('legal').digest;"
        "print(sorted({'numpy', 'scipy', 'sklearn', 'pyarrow', 'zstandard', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_command_lists_the_packs() -> None:
    result = CliRunner().invoke(seeds_app, ["list"])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in BUILTIN)
    rows = json.loads(CliRunner().invoke(seeds_app, ["list", "--json"]).stdout)
    assert [row["pack"] for row in rows] == list(Seeds.builtin_names())
    assert {row["pack"]: row["seeds"] for row in rows}["legal"] == len(Seeds.builtin("legal"))

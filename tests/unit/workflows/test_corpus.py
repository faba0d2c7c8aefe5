"""Building a corpus: every form of every source, the split kept, the same result however it is built."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from logos_cli.chemistry.smiles_variants import canonical
from logos_cli.errors import InputError, LogosError, OutputError, UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.grammar import FORMS, Form, parse
from logos_cli.grammar.spec import Kind
from logos_cli.io.selection import Shard
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, from_sentence, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.processes.lock import locked
from logos_cli.runs.rows import Outcome
from logos_cli.runs.status import status_of, verify
from logos_cli.training.corpus.shards import Corpus
from logos_cli.workflows.corpus import build as building
from logos_cli.workflows.corpus import corpus as corpus_module
from logos_cli.workflows.corpus.corpus import build, build_shard, merge, read_weights
from logos_cli.workflows.corpus.options import BuildOptions
from logos_cli.workflows.corpus.sentences import NAMES, WINDOW_RESIDUES, SentenceOptions, is_held_out, windows
from logos_cli.workflows.corpus.view import domains_of
from tests.unit.workflows.deadly import DEADLY, DEADLY_FILE, DeadlyMaker

CHAIN = "MKTAYIAKQRQISFVKSHFSRQ"
SITE = Complex((Protein(CHAIN, (2, 5, 6)),))
REACTION = Reaction(("CC(=O)Cl", "CCO"), "CCOC(C)=O")
OBJECTS: dict[str, ScienceObject] = {
    "protein": Protein("MKVLAGGH"),
    "antibody": Antibody(("EVQL", "DIQM")),
    "molecule": Molecule("c1ccccc1O"),
    "site": SITE,
    "complex": Complex((Protein("MDHKMD", (0, 3)), Protein("GG")), "CCO"),
    "material": Material("[Cu][Cu]", ("O=C([O-])c1ccc(C(=O)[O-])cc1",)),
    "reaction": REACTION,
}


def line(item: ScienceObject, form: Form | None = None, **extra: object) -> str:
    """One record as a line of JSON."""
    form = form or item.forms[0]
    if isinstance(item, Complex) and item.ligand is None and form is Form.COMPLEX:
        form = Form.SITE
    return json.dumps({"kind": form, "text": to_text(item, form), **extra}) + "\n"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines))
    return path


def sentences(directory: Path, split: str = "train") -> dict[str, list[str]]:
    """All sentences of a corpus by domain."""
    corpus = Corpus(directory)
    corpus.verify()
    decode = corpus.vocabulary.decode
    return {domain: [decode(ids) for ids in shard] for domain, shard in corpus.shards(split).items()}


def built(tmp_path: Path, *lines: str, split: str = "train", **sentence_options: object) -> dict[str, list[str]]:
    """Sentences of a corpus of the given records; one more record is there to train on."""
    source = write(tmp_path / "records.jsonl", *lines)
    options = SentenceOptions(**{"valid_share": 0.0, **sentence_options})  # type: ignore[arg-type]
    build(source, tmp_path / "corpus", BuildOptions(sentences=options, overwrite=True))
    return sentences(tmp_path / "corpus", split)


# -- forms ---------------------------------------------------------------------------------------------------


def test_every_form_of_the_grammar_comes_out(tmp_path):
    found = built(tmp_path, *map(line, OBJECTS.values()))
    assert set(found) == set(NAMES)
    for domain, texts in found.items():
        for text in texts:
            sentence = parse(text)
            name = f"{sentence.form}_{sentence.level}" if sentence.form is Form.COMPLEX else sentence.form
            assert name == domain
    assert {parse(text).form.value for texts in found.values() for text in texts} == set(FORMS)


@pytest.mark.parametrize("name", OBJECTS)
def test_every_sentence_of_an_object_says_that_object(tmp_path, name):
    item = OBJECTS[name]
    found = built(tmp_path, line(item))
    for text in (text for texts in found.values() for text in texts):
        again = from_sentence(parse(text))
        if isinstance(item, Complex):
            assert isinstance(again, Complex)
            assert [c.sequence for c in again.chains] == [c.sequence for c in item.chains]
            assert again.ligand in (None, item.ligand)
            assert again.chains == item.chains or parse(text).level == 1
        elif isinstance(item, Antibody):
            assert isinstance(again, Antibody)
            assert set(again.chains) <= set(item.chains)
        else:
            assert again == item


def test_a_pair_is_also_said_chain_by_chain(tmp_path):
    found = built(tmp_path, line(OBJECTS["antibody"]))
    assert found == {"antibody": [to_text(Antibody(x)) for x in (("EVQL", "DIQM"), ("EVQL",), ("DIQM",))]}


def test_forms_can_be_chosen(tmp_path):
    found = built(tmp_path, *map(line, OBJECTS.values()), forms=("search", "complex_3", "retrosynthesis"))
    assert set(found) == {"search", "complex_3", "retrosynthesis"}
    report = Corpus(tmp_path / "corpus").manifest["records"]
    assert report["left_out"] == {"no wanted form": 4}
    assert (report["read"], report["used"]) == (7, 3)


def test_an_unknown_form_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean search"):
        built(tmp_path, line(SITE), forms=("serach",))


def test_complex_stands_for_its_three_levels(tmp_path):
    found = built(tmp_path, line(OBJECTS["complex"]), line(SITE), forms=("complex",))
    assert set(found) == {"complex_1", "complex_2", "complex_3"}


def test_a_search_without_a_site_is_only_a_search(tmp_path):
    bare = Complex((Protein(CHAIN),))
    assert built(tmp_path, line(bare, Form.SEARCH)) == {"search": [to_text(bare, Form.SEARCH)]}


def test_a_complex_without_a_site_is_only_level_1(tmp_path):
    text = f"{Kind.PROTEIN.start}{CHAIN}{Kind.PROTEIN.end}{Kind.MOLECULE.start}CCO{Kind.MOLECULE.end}"
    assert built(tmp_path, json.dumps({"text": text}) + "\n") == {"complex_1": [text]}


def test_native_files_become_sentences(tmp_path, checkout):
    write(tmp_path / "p.fasta", ">a\nMKV\n>b\nMKVL\n")
    write(tmp_path / "m.smi", "CCO ethanol\nC1CC open\n")
    write(tmp_path / "r.csv", "reaction,split\nCC(=O)Cl.CCO>>CCOC(C)=O,train\nCN.CC(=O)Cl>>CNC(C)=O,test\n")
    write(tmp_path / "s.txt", to_text(SITE, Form.SITE) + "\n")
    names = ("p.fasta", "m.smi", "r.csv", "s.txt")
    options = BuildOptions(sentences=SentenceOptions(valid_share=0.0), read=ReadOptions(canonical=True))
    report = build([tmp_path / name for name in names], tmp_path / "corpus", options)
    found = {domain: len(texts) for domain, texts in sentences(tmp_path / "corpus").items()}
    assert found == {
        "protein": 2,
        "molecule": 1,
        "reaction": 1,
        "retrosynthesis": 1,
        "site": 1,
        "search": 1,
        "expanded": 1,
        "transformation": 1,
    }
    assert (report.records.read, report.records.used) == (7, 5)
    assert report.records.rejected == {"molecule not accepted": 1}
    assert report.records.left_out == {"split test": 1}
    assert [source["n_records"] for source in report.manifest["sources"]] == [2, 2, 2, 1]
    assert all(len(source["sha256"]) == 64 for source in report.manifest["sources"])


def test_structures_become_complexes_and_sites(tmp_path, shared_data):
    path = next((shared_data / "complexes" / "posebusters_raw_mmcif").glob("*.cif*"))
    build(path, tmp_path / "corpus", BuildOptions(sentences=SentenceOptions(valid_share=0.0)))
    found = sentences(tmp_path / "corpus")
    assert {"complex_1", "complex_2", "complex_3", "search", "site", "expanded", "transformation"} <= set(found)


# -- writings ------------------------------------------------------------------------------------------------


def same_reaction(text: str, item: Reaction) -> bool:
    again = from_sentence(parse(text))
    assert isinstance(again, Reaction)
    made, wanted = ((sorted(map(canonical, r.reactants)), canonical(r.product)) for r in (again, item))
    return made == wanted


@pytest.mark.parametrize("align", [False, True])
def test_augmented_reactions_are_the_same_reaction(tmp_path, align):
    item = Reaction(("O=C(Cl)c1ccccc1C", "NCC1CCCC1"), "O=C(NCC1CCCC1)c1ccccc1C")
    found = built(tmp_path, line(item), n_augmented=6, align=align)
    for domain in ("reaction", "retrosynthesis"):
        assert 4 <= len(found[domain]) <= 7  # what repeats another is left out
        assert all(same_reaction(text, item) for text in found[domain])
        prompts = {text.split("React>")[0] for text in found[domain]}
        assert len(prompts) >= 4
    answers = {text.split("React>")[1] for text in found["retrosynthesis"]}
    assert (len(answers) > 1) == align


def test_aligned_answers_repeat_their_prompt(tmp_path):
    item = Reaction(("C(c1ccc(Br)cc1)=O", "OB(O)c1ccccn1"), "O=Cc1ccc(-c2ccccn2)cc1")
    (text,) = built(tmp_path, line(item), align=True)["retrosynthesis"]
    assert text.startswith(f"{Kind.MOLECULE.start}{canonical(item.product)}{Kind.MOLECULE.end}")
    assert f"{Kind.MOLECULE.start}O=Cc1ccc(Br)cc1{Kind.MOLECULE.end}" in text
    assert same_reaction(text, item)


def test_molecules_are_randomized_for_training_only(tmp_path):
    smiles = "CC(=O)Oc1ccccc1C(=O)O"
    lines = (line(Molecule(smiles), split="train"), line(Molecule(smiles + "C"), split="valid"))
    train = built(tmp_path, *lines, n_randomized=5)["molecule"]
    assert len(set(train)) == len(train) == 6
    assert {canonical(parse(text).left[0].payload) for text in train} == {canonical(smiles)}
    assert len(sentences(tmp_path / "corpus", "valid")["molecule"]) == 1


def test_windows_are_fragments_around_the_site():
    rng = random.Random(2)
    chain = "".join(rng.choices("ACDEFGHIKLMNPQRSTVWY", k=400))
    site = Complex((Protein(chain, (3, 200, 399)),))
    found = list(windows(site, 50, seed=1))
    assert found == list(windows(site, 50, seed=1))
    lengths = [len(window.chains[0].sequence) for window in found]
    assert min(lengths) < 20
    assert max(lengths) > 80
    for window in found:
        (part,) = window.chains
        assert WINDOW_RESIDUES[0] <= len(part.sequence) <= WINDOW_RESIDUES[1]
        assert part.site
        starts = [i for i in range(len(chain)) if chain.startswith(part.sequence, i)]
        assert any(
            {start + i for i in part.site} == {i for i in (3, 200, 399) if 0 <= i - start < len(part.sequence)}
            for start in starts
        )


def test_windows_get_a_domain_of_their_own_and_are_never_held_out(tmp_path):
    chain = "".join(random.Random(2).choices("ACDEFGHIKLMNPQRSTVWY", k=400))
    site = Complex((Protein(chain, (3, 200)),))
    found = built(tmp_path, line(site, split="train"), line(SITE, split="valid"), n_windows=4)
    assert 0 < len(found["search_window"]) <= 4
    assert "search_window" not in sentences(tmp_path / "corpus", "valid")


# -- domain, group, split ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "item", "domains"),
    [
        ("_ion", SITE, {"search_ion", "site_ion", "expanded_ion", "transformation_ion"}),
        ("ligand", Molecule("CCO"), {"ligand"}),
        ("uspto", REACTION, {"uspto_reaction", "uspto_retrosynthesis"}),
    ],
)
def test_a_record_names_its_domain(tmp_path, label, item, domains):
    assert set(built(tmp_path, line(item, domain=label))) == domains
    assert set(built(tmp_path, line(item, source={"domain": label}))) == domains


@pytest.mark.parametrize("labels", [{"domain": "../up"}, {"domain": 3}, {"split": "later"}])
def test_labels_that_cannot_be_are_rejected(tmp_path, labels):
    built(tmp_path, line(Molecule("CCO")), line(Molecule("CCN"), **labels))
    assert Corpus(tmp_path / "corpus").manifest["records"]["rejected"] == {"label not usable": 1}


def test_a_group_is_never_on_both_sides(tmp_path):
    lines = [line(Molecule("C" * n + "O"), group=f"family {n % 17}") for n in range(1, 120)]
    train = built(tmp_path, *lines, valid_share=0.4)["molecule"]
    valid = sentences(tmp_path / "corpus", "valid")["molecule"]
    groups = [{len(parse(text).left[0].payload[:-1]) % 17 for text in side} for side in (train, valid)]
    assert groups[0].isdisjoint(groups[1])
    assert all(groups)
    assert len(train) + len(valid) == 119


def test_all_sentences_of_an_object_are_on_one_side(tmp_path):
    items = [Complex((Protein(CHAIN[n:], (0,)),), "C" * (n + 1)) for n in range(15)]
    built(tmp_path, *map(line, items), valid_share=0.4)
    sides = [
        {
            chain.sequence
            for texts in sentences(tmp_path / "corpus", split).values()
            for text in texts
            for chain in from_sentence(parse(text)).chains
        }  # type: ignore[attr-defined]
        for split in ("train", "valid")
    ]
    assert sides[0].isdisjoint(sides[1])
    assert all(sides)


def test_a_given_split_wins_and_held_out_wins_over_training(tmp_path):
    lines = (
        line(Molecule("CCO"), split="train", group="a"),
        line(Molecule("CCO"), split="validation", group="a"),
        line(Molecule("CCN"), split="train"),
    )
    assert built(tmp_path, *lines, valid_share=0.5) == {"molecule": [to_text(Molecule("CCN"))]}
    assert sentences(tmp_path / "corpus", "valid") == {"molecule": [to_text(Molecule("CCO"))]}
    assert Corpus(tmp_path / "corpus").manifest["dropped"] == {"molecule": {"held out in another place": 1}}


def test_the_share_held_out_is_the_one_asked_for():
    held = sum(is_held_out(f"family {n}", 20, 0.05) for n in range(4000))
    assert held / 4000 == pytest.approx(0.05, abs=0.015)
    assert held != sum(is_held_out(f"family {n}", 21, 0.05) for n in range(4000))


# -- the same however it is built ----------------------------------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of few records, so that a small source has many."""
    monkeypatch.setattr(corpus_module, "PART_RECORDS", 7)


def many(tmp_path: Path) -> list[Path]:
    rng = random.Random(4)
    paths = []
    for number in range(5):
        lines = [line(rng.choice(list(OBJECTS.values()))) for _ in range(5)]
        lines += [line(Molecule("C" * rng.randint(1, 30))) for _ in range(20)]
        lines += [line(Protein("".join(rng.choices("ACDEFGHIK", k=30)))) for _ in range(20)]
        lines.append("{broken\n")
        rng.shuffle(lines)
        paths.append(write(tmp_path / f"records{number}.jsonl", *lines))
    return paths


def content(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.parametrize("unit_bytes", [1, 1 << 20])
def test_the_number_of_processes_changes_nothing(tmp_path, monkeypatch, unit_bytes):
    monkeypatch.setattr(building, "_UNIT_BYTES", unit_bytes)
    paths = many(tmp_path)
    options = SentenceOptions(valid_share=0.2, n_augmented=1, n_randomized=1)
    for jobs in (1, 2):
        build(paths, tmp_path / f"corpus{jobs}", BuildOptions(sentences=options, jobs=jobs))
    assert content(tmp_path / "corpus1") == content(tmp_path / "corpus2")


@pytest.mark.usefixtures("small_parts")
def test_a_build_goes_on_where_it_stopped(tmp_path):
    paths = many(tmp_path)
    sentence_options = SentenceOptions(valid_share=0.2, n_randomized=1)
    whole = build(paths, tmp_path / "whole", BuildOptions(sentences=sentence_options))

    class Stop(Exception):  # noqa: N818
        pass

    for n_parts in (1, 5, 11, 20):
        directory = tmp_path / f"stopped{n_parts}"
        n_told = Counter[str]()

        def stop(_: object, counts: Counter[str] = n_told, last: int = n_parts) -> None:
            counts["first"] += 1
            if counts["first"] == last:
                raise Stop

        with pytest.raises(Stop):
            build(paths, directory, BuildOptions(sentences=sentence_options), on_part=stop)
        with pytest.raises(UsageError, match="unfinished"):
            build(paths, directory, BuildOptions(sentences=sentence_options))
        again = []
        report = build(paths, directory, BuildOptions(sentences=sentence_options, resume=True), on_part=again.append)
        assert len(again) < 34
        assert report == whole
        assert content(directory) == content(tmp_path / "whole")


@pytest.mark.usefixtures("small_parts")
def test_a_torn_journal_and_a_part_that_was_being_written_do_no_harm(tmp_path):
    paths = many(tmp_path)
    build(paths, tmp_path / "whole")

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(paths, tmp_path / "torn", on_part=stop)
    (tmp_path / "torn" / "build" / "results" / "1-of-1.jsonl").write_text('{"unit": 0, "n_pa')
    (tmp_path / "torn" / "build" / "parts" / "000000-000001.tmp").write_bytes(b"PK")
    build(paths, tmp_path / "torn", BuildOptions(resume=True))
    assert content(tmp_path / "torn") == content(tmp_path / "whole")


@pytest.mark.usefixtures("small_parts")
def test_shards_that_are_interrupted_give_the_same_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "_UNIT_BYTES", 1)
    paths = many(tmp_path)
    sentence_options = SentenceOptions(valid_share=0.2, n_randomized=1)
    whole = build(paths, tmp_path / "whole", BuildOptions(sentences=sentence_options))
    directory = tmp_path / "corpus"

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    for number in (3, 1, 2):
        options = BuildOptions(sentences=sentence_options, shard=Shard(number, 3))
        with pytest.raises(UsageError, match=r"no build to merge|not finished"):
            merge(directory)
        with suppress(KeyboardInterrupt):
            build_shard(paths, directory, options, on_part=stop)
        build_shard(paths, directory, replace(options, resume=True, jobs=number))
    assert verify(directory / "build").is_complete
    assert merge(directory) == whole
    assert content(directory) == content(tmp_path / "whole")
    assert not (directory / "build").exists()


@pytest.mark.parametrize("unit_bytes", [1, 1 << 20])
@pytest.mark.usefixtures("small_parts")
def test_a_record_that_ends_its_process_is_rejected_alone(tmp_path, monkeypatch, unit_bytes):
    monkeypatch.setattr(building, "_UNIT_BYTES", unit_bytes)
    records = (line(Molecule(smiles)) for smiles in ("CCO", DEADLY, "CN"))
    paths = [*many(tmp_path), write(tmp_path / "records.jsonl", *records)]
    if unit_bytes == 1:
        paths.append(write(tmp_path / DEADLY_FILE, "CCN\n"))
    options = BuildOptions(sentences=SentenceOptions(valid_share=0.2))
    whole = build(paths, tmp_path / "whole", options)
    options = replace(options, jobs=2, rejects=str(tmp_path / "rejects.jsonl"))
    with monkeypatch.context() as patched:
        patched.setattr(building, "Maker", DeadlyMaker)
        report = build(paths, tmp_path / "lost", options)
    n_lost = 2 if unit_bytes == 1 else 1
    assert report.records.used == whole.records.used - n_lost
    assert report.records.rejected.total() == whole.records.rejected.total() + n_lost
    rows = [json.loads(row) for row in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    lost = [row for row in rows if "SIGKILL" in row["reason"]]
    assert [DEADLY in row.get("rejected_text", "") for row in lost] == [True, False][:n_lost]


@pytest.mark.usefixtures("small_parts")
def test_failed_units_are_retried(tmp_path, monkeypatch):
    records = (line(Molecule(smiles)) for smiles in ("CCO", DEADLY, "CN"))
    paths = [*many(tmp_path), write(tmp_path / "records.jsonl", *records)]
    whole = build(paths, tmp_path / "whole")
    options = BuildOptions(jobs=2, shard=Shard(1, 2))
    with monkeypatch.context() as patched:
        patched.setattr(building, "Maker", DeadlyMaker)
        for number in (1, 2):
            build_shard(paths, tmp_path / "lost", replace(options, shard=Shard(number, 2)))
    assert status_of(tmp_path / "lost" / "build").counts == {Outcome.FAILED: 1}
    for number in (1, 2):
        build_shard(paths, tmp_path / "lost", replace(options, shard=Shard(number, 2), retry="failed"))
    assert merge(tmp_path / "lost") == whole
    assert content(tmp_path / "lost") == content(tmp_path / "whole")


def interrupted(tmp_path: Path, source: Path) -> Path:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(source, tmp_path / "corpus", on_part=stop)
    return tmp_path / "corpus"


def test_a_build_goes_on_with_the_same_options_and_sources_only(tmp_path):
    source = write(tmp_path / "a.smi", "CCO\nCCN\n")
    directory = interrupted(tmp_path, source)
    changed = {
        "context_length: 2048 -> 99": BuildOptions(resume=True, context_length=99),
        "sentences.seed: 0 -> 5": BuildOptions(resume=True, sentences=SentenceOptions(seed=5)),
        "read.canonical: False -> True": BuildOptions(resume=True, read=ReadOptions(canonical=True)),
    }
    for name, options in changed.items():
        with pytest.raises(UsageError, match=name):
            build(source, directory, options)
    source.write_text("CCO\nCCN\nCCC\n")
    with pytest.raises(UsageError, match=r"source_bytes\..*a\.smi: 8 -> 12"):
        build(source, directory, BuildOptions(resume=True))
    with pytest.raises(UsageError, match="cannot be read again"):
        build("-", directory, BuildOptions(resume=True))
    build(source, directory, BuildOptions(overwrite=True, sentences=SentenceOptions(valid_share=0.0)))
    assert len(sentences(directory)["molecule"]) == 3
    with pytest.raises(UsageError, match=r"was built differently: options\.valid_share: 0\.0 -> 0\.01"):
        build(source, directory, BuildOptions(resume=True))
    build(source, tmp_path / "other", BuildOptions(resume=True, sentences=SentenceOptions(valid_share=0.0)))
    assert sentences(tmp_path / "other") == sentences(directory)  # nothing was there to go on with


def test_nothing_is_left_of_a_complete_corpus_that_is_built_the_same_way(tmp_path):
    source = write(tmp_path / "a.jsonl", line(Molecule("CCO")), line(Protein("MKV")))
    weights = write(tmp_path / "weights.toml", "molecule = 1\nprotein = 3\n")
    options = BuildOptions(weights=str(weights), sentences=SentenceOptions(valid_share=0.0))
    built = build(source, tmp_path / "corpus", options)
    again = build(source, tmp_path / "corpus", replace(options, resume=True))
    assert again == replace(built, was_finished=True)
    for changed, difference in (
        (replace(options, weights=None), "weights.molecule: 0.25 ->"),
        (replace(options, context_length=99), "context_length: 2048 -> 99"),
        (replace(options, rejects=str(tmp_path / "rejects.jsonl")), "its rejected records were not kept"),
    ):
        with pytest.raises(UsageError, match=difference):
            build(source, tmp_path / "corpus", replace(changed, resume=True))
    more = write(tmp_path / "b.smi", "CCN\n")
    with pytest.raises(UsageError, match=r"sources\..*b\.smi: none ->"):
        build([source, more], tmp_path / "corpus", replace(options, resume=True))
    source.write_text(source.read_text().replace("CCO", "CCS"))  # as many bytes
    with pytest.raises(UsageError, match=r"sources\..*a\.jsonl"):
        build(source, tmp_path / "corpus", replace(options, resume=True))


def test_weights_may_be_given_when_a_build_goes_on(tmp_path):
    source = write(tmp_path / "a.jsonl", line(Molecule("CCO")), line(Protein("MKV")))
    wrong = write(tmp_path / "wrong.toml", "molecule = 1\nprotien = 2\n")
    options = SentenceOptions(valid_share=0.0)
    with pytest.raises(InputError, match="protien") as caught:
        build(source, tmp_path / "corpus", BuildOptions(weights=str(wrong), sentences=options))
    assert "protein" in (caught.value.hint or "")
    right = write(tmp_path / "right.toml", "[weights]\nmolecule = 1\nprotein = 3\n")
    report = build(source, tmp_path / "corpus", BuildOptions(weights=str(right), sentences=options, resume=True))
    assert report.manifest["weights"] == {"molecule": 0.25, "protein": 0.75}


# -- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "molecule = 'x'\n", "molecule = -1\n", "molecule = true\n", "= 3", "weights = 3\n"]
)
def test_weights_that_are_none_are_refused(tmp_path, text):
    with pytest.raises(InputError):
        read_weights(write(tmp_path / "weights.toml", text))


def test_nothing_usable_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no record can be used"):
        build(write(tmp_path / "a.smi", "C1CC\nxx\n"), tmp_path / "corpus")


def test_existing_outputs_are_kept(tmp_path):
    source = write(tmp_path / "a.smi", "CCO\n")
    options = BuildOptions(sentences=SentenceOptions(valid_share=0.0))
    build(source, tmp_path / "corpus", options)
    with pytest.raises(UsageError, match="the corpus exists"):
        build(source, tmp_path / "corpus", options)
    (tmp_path / "other").mkdir()
    write(tmp_path / "other" / "thesis.txt", "precious")
    with pytest.raises(UsageError, match=r"thesis\.txt"):
        build(source, tmp_path / "other", BuildOptions(overwrite=True))
    with pytest.raises(UsageError, match="is a file"):
        build(source, source, options)


def test_two_builds_do_not_share_a_directory(tmp_path):
    source = write(tmp_path / "a.smi", "CCO\n")
    directory = interrupted(tmp_path, source)
    with (
        locked(directory / "build" / "results" / "1-of-1.jsonl", "building"),
        pytest.raises(UsageError, match="another process"),
    ):
        build(source, directory, BuildOptions(resume=True))
    build(source, directory, BuildOptions(resume=True))


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    write(tmp_path / "file", "x")
    with pytest.raises((OutputError, UsageError)):
        build(write(tmp_path / "a.smi", "CCO\n"), tmp_path / "file" / "corpus")


def test_rejected_records_are_written_with_their_reasons(tmp_path):
    source = write(tmp_path / "a.smi", "CCO\nC1CC open\nCN\nxx what\n")
    options = BuildOptions(rejects=str(tmp_path / "rejects.jsonl"), sentences=SentenceOptions(valid_share=0.0))
    report = build(source, tmp_path / "corpus", options)
    rows = [json.loads(row) for row in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [row["source"]["line"] for row in rows] == [2, 4]
    assert all(row["status"] == "error" and row["reason"] for row in rows)
    assert report.records.rejected.total() == 2


def test_sentences_longer_than_the_context_are_counted(tmp_path):
    source = write(tmp_path / "a.fasta", f">a\n{'M' * 300}\n>b\nMKV\n")
    report = build(
        source, tmp_path / "corpus", BuildOptions(context_length=64, sentences=SentenceOptions(valid_share=0))
    )
    assert (report.n_made, report.n_train, report.n_long) == (2, 1, 1)
    rows = {row.domain: row for row in domains_of(Corpus(tmp_path / "corpus"))}
    assert rows["protein"].dropped == {"longer than 64 tokens": 1}


def test_errors_travel_between_processes():
    import pickle

    from logos_cli.grammar import parse as parse_sentence

    with pytest.raises(LogosError) as caught:
        parse_sentence("<ProteinS>m<ProteinE>")
    again = pickle.loads(pickle.dumps(caught.value.at("a:3")))
    assert (again.message, again.source, again.span, again.expected) == (
        caught.value.message,
        "a:3",
        caught.value.span,
        caught.value.expected,  # type: ignore[attr-defined]
    )
    assert again.pretty() == caught.value.pretty()  # type: ignore[attr-defined]

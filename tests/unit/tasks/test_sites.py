"""Ranked sites: what samples say together, residues by the author's numbers, and the files that show them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

from logos_cli import decode, encode, generate
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.errors import LogosError, OutputError, UsageError
from logos_cli.formats.base import WriteOptions, Writer
from logos_cli.formats.structure.write_sites import P2RankResiduesWriter, P2RankWriter, SiteCifWriter
from logos_cli.grammar import parse
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Status
from logos_cli.structure.residues.map import ResidueMap, ResidueName
from logos_cli.structure.residues.places import ResiduePlaces, residue_places, residue_rows
from logos_cli.tasks.site.sites import WIDEST_ANGSTROM, frequencies, rank_probable, rank_sites
from logos_cli.workflows.generate.tally import GenerateTally

_SEQUENCE = "MKTAYIAKQRQISFVK"


def _places(side_chains: list[tuple[float, float, float]]) -> ResiduePlaces:
    positions = np.array(side_chains)
    atoms = [row[None] for row in positions]
    return ResiduePlaces(positions, atoms, positions[np.isfinite(positions).all(axis=1)])


def _on_a_line(*places_angstrom: float) -> ResiduePlaces:
    return _places([(x, 0.0, 0.0) for x in places_angstrom])


# -- ranking -----------------------------------------------------------------------------------------------------


def test_frequencies_are_shares_of_samples() -> None:
    assert frequencies([[0, 2], [2], [2, 3], []], 5).tolist() == [0.25, 0.0, 0.75, 0.25, 0.0]
    assert frequencies([], 2).tolist() == [0.0, 0.0]


def test_residues_that_lie_together_are_a_site_whatever_their_place_in_the_sequence() -> None:
    places = _on_a_line(0, 100, 3, 103, 6, 106, 9)
    votes = [[0, 2, 4, 6], [0, 2, 4, 6], [1, 3, 5], [0, 4]]
    first, second = rank_sites(votes, 7, 0.1, places)
    assert first.members == (0, 2, 4, 6)
    assert second.members == (1, 3, 5)
    assert first.score == pytest.approx(0.75**2 * 2 + 0.5**2 * 2)
    assert second.score == pytest.approx(3 * 0.25**2)
    assert (first.support, second.support) == (0.75, 0.25)


def test_clusters_are_cut_where_they_say() -> None:
    def n_sites(gap_angstrom: float) -> int:
        places = _on_a_line(0, 1, 2, gap_angstrom, gap_angstrom + 1, gap_angstrom + 2)
        return len(rank_sites([[0, 1, 2, 3, 4, 5]], 6, 0.1, places))

    assert n_sites(WIDEST_ANGSTROM - 0.5) == 1
    assert n_sites(WIDEST_ANGSTROM + 0.5) == 2


def test_without_a_structure_residues_that_are_tagged_together_are_a_site() -> None:
    votes = [[0, 5, 9], [0, 5, 9], [0, 5], [2, 7, 12], [2, 7, 12], [2, 7]] * 3
    sites = rank_sites(votes, 13, 0.1)
    assert [site.members for site in sites] == [(0, 5, 9), (2, 7, 12)]
    assert all(site.centre_angstrom is None for site in sites)
    assert [site.support for site in sites] == [0.5, 0.5]


def test_seldom_tagged_and_unseen_residues_belong_to_no_site() -> None:
    votes = [[0, 1, 2, 3]] * 9 + [[0, 1, 2, 4]]
    places = _places([(0, 0, 0), (1, 0, 0), (2, 0, 0), (np.nan,) * 3, (3, 0, 0)])
    (site,) = rank_sites(votes, 5, 0.2, places)
    assert site.members == (0, 1, 2)
    (site,) = rank_sites(votes, 5, 0.05, places)
    assert site.members == (0, 1, 2, 4)


def test_small_groups_are_sites_only_if_there_is_nothing_else() -> None:
    places = _on_a_line(0, 1, 2, 200)
    assert [site.members for site in rank_sites([[0, 1, 2, 3]], 4, 0.1, places)] == [(0, 1, 2)]
    assert [site.members for site in rank_sites([[3]], 4, 0.1, places)] == [(3,)]
    assert rank_sites([[], []], 4, 0.1, places) == []
    assert rank_sites([], 4, 0.1) == []


def test_the_residues_of_a_real_site_stay_together_and_the_centre_lies_at_its_ligand(shared_data: Path) -> None:
    file = shared_data / "complexes" / "posebusters" / "5sd5_HWI.pdb.gz"
    (record,) = [each for each in encode(file) if "HWI:202" in each.id]
    item = decode(record)
    assert isinstance(item, Complex)
    lengths = [len(chain.sequence) for chain in item.chains]
    places = residue_places(record.source, lengths)
    assert places is not None
    assert np.isfinite(places.side_chains).all()
    (chain,) = item.chains
    site, *others = rank_sites([chain.site], sum(lengths), 0.1, places)
    assert site.members == chain.site
    assert not others
    ligand = [
        atom.pos.tolist()
        for residue in gemmi.read_structure(str(file))[0]["A"]
        if residue.name == "HWI" and residue.seqid.num == 202
        for atom in residue
    ]
    assert np.linalg.norm(np.array(ligand) - np.array(site.centre_angstrom), axis=1).min() < 4.0


# -- residues by name -------------------------------------------------------------------------------------------

_SOURCE = {
    "residues": [
        {"chain": "A", "numbers": [-1, 1, 2, 2, 3, 7, 8, None], "insertion": {"3": "A"}},
        {"chain": "B", "numbers": [1, 2, 3]},
    ]
}


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("A:1", [[1], []]),
        ("A:2-3", [[2, 3, 4], []]),
        ("A:2A", [[3], []]),
        ("A:2a-3,B:1", [[3, 4], [0]]),
        ("A:-1,1-2", [[0, 1, 2], []]),
        ("B:1,3", [[], [0, 2]]),
        (" A:7 , A:8 ", [[5, 6], []]),
    ],
)
def test_residues_are_found_by_the_authors_numbers(text: str, positions: list[list[int]]) -> None:
    assert ResidueMap(_SOURCE, [8, 3]).select(text) == positions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A:99", "there is no residue A:99"),
        ("A:2B", "there is no residue A:2B"),
        ("A:-1-1", "there is no residue A:0"),
        ("A:3-7", "there is no residue A:4, A:5, A:6"),
        ("C:1", "there is no residue C:1"),
        ("A:1,B:9", "there is no residue B:9"),
        ("A:3-1", "runs backward"),
        ("45", "names no chain"),
        ("A:x", "names no residues"),
        ("", "names no residues"),
    ],
)
def test_what_names_no_residue_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ResidueMap(_SOURCE, [8, 3]).select(text)


def test_a_sequence_counts_from_one() -> None:
    names = ResidueMap({}, [5])
    assert names.select("1,3-4") == [[0, 2, 3]]
    assert str(names.name((0, 2))) == "3"
    with pytest.raises(UsageError, match="no residue 6") as caught:
        names.select("6")
    assert "the sequence runs from 1 to 5" in (caught.value.hint or "")
    assert ResidueMap({}, [2, 2]).name((1, 0)) == ResidueName("B", 1)


def test_a_map_of_other_chains_is_refused() -> None:
    with pytest.raises(LogosError, match="different chains"):
        ResidueMap(_SOURCE, [8, 4])


# -- the task ----------------------------------------------------------------------------------------------------


def _fake(**options: Any) -> dict[str, Any]:
    return {"backend": "fake", "max_new_tokens": 400, "top_p": 1.0, **options}


def _script(tmp_path: Path, *sites: tuple[int, ...]) -> str:
    path = tmp_path / "script.txt"
    head = f"<ProteinS>{_SEQUENCE}<ProteinE><Search>"
    lines = []
    for site in sites:
        letters = (f"<PocketS>{a}<PocketE>" if i in site else a for i, a in enumerate(_SEQUENCE))
        lines.append(f"{head}<ProteinS>{''.join(letters)}<ProteinE>")
    path.write_text("\n".join(lines))
    return str(path)


def test_samples_become_ranked_sites(tmp_path: Path) -> None:
    model = _script(tmp_path, (1, 2, 3), (9, 10, 12))
    records = list(generate("site", _SEQUENCE, n_samples=30, model=model, **_fake()))
    assert [record.id for record in records] == ["prompt:site1", "prompt:site2"]
    assert {tuple(map(int, _members(record))) for record in records} == {(2, 3, 4), (10, 11, 13)}
    for rank, record in enumerate(records, 1):
        assert record.kind == "search"
        assert record.status is Status.OK
        assert record.scores["rank"]["value"] == rank
        assert (record.sample["n_samples"], record.sample["n_valid"]) == (30, 30)
        assert "logp" not in record.sample
        assert record.extra["site"]["clustered_by"] == "co-occurrence"
        found = decode(record)
        assert isinstance(found, Complex)
        assert [str(place + 1) for place in found.chains[0].site] == _members(record)
        assert Record.from_json(record.to_json()) == record
    assert sum(record.scores["support"]["value"] for record in records) == pytest.approx(1.0)
    (best,) = generate("site", _SEQUENCE, n_samples=30, model=model, top=1, **_fake())
    assert (best.id, best.text, best.extra) == (records[0].id, records[0].text, records[0].extra)


def test_one_pass_gives_the_same_sites_every_time_and_in_any_company() -> None:
    long = _SEQUENCE * 4
    tally = GenerateTally()
    records = list(generate("site", [long, _SEQUENCE], tally=tally, threads=1))
    first, second = ([r for r in records if r.id.startswith(f"prompt:{n}:")] for n in (1, 2))
    (alone,) = generate("site", long, seed=5, threads=1)
    assert alone.text == first[0].text
    assert alone.extra["site"]["frequency"] == first[0].extra["site"]["frequency"]
    assert alone.extra["site"]["clustered_by"] == "none"
    assert len(_members(alone)) == 20
    assert len(_members(second[0])) == 6  # a third of 16
    assert alone.sample["method"] == "one pass"
    assert not {"seed", "temperature"} & set(alone.sample)
    assert str(tally) == "2 requested → 2 answered"
    shares = alone.extra["site"]["frequency"][0]
    kept = [int(member) - 1 for member in _members(alone)]
    assert min(shares[place] for place in kept) >= max(s for place, s in enumerate(shares) if place not in kept)


def test_the_probability_of_a_tag_is_that_of_the_model() -> None:
    """Read token by token: after the copy so far, how likely the tag is where only it or the residue may follow."""
    (record,) = generate("site", _SEQUENCE, threads=1)
    checkpoint = open_model(LoadOptions(device="cpu", threads=1))
    backend, tokenizer = checkpoint.load(), checkpoint.tokenizer
    head = f"<ProteinS>{_SEQUENCE}<ProteinE><Search><ProteinS>"
    backend.reserve(1)
    logits = backend.prefill(0, tokenizer.encode(head))
    expected = []
    for letter in _SEQUENCE:
        (own,) = tokenizer.encode(letter)[-1:]
        other = tokenizer.tag_ids["<PocketS>"]
        expected.append(1 / (1 + np.exp(float(logits[own]) - float(logits[other]))))
        logits = backend.step([0], [own])[0]
    assert record.extra["site"]["frequency"][0] == pytest.approx(expected, abs=2e-4)


def test_likely_residues_that_lie_together_are_a_site() -> None:
    places = _on_a_line(*range(0, 60, 3), *range(500, 530, 3), np.nan, np.nan)
    probabilities = [0.01] * 32
    for place, value in {0: 0.5, 1: 0.4, 2: 0.4, 20: 0.3, 21: 0.3, 22: 0.2, 30: 0.9}.items():
        probabilities[place] = value
    first, second = rank_probable(probabilities, 6, places)
    assert (first.members, second.members) == ((0, 1, 2), (20, 21, 22))
    assert first.score == pytest.approx(0.25 + 0.16 + 0.16)
    assert first.support + second.support == pytest.approx(1.0)
    (alone,) = rank_probable(probabilities, 6)
    assert alone.members == (0, 1, 2, 20, 21, 30)
    assert rank_probable([], 6) == []


def test_a_prompt_with_tags_is_sampled_only() -> None:
    begun = f"<ProteinS>{_SEQUENCE}<ProteinE><Search><ProteinS>MK<PocketS>T<PocketE>"
    with pytest.raises(UsageError, match="cannot read this prompt in one pass"):
        list(generate("site", begun, threads=1))
    assert list(generate("site", begun, n_samples=2, threads=1))


def _members(record: Record) -> list[str]:
    return [residue["residue"] for residue in record.extra["site"]["residues"]]


def test_samples_on_request(tmp_path: Path) -> None:
    records = list(generate("site", _SEQUENCE, n_samples=5, samples=True, **_fake()))
    assert [record.id for record in records] == [f"prompt#000{number}" for number in range(1, 6)]
    assert all(record.sample["options"] == {"method": "model", "samples": True} for record in records)


def test_sites_follow_the_schema(checkout: Path, tmp_path: Path) -> None:
    import jsonschema

    schema = json.loads((checkout / "docs" / "reference" / "record.schema.json").read_text())
    for record in generate("site", _SEQUENCE, n_samples=10, **_fake()):
        jsonschema.validate(record.to_dict(), schema)


def test_prompts_of_a_file_get_their_own_sites(tmp_path: Path) -> None:
    file = tmp_path / "two.fasta"
    file.write_text(f">a\n{_SEQUENCE}\n>b\nMK1\n>c\nMAGGSRLLV\n")
    records = list(generate("site", file, n_samples=6, **_fake()))
    prompts = [record.id.partition(":")[0] for record in records]
    assert list(dict.fromkeys(prompts)) == ["a", "b", "c"]
    assert [record.status for record in records if record.id == "b"] == [Status.ERROR]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_frequency": 1.5}, "min-frequency is 1.5; it must be from 0 to 1"),
        ({"top": 0}, "top is 0; it must be 1 or more"),
        ({"top": "3"}, "must be a whole number"),
        ({"samples": 1}, "must be true or false"),
        ({"to": 3}, "no option 'to'"),
        ({"reference": "x.fasta"}, "have no reference set"),
    ],
)
def test_options_are_checked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        list(generate("site", _SEQUENCE, **_fake(**options)))


# -- files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def ranked(checkout: Path) -> list[Record]:
    """Sites of a structure, sampled at random."""
    example = checkout / "examples" / "complex.cif"
    return list(generate("site", example, n_samples=12, min_frequency=0.5, **_fake(max_new_tokens=2000)))


def _written(writer: type[Writer], records: list[Record], **options: bool) -> str:
    stream = io.StringIO()
    sink = writer(stream, WriteOptions(**options))
    for record in records:
        sink.write(record, decode(record))
    sink.close()
    return stream.getvalue()


def test_p2ranks_predictions(ranked: list[Record]) -> None:
    rows = list(csv.DictReader(io.StringIO(_written(P2RankWriter, ranked))))
    assert len(rows) == len(ranked) > 0
    for row, record in zip(rows, ranked, strict=True):
        assert row["name"] == record.id
        assert int(row["rank"]) == record.scores["rank"]["value"]
        assert float(row["probability"]) == record.scores["support"]["value"]
        assert row["residue_ids"].split() == [name.replace(":", "_") for name in _members(record)]
        centre = [float(row[f"center_{axis}"]) for axis in "xyz"]
        assert centre == record.extra["site"]["centre_angstrom"]
        assert row["sas_points"] == row["surf_atom_ids"] == ""


def test_p2ranks_residues(ranked: list[Record]) -> None:
    rows = list(csv.DictReader(io.StringIO(_written(P2RankResiduesWriter, ranked))))
    by_chain: dict[str, list[float]] = {}
    for record in ranked:
        chain = record.source["residues"][0]["chain"]
        by_chain[chain] = record.extra["site"]["frequency"][0]
    assert [float(row["score"]) for row in rows] == [share for shares in by_chain.values() for share in shares]
    of_a_site = {f"{row['chain']}:{row['residue_label']}" for row in rows if row["pocket"] != "0"}
    assert of_a_site == {name for record in ranked for name in _members(record)}
    assert all(len(row["residue_name"]) == 3 for row in rows)


def test_no_cell_of_p2ranks_tables_is_a_formula(ranked: list[Record]) -> None:
    """The chain and the numbers of a file stay as they are, unless a spreadsheet would run them."""
    (residues,) = ranked[0].source["residues"]
    hostile = replace(
        ranked[0],
        id="=HYPERLINK(1)",
        source={
            **ranked[0].source,
            "residues": [{**residues, "chain": "@SUM", "numbers": [-5, *residues["numbers"][1:]]}],
        },
    )
    for writer in (P2RankWriter, P2RankResiduesWriter):
        for row in csv.reader(io.StringIO(_written(writer, [hostile]))):
            assert not any(cell.startswith(("=", "@", "+", "\t")) for cell in row)
        assert ("@SUM" in _written(writer, [hostile], raw_cells=True)) and "'@SUM" not in _written(
            writer, [hostile], raw_cells=True
        )
    (first, *_) = csv.DictReader(io.StringIO(_written(P2RankResiduesWriter, [hostile])))
    assert (first["chain"], first["residue_label"]) == ("'@SUM", "-5")


def test_b_factors_are_frequencies(ranked: list[Record]) -> None:
    text = _written(SiteCifWriter, ranked)
    document = gemmi.cif.read_string(text)
    assert len(document) == 1
    model = gemmi.make_structure_from_block(document[0])[0]
    wanted: dict[tuple[str, int], float] = {}
    for record in ranked:
        (chain,) = record.source["residues"]
        shares = record.extra["site"]["frequency"][0]
        wanted |= {(chain["chain"], number): share for number, share in zip(chain["numbers"], shares, strict=True)}
    assert max(wanted.values()) > 0
    for chain in model:
        for residue in chain:
            share = wanted.get((chain.name, residue.seqid.num), 0.0)
            assert all(atom.b_iso == pytest.approx(100 * share, abs=0.01) for atom in residue)


def test_what_is_no_ranked_site_is_not_written_as_one(tmp_path: Path) -> None:
    record = Record("x", "site", "<ProteinS>MK<PocketS>V<PocketE><ProteinE>")
    for writer in (P2RankWriter, P2RankResiduesWriter, SiteCifWriter):
        with pytest.raises(OutputError, match="no ranked site"):
            _written(writer, [record])
    (site, *_) = generate("site", _SEQUENCE, n_samples=3, **_fake())
    with pytest.raises(OutputError, match="is on a sequence"):
        _written(SiteCifWriter, [site])
    assert site.id in _written(P2RankWriter, [site])
    broken = replace(site, extra={"site": {**site.extra["site"], "frequency": [[0.1]]}})
    with pytest.raises(OutputError, match="another protein"):
        _written(P2RankWriter, [broken])


def test_a_structure_that_is_gone_or_changed_has_no_places(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "x.cif"
    copy.write_bytes((checkout / "examples" / "complex.cif").read_bytes())
    record = next(iter(encode(copy, form="protein")))
    length = len(parse(record.text).left[0].payload)
    assert residue_places(record.source, [length]) is not None
    copy.write_bytes(copy.read_bytes() + b"# more\n")
    assert residue_places(record.source, [length]) is None
    copy.unlink()
    assert residue_places(record.source, [length]) is None
    assert residue_places({}, [length]) is None


# -- pockets told residue by residue ------------------------------------------------------------------------------


def test_a_pocket_of_a_structure_holds_the_named_residues_of_all_its_chains(shared_data: Path) -> None:
    file = shared_data / "complexes" / "posebusters" / "5sd5_HWI.pdb.gz"
    (record,) = generate("ligand", file, site="A:12,A:30-32", **_fake(max_new_tokens=3))
    chain = parse(record.text.partition("<MoleculeS>")[0]).left[0]
    tagged = Protein.from_block(chain).site
    numbers = record.source["residues"][0]["numbers"]
    assert [numbers[place] for place in tagged] == [12, 30, 31, 32]
    assert record.id.startswith("5sd5_HWI:site")
    (expanded,) = generate("ligand", file, site="A:12", level=3, **_fake(max_new_tokens=3))
    assert "<PocketS>NCC(=O)O<PocketE>" in expanded.text


def test_chains_without_a_named_residue_are_left_out(tmp_path: Path, shared_data: Path) -> None:
    files = sorted((shared_data / "complexes" / "posebusters").glob("*.pdb.gz"))
    for file in files:
        proteins = list(encode(file, form="protein"))
        if len(proteins) > 1:
            break
    source = proteins[1].source["residues"][0]
    (record,) = generate("ligand", file, site=f"{source['chain']}:{source['numbers'][0]}", **_fake(max_new_tokens=3))
    assert record.source["chains"] == [source["chain"]]
    assert record.source["residues"] == [source]
    assert record.text.count("<ProteinS>") == 1


def test_a_pocket_of_a_sequence_or_a_record() -> None:
    (record,) = generate("ligand", "MKVLA", site="2,4-5", **_fake(max_new_tokens=3))
    pocket = "<ProteinS>M<PocketS>K<PocketE>V<PocketS>L<PocketE><PocketS>A<PocketE><ProteinE>"
    assert record.text.startswith(pocket + "<MoleculeS>")
    source = {"residues": [{"chain": "X", "numbers": [10, 11, 12]}]}
    given = Record("r", "protein", "<ProteinS>MKV<ProteinE>", source=source)
    (record,) = generate("ligand", given, site="X:11", **_fake(max_new_tokens=3))
    assert record.text.startswith("<ProteinS>M<PocketS>K<PocketE>V<ProteinE><MoleculeS>")
    for prompt, site in (("MKVLA", "9"), (given, "X:2")):
        with pytest.raises(UsageError, match="there is no residue"):
            list(generate("ligand", prompt, site=site, **_fake()))


# -- expanded sites -----------------------------------------------------------------------------------------------


def test_an_expanded_site_is_checked_against_the_true_one(tmp_path: Path) -> None:
    site = "<ProteinS>MK<PocketS>V<PocketE>L<ProteinE>"
    right = f"{site}<Trans><ProteinS>MK<PocketS>CC(C)[C@H](N)C(=O)O<PocketE>L<ProteinE>"
    wrong = right.replace("CC(C)[C@H]", "C[C@H]")
    for text, status in ((right, Status.OK), (wrong, Status.INVALID)):
        script = tmp_path / "script.txt"
        script.write_text(text)
        (record,) = generate("expanded", site, model=str(script), **_fake())
        assert record.text == text
        assert record.status is status
    assert "is not the site before" in (record.reason or "")
    (record,) = generate("expanded", f"{site}<MoleculeS>CCO<MoleculeE>", **_fake())
    assert record.text.startswith(f"{site}<Trans><ProteinS>MK<PocketS>")
    with pytest.raises(LogosError, match="takes no bare sequence"):
        list(generate("expanded", "MKVL", **_fake()))
    with pytest.raises(UsageError, match="takes no protein"):
        list(generate("expanded", Protein("MKVL"), **_fake()))


# -- pockets by shape ----------------------------------------------------------------------------------------------


def test_the_pockets_of_a_structure_are_its_sites(checkout: Path, tmp_path: Path) -> None:
    import jsonschema

    schema = json.loads((checkout / "docs" / "reference" / "record.schema.json").read_text())
    tally = GenerateTally()
    records = list(generate("site", checkout / "examples" / "complex.cif", tally=tally))
    assert str(tally) == f"1 requested → 1 answered; sites: {len(records)}".partition(";")[0]
    assert tally.results == len(records) > 0
    for rank, record in enumerate(records, 1):
        jsonschema.validate(record.to_dict(), schema)
        assert record.id == f"complex:site{rank}"
        assert record.sample["engine"] == "pocketnet"
        assert "model" not in record.sample
        assert 0 <= record.scores["probability"]["value"] <= 1
        tagged = [residue["residue"] for residue in record.extra["site"]["residues"]]
        assert tagged == _members(record) != []
    again = list(generate("site", checkout / "examples" / "complex.cif"))
    assert [record.to_json() for record in again] == [record.to_json() for record in records]


def _atom_lines(path: Path) -> list[str]:
    text: str = gemmi.read_structure(str(path)).make_pdb_string()
    return [line for line in text.splitlines() if line.startswith("ATOM")]


def test_copies_with_one_chain_name_are_residues_of_their_own(checkout: Path, tmp_path: Path) -> None:
    """Files that were put together repeat chain and numbers; each letter has the atoms of its own copy."""
    lines = _atom_lines(checkout / "examples" / "complex.cif")
    far = [f"{line[:30]}{float(line[30:38]) + 200:8.3f}{line[38:]}" for line in lines]
    (tmp_path / "two.pdb").write_text("\n".join([*lines, "TER", *far, "TER", "END"]) + "\n")
    (record,) = encode(str(tmp_path / "two.pdb"))
    n_letters = len(decode(record).sequence)
    model, rows = residue_rows(record.source, [n_letters])
    assert len(set(rows)) == n_letters
    first, second = (model.positions_of([row]) for row in (rows[0], rows[n_letters // 2]))
    assert second[0, 0] - first[0, 0] == pytest.approx(200, abs=0.01)


def test_a_trace_of_the_chain_has_no_surface(checkout: Path, tmp_path: Path) -> None:
    lines = _atom_lines(checkout / "examples" / "complex.cif")
    (tmp_path / "trace.pdb").write_text("\n".join(line for line in lines if line[12:16] == " CA ") + "\nEND\n")
    (record,) = generate("site", tmp_path / "trace.pdb")
    assert record.status is Status.ERROR
    assert "a trace of the chain has no surface" in (record.reason or "")
    with pytest.raises(LogosError, match="the structure has no ligand") as refused:
        list(generate("ligand", tmp_path / "trace.pdb", **_fake()))
    assert "--site predicted" in str(refused.value.hint)


def test_both_methods_rank_by_shape_and_report_the_tags(checkout: Path) -> None:
    example = checkout / "examples" / "complex.cif"
    by_shape = list(generate("site", example))
    both = list(generate("site", example, method="both", threads=1))
    assert [record.text for record in both] == [record.text for record in by_shape]
    (first, *_) = both[0].extra["site"]["residues"]
    assert set(first) == {"residue", "letter", "score", "tag"}
    assert 0 < first["tag"] < 1


@pytest.mark.parametrize("method", ["geometry", "both"])
def test_a_sequence_has_no_shape(method: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a sequence has no shape"):
        list(generate("site", _SEQUENCE, method=method))
    file = tmp_path / "a.fasta"
    file.write_text(f">a\n{_SEQUENCE}\n")
    (record,) = generate("site", file, method=method)
    assert record.status is Status.ERROR
    assert "a sequence has no shape" in (record.reason or "")
    with pytest.raises(UsageError, match="draws no samples"):
        list(generate("site", file, method=method, n_samples=3))


def test_a_ligand_is_made_for_the_best_pocket(checkout: Path) -> None:
    example = checkout / "examples" / "complex.cif"
    best = next(iter(generate("site", example)))
    (record,) = generate("ligand", example, site="predicted", n_samples=1, keep_invalid=True, **_fake())
    tagged = best.text.partition("<Search>")[2]
    assert record.text.startswith(tagged + "<MoleculeS>")
    with pytest.raises(UsageError, match="needs a structure"):
        list(generate("ligand", _SEQUENCE, site="predicted", **_fake()))


def test_the_structures_of_one_file_are_not_joined(checkout: Path, tmp_path: Path) -> None:
    text = (checkout / "examples" / "complex.cif").read_text()
    first = text.splitlines()[next(n for n, line in enumerate(text.splitlines()) if line.startswith("data_"))]
    (tmp_path / "two.cif").write_text(text + "\n" + text.replace(first, "data_second"))
    records = list(generate("site", tmp_path / "two.cif"))
    assert [record.id for record in records] == [f"two_{first.removeprefix('data_')}:site1", "two_second:site1"]
    assert (
        records[0].text == records[1].text == next(iter(generate("site", checkout / "examples" / "complex.cif"))).text
    )

"""Published protocols: cases from documented layouts, right answers are right, baselines are what they say."""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from logos_cli import registry
from logos_cli.backends.base import LoadOptions
from logos_cli.benchmarks.base import Benchmark, Case
from logos_cli.benchmarks.cdr_h3 import _loops, _plausibility
from logos_cli.docking.options import DockOptions
from logos_cli.errors import FormatError, InputError, MissingError, UsageError
from logos_cli.grammar import Form, emit
from logos_cli.io.selection import Shard
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import material_from_blocks
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record, Status
from logos_cli.report.page import Page
from logos_cli.runs.description import Description
from logos_cli.runs.directory import RunOptions, open_shard
from logos_cli.runs.journal import files_of
from logos_cli.runs.merge import iter_merged
from logos_cli.runs.status import verify
from logos_cli.workflows.bench.tasks import COMMAND, BenchOptions, Progress, Result, require_data, results, run
from logos_cli.workflows.generate.generation import GenerateOptions

PLUGINS = registry.load_all("benchmarks")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def answer(reactants: tuple[str, ...], product: str) -> Record:
    return Record("r", Form.RETROSYNTHESIS, to_text(Reaction(reactants, product), Form.RETROSYNTHESIS))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a directory with a few reactions and frameworks."""
    directory = tmp_path / "data"
    (directory / "uspto50k").mkdir(parents=True)
    (directory / "uspto50k" / "test.csv").write_text(
        "product,reactants\nCCOC(C)=O,CC(=O)Cl.OCC\nCCN,CC=O.N\nc1ccccc1Br,c1ccccc1.BrBr\n"
    )
    (directory / "mofs").mkdir()
    rows = [
        {"nodes": ["[Zn]"], "linkers": ["[O-]C(=O)c1ccc(cc1)C(=O)[O-]"]},
        {"nodes": ["[Co]"], "linkers": ["c1cc(ccn1)c1ccncc1"]},
    ]
    (directory / "mofs" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_a_benchmark_says_what_it_is(name: str) -> None:
    one: Benchmark = PLUGINS[name]
    assert one.name == name
    assert one.help.endswith((".", "?"))
    assert one.task in registry.names("tasks")
    names = [figure.name for figure in one.figures]
    assert len(set(names)) == len(names)
    assert all(figure.help.endswith(".") for figure in one.figures)
    assert all(figure.comparable or figure.remark for figure in one.figures)


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_missing_data_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the data directory has no") as caught:
        list(PLUGINS[name].cases(tmp_path))
    assert caught.value.hint


# -- retrosynthesis ------------------------------------------------------------------------------------------


def test_an_answer_is_right_whatever_way_it_is_written(data: Path) -> None:
    benchmark = PLUGINS["retrosynthesis"]
    case = next(benchmark.cases(data))
    wrong = answer(("CC(=O)O", "OCC"), "CCOC(C)=O")
    right = answer(("C(C)O", "ClC(C)=O"), "CCOC(C)=O")
    broken = Record("r", Form.RETROSYNTHESIS, "", Status.ERROR, "no")
    outcome = benchmark.outcome(case, [broken, wrong, wrong, right])
    assert outcome["rank"] == 2
    figures = benchmark.summarise([outcome, benchmark.outcome(case, [])])
    assert figures["top-1"].value == 0
    assert figures["top-3"].value == 50
    assert figures["answered"].value == 50
    assert (figures["top-3"].low, figures["top-3"].high) == pytest.approx((9.45, 90.55), abs=0.01)  # Wilson's, of two


def test_copying_the_product_is_no_retrosynthesis(data: Path) -> None:
    benchmark = PLUGINS["retrosynthesis"]
    outcomes = [benchmark.baseline(case, data, rng()) for case in benchmark.cases(data)]
    assert len(outcomes) == 3
    assert benchmark.summarise(outcomes)["top-10"].value == 0
    assert benchmark.summarise(outcomes)["answered"].value == 100


def test_mapped_reactions_of_the_usual_release_are_read(tmp_path: Path) -> None:
    (tmp_path / "uspto50k").mkdir()
    path = tmp_path / "uspto50k" / "raw_test.csv"
    path.write_text(
        "id,class,reactants>reagents>production\n"
        "US1,1,[CH3:1][C:2](=[O:3])Cl.[OH:4][CH3:5]>>[CH3:1][C:2](=[O:3])[O:4][CH3:5]\n"
    )
    (case,) = PLUGINS["retrosynthesis"].cases(tmp_path)
    assert case.truth == {"product": "COC(C)=O", "reactants": ["CC(=O)Cl", "CO"]}
    path.write_text("id,class,reactants>reagents>production\nUS1,1,CC\n")
    with pytest.raises(FormatError, match="reactants>reagents>product"):
        list(PLUGINS["retrosynthesis"].cases(tmp_path))


# -- frameworks ----------------------------------------------------------------------------------------------


def framework(nodes: list[str], linkers: list[str]) -> Record:
    return Record("m", Form.MATERIAL, to_text(material_from_blocks(nodes, linkers), Form.MATERIAL))


def test_frameworks_are_valid_novel_and_unique(data: Path) -> None:
    benchmark = PLUGINS["material"]
    case = next(benchmark.cases(data))
    old = framework(["[Zn]"], ["[O-]C(=O)c1ccc(cc1)C(=O)[O-]"])
    crossed = framework(["[Zn]"], ["c1cc(ccn1)c1ccncc1"])
    strange = framework(["[U]"], ["c1cc(ccn1)c1ccncc1"])
    malformed = Record("m", Form.MATERIAL, "<MaterialS><MetalS>", Status.INVALID, "cut")
    outcome = benchmark.outcome(case, [old, crossed, crossed, strange, malformed])
    assert [s["valid"] for s in outcome["samples"]] == [True, True, True, False, False]
    assert [s["novel"] for s in outcome["samples"]] == [False, True, True, True, False]
    figures = benchmark.summarise([outcome])
    assert figures["valid"].value == pytest.approx(60)
    assert figures["valid, novel, unique"].value == pytest.approx(20)  # the repeat does not count
    assert figures["new building block"].value == 0
    isophthalate = framework(["[Zn]"], ["[O-]C(=O)c1cccc(c1)C(=O)[O-]"])
    assert benchmark.outcome(case, [isophthalate])["samples"][0]["new_linker"]
    trivial = benchmark.baseline(case, data, rng())
    assert benchmark.summarise([trivial])["valid"].value == 100


# -- sites ---------------------------------------------------------------------------------------------------


@pytest.fixture
def site_case(shared_data: Path, tmp_path: Path) -> Case:
    directory = tmp_path / "structures"
    (directory / "sites" / "posebusters").mkdir(parents=True)
    shutil.copy(shared_data / "complexes" / "posebusters" / "5sd5_HWI.pdb.gz", directory / "sites" / "posebusters")
    (case,) = PLUGINS["site_posebusters"].cases(directory)
    return replace(case, truth={**case.truth, "data": directory})


def site_record(case: Case, places: tuple[int, ...], centre: list[float], score: float) -> Record:
    prompt = case.prompts[0]
    assert isinstance(prompt.item, Protein)
    text = emit(Complex((Protein(prompt.item.sequence, places),)).to_sentence(Form.SEARCH))
    return Record(
        f"{prompt.id}:site",
        Form.SEARCH,
        text,
        sample={"prompt": prompt.id},
        scores={"score": {"value": score}},
        extra={"site": {"centre_angstrom": centre}},
    )


def test_a_site_at_the_ligand_counts_and_one_elsewhere_does_not(site_case: Case) -> None:
    benchmark = PLUGINS["site_posebusters"]
    ligand = site_case.truth["ligands"][0]
    at = site_record(site_case, (10, 11, 12), ligand.mean(axis=0).tolist(), 1.0)
    away = site_record(site_case, (50, 51, 52), (ligand.mean(axis=0) + 30).tolist(), 2.0)
    met = benchmark.summarise([benchmark.outcome(site_case, [at])])
    assert met["top-n, DCA"].value == met["top-n, DCC"].value == 100
    # the better score is the wrong one: the right one comes second, which n + 2 forgives
    second = benchmark.summarise([benchmark.outcome(site_case, [at, away])])
    assert second["top-n, DCA"].value == 0
    assert second["top-(n+2), DCA"].value == 100
    nothing = benchmark.summarise([benchmark.outcome(site_case, [])])
    assert nothing["top-(n+2), DCA"].value == 0
    assert nothing["answered"].value == 0


def test_residues_near_the_ligand_are_the_right_ones(site_case: Case) -> None:
    benchmark = PLUGINS["site_posebusters"]
    n_residues = len(site_case.prompts[0].item.sequence)
    everything = site_record(site_case, tuple(range(n_residues)), [0.0, 0.0, 0.0], 1.0)
    tp, fp, fn, tn = benchmark.outcome(site_case, [everything])["counts"]
    assert (fn, tn) == (0, 0)
    assert 8 <= tp <= 40
    assert tp + fp == n_residues


def test_random_sites_are_sites(site_case: Case) -> None:
    benchmark = PLUGINS["site_posebusters"]
    outcome = benchmark.baseline(site_case, site_case.truth["data"], rng())
    assert len(outcome["sites"]) == 3
    assert outcome == benchmark.baseline(site_case, site_case.truth["data"], rng())
    page = Page("sites")
    benchmark.illustrate(page, {site_case.id: outcome}, site_case.truth["data"])
    assert "HWI" in page.render()


# -- ligands -------------------------------------------------------------------------------------------------


@pytest.fixture(params=[""])
def pocket(request: pytest.FixtureRequest, shared_data: Path, tmp_path: Path) -> tuple[Path, Case]:
    """One CrossDocked pocket in the documented layout; with the parameter ``pocket10``, its residues alone."""
    pair = shared_data / "complexes" / "crossdocked_test" / "ABL2_HUMAN_274_551_0"
    (tmp_path / "crossdocked").mkdir()
    for path in pair.iterdir():
        if path.name.endswith(".sdf.gz") or ("pocket10" in path.name) == bool(request.param):
            suffix = ".sdf.gz" if ".sdf" in path.name else ".pdb.gz"
            shutil.copy(path, tmp_path / "crossdocked" / f"abl2{suffix}")
    (case,) = PLUGINS["ligand"].cases(tmp_path)
    return tmp_path, case


def ligand_records(case: Case, *ligands: str) -> list[Record]:
    (prompt,) = case.prompts
    assert not isinstance(prompt, Record)
    site = prompt.item
    assert isinstance(site, Complex)
    texts = [to_text(replace(site, ligand=smiles), Form.COMPLEX) for smiles in ligands]
    return [Record("l", Form.COMPLEX, text) for text in texts]


@pytest.mark.slow
@pytest.mark.usefixtures("preloaded_workers")
@pytest.mark.parametrize("pocket", ["pocket10"], indirect=True)
def test_ligands_are_docked_beside_the_reference(pocket: tuple[Path, Case]) -> None:
    _, case = pocket
    benchmark = PLUGINS["ligand"]
    outcome = benchmark.outcome(case, ligand_records(case, "c1ccccc1", "OB(O)c1ccccc1"))
    trivial = benchmark.outcome(case, ligand_records(case, "CCO", "CO", "CC"))
    outcomes = [one | {"reference": "CCCO"} for one in (outcome, trivial)]  # small: the search is short
    benchmark.dock(case, outcomes, DockOptions(exhaustiveness=1, cpu=1))
    assert outcomes[0]["vina"].keys() == {"CCCO", "c1ccccc1", "OB(O)c1ccccc1"}
    assert outcomes[0]["vina"]["c1ccccc1"] < outcomes[0]["vina"]["CCCO"] < 0
    assert outcomes[0]["vina"]["OB(O)c1ccccc1"] is None
    assert "B" in outcomes[0]["reasons"]["OB(O)c1ccccc1"]
    assert len(outcomes[1]["vina"]) == 3  # no more than of the model
    figures = benchmark.summarise(outcomes[:1])
    assert figures["Vina"].value == outcomes[0]["vina"]["c1ccccc1"]
    assert figures["Vina, reference ligand"].value == outcomes[0]["vina"]["CCCO"]
    assert figures["high affinity"].value == 100
    assert figures["Vina"].n == 1


def test_a_pocket_that_cannot_be_docked_to_says_why(pocket: tuple[Path, Case]) -> None:
    directory, case = pocket
    empty = directory / "empty.pdb"
    empty.write_text("HETATM    1  O   HOH A   1       1.000   1.000   1.000  1.00  0.00           O\nEND\n")
    benchmark = PLUGINS["ligand"]
    outcome = benchmark.outcome(case, ligand_records(case, "c1ccccc1"))
    benchmark.dock(replace(case, truth={**case.truth, "receptor": str(empty)}), [outcome], DockOptions(cpu=1))
    assert set(outcome["vina"].values()) == {None}
    assert "protein" in outcome["reasons"]["c1ccccc1"]
    assert benchmark.summarise([outcome])["Vina"].reason == "no ligand was docked"
    del outcome["vina"]
    assert benchmark.summarise([outcome])["Vina"].reason == "not docked: --dock was not given"


def test_ligands_are_measured(pocket: tuple[Path, Case]) -> None:
    directory, case = pocket
    benchmark = PLUGINS["ligand"]
    made = ligand_records(case, "CC(=O)Oc1ccccc1C(=O)O", "OC(=O)c1ccccc1OC(C)=O", "CCCCCC")
    figures = benchmark.summarise([benchmark.outcome(case, [*made, Record("x", "", "", Status.ERROR)])])
    assert figures["valid"].value == 75
    assert figures["unique"].value == pytest.approx(200 / 3)
    assert figures["QED"].value == pytest.approx((2 * 0.550 + 0.463) / 3, abs=0.01)  # RDKit's own values
    assert benchmark.baseline(case, directory, rng())["n"] == 0  # there is no other pocket


# -- protein editing -----------------------------------------------------------------------------------------


@pytest.fixture
def fitness_table(tmp_path: Path) -> Path:
    """Return data with a table in which every tryptophan adds one to the fitness."""
    generator = np.random.default_rng(3)
    rows = ["sequence,fitness"]
    for _ in range(800):
        n_changed = int(generator.integers(0, 13))
        places = set(generator.choice(20, size=n_changed, replace=False).tolist())
        sequence = "".join("W" if place in places else "A" for place in range(20))
        rows.append(f"{sequence},{n_changed}")
    (tmp_path / "table" / "fitness").mkdir(parents=True)
    (tmp_path / "table" / "fitness" / "aav.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "table"


def edit(sequence: str, logp: float, table_logp: float | None = None) -> Record:
    record = Record("e", Form.PROTEIN, to_text(Protein(sequence), Form.PROTEIN), scores={"logp": {"value": logp}})
    if table_logp is not None:
        record.scores["table_logp"] = {"value": table_logp}
    return record


def test_edits_are_judged_by_an_oracle_and_chosen_by_the_model(fitness_table: Path) -> None:
    benchmark = PLUGINS["editing_aav_hard"]
    cases = list(benchmark.cases(fitness_table))
    assert 1 < len(cases) <= 128
    wild_type = cases[0].truth["wild_type"]
    assert wild_type.count("W") <= 4  # below the 30th percentile
    fit = edit("W" * 12 + "A" * 8, -1.0)
    outcome = benchmark.outcome(cases[0], [fit, edit(wild_type, 0.0)])
    assert len(outcome["edits"]) == 1  # the wild type is no edit
    figures = benchmark.summarise([outcome])
    assert figures["fitness"].value > 0.6 > 0.45 > figures["fitness of the start"].value
    assert figures["novelty"].value >= 7
    assert all(sum(map(str.__ne__, wild_type, each["sequence"])) <= 7 for each in outcome["matrix"])
    assert figures["fitness, matrix"].value is not None
    assert figures["fitness, both"].value == figures["fitness"].value  # one edit: every ranking has it first
    worse = benchmark.outcome(cases[1], [edit("A" * 20, -2.0)])
    both = benchmark.summarise([worse, outcome])
    assert both["fitness"].n == 2
    random_edits = benchmark.baseline(cases[0], fitness_table, rng())["edits"]
    assert all(1 <= sum(map(str.__ne__, wild_type, each["sequence"])) <= 7 for each in random_edits)


def test_after_training_the_pool_selects_the_designs_and_without_it_the_model(
    fitness_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logos_cli.benchmarks.editing.N_SEQUENCES", 1)
    benchmark = PLUGINS["editing_aav_hard"]
    case = next(iter(benchmark.cases(fitness_table)))
    fit, poor = "W" * 12 + "A" * 8, "A" * 20
    trained = benchmark.outcome(case, [edit(fit, -9.0, -1.0), edit(poor, -3.0, -4.0)])
    figures = benchmark.summarise([trained])
    assert figures["fitness"].value > 0.6 > 0.4 > figures["fitness, likelihood"].value
    untrained = benchmark.outcome(case, [edit(fit, -9.0), edit(poor, -3.0)])
    figures = benchmark.summarise([untrained])
    assert figures["fitness"].value == figures["fitness, likelihood"].value < 0.4
    assert "Trained on the pool first" in benchmark.remarks([trained])[0]
    assert "Nothing was trained" in benchmark.remarks([untrained])[0]
    assert "1 of 2 cases" in benchmark.remarks([trained, untrained])[0]
    assert benchmark.remarks([benchmark.outcome(case, [])]) == ["There is no edit."]


def test_the_protocol_trains_on_the_pool_and_on_nothing_else(
    fitness_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logos_cli.benchmarks.editing._N_TOKENS_IN_ALL", 1)  # two epochs
    how = GenerateOptions(load=LoadOptions(batch_size=8, offline=True, threads=1))
    options = BenchOptions(
        fitness_table, ("editing_aav_hard",), 2, n_samples=3, generate=how, adapted=tmp_path / "run" / "adapted"
    )
    table = fitness_table / "fitness" / "aav.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:401]) + "\n")
    seen: list[tuple[str, int, int]] = []
    carry_out(options, tmp_path / "run", lambda *progress: seen.append(progress))
    assert ("editing_aav_hard, training", 2, 2) in seen
    rows = [line.split(",") for line in (options.adapted / "editing_aav_hard.csv").read_text().splitlines()[1:]]
    measured = [line.split(",") for line in table.read_text().splitlines()[1:]]
    limit = np.percentile([float(value) for _, value in measured], 30)
    assert len(rows) > 50
    assert max(float(value) for _, value in rows) <= limit < max(float(value) for _, value in measured)
    # the designs are selected by the frequencies of residues in these rows, with one pseudocount for each residue
    distinct = list(dict.fromkeys(sequence for sequence, _ in rows))
    (found,) = results(tmp_path / "run")
    assert "Trained on the pool first" in found.to_dict()["remarks"][0]
    edits = [each for outcome in found.outcomes.values() for each in outcome["edits"]]
    assert edits
    column = [[sequence[place] for sequence in distinct] for place in range(20)]
    for each in edits:
        shares = [
            (column[place].count(letter) + 1) / (len(distinct) + 20) for place, letter in enumerate(each["sequence"])
        ]
        assert each["preference"] == pytest.approx(sum(map(math.log, shares)), abs=1e-3)
        assert each["likelihood"] != each["preference"]
    written = (options.adapted / "editing_aav_hard" / "model.safetensors").stat().st_mtime_ns
    carry_out(replace(options, limit=3), tmp_path / "run")
    assert results(tmp_path / "run")[0].n_cases == 3
    assert (options.adapted / "editing_aav_hard" / "model.safetensors").stat().st_mtime_ns == written


def test_what_cannot_be_trained_is_refused_before_the_run(fitness_table: Path, tmp_path: Path) -> None:
    how = GenerateOptions(load=LoadOptions("model.gguf", offline=True))
    options = BenchOptions(fitness_table, ("editing_aav_hard",), generate=how, adapted=tmp_path)
    with pytest.raises(UsageError, match="cannot be trained on the pool") as caught:
        require_data(options)
    assert caught.value.hint == "--no-adapt measures the model as it is"
    require_data(replace(options, adapted=None))
    assert options.facts()["adapted"]
    assert not replace(options, names=("retrosynthesis",)).facts()["adapted"]  # it trains nothing


# -- antibodies ----------------------------------------------------------------------------------------------

TRASTUZUMAB = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSR"
    "WGGDGFYAMDYWGQGTLVTVSS"
)


def test_loops_are_compared_residue_by_residue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plausible:
        """In the place of AntiBERTy, which takes ten seconds a chain; the scores of antibodies are tested with it."""

        def residue_logps(self, chain: str) -> np.ndarray:
            return np.array([0.0 if letter == "A" else -1.0 for letter in chain])

    monkeypatch.setattr("logos_cli.evaluators.antibodies.antiberty.load_antiberty", Plausible)
    (tmp_path / "antibodies").mkdir()
    rows = [{"heavy": TRASTUZUMAB, "light": None}, {"heavy": "ACDEFGHIKLMNPQRSTVWY"}]
    (tmp_path / "antibodies" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _plausibility.cache_clear()
    _loops.cache_clear()
    benchmark = PLUGINS["cdr_h3"]
    case, other = benchmark.cases(tmp_path)
    changed = TRASTUZUMAB.replace("WGGDGFYAMDY", "WGGAAAAAMDY")
    texts = [to_text(Antibody((chain,)), Form.ANTIBODY) for chain in (changed, TRASTUZUMAB)]
    records = [Record("a", Form.ANTIBODY, text, scores={"delta_logp": {"value": 1.5}}) for text in texts]
    outcome = benchmark.outcome(case, records)
    assert outcome["native"] == "WGGDGFYAMDY"
    assert outcome["designs"] == ["WGGAAAAAMDY", "WGGDGFYAMDY"]
    assert outcome["recovery"] == [pytest.approx(7 / 11), 1.0]
    n_alanines = TRASTUZUMAB.count("A")
    assert outcome["plausibility"] == pytest.approx((n_alanines + 4) / 120 - 1)
    assert outcome["native_plausibility"] == pytest.approx(n_alanines / 120 - 1)
    figures = benchmark.summarise([outcome, benchmark.outcome(other, [])])
    assert figures["recovery, likeliest"].value == pytest.approx(700 / 11)
    assert figures["likelier than native"].value == 100
    assert figures["designed"].value == 50
    assert figures["plausibility, likeliest"].value == pytest.approx((n_alanines + 4) / 120 - 1)
    assert figures["plausibility of the native chain"].value == pytest.approx(n_alanines / 120 - 1)
    assert benchmark.baseline(case, tmp_path, rng()) is None  # there is no other loop
    other_loop = TRASTUZUMAB.replace("WGGDGFYAMDY", "WAADAAYAMDY")
    (tmp_path / "antibodies" / "test.jsonl").write_text(
        "".join(json.dumps({"heavy": chain}) + "\n" for chain in (TRASTUZUMAB, other_loop))
    )
    _loops.cache_clear()
    trivial = benchmark.baseline(case, tmp_path, rng())
    assert trivial["designs"] == ["WAADAAYAMDY"]
    assert trivial["plausibility"] == pytest.approx((n_alanines + 4) / 120 - 1)  # in the framework of the case


def test_without_antiberty_the_other_figures_of_loops_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingError("plausibility needs antiberty")

    monkeypatch.setattr("logos_cli.evaluators.antibodies.antiberty.load_antiberty", missing)
    _plausibility.cache_clear()
    benchmark, case = PLUGINS["cdr_h3"], Case("a", (), {"heavy": TRASTUZUMAB})
    outcome = benchmark.outcome(case, [Record("a", Form.ANTIBODY, to_text(Antibody((TRASTUZUMAB,)), Form.ANTIBODY))])
    _plausibility.cache_clear()
    found = Result(benchmark, 1, benchmark.summarise([outcome]), {}, {"a": outcome}).to_dict()["figures"]
    assert found["recovery"]["model"]["value"] == 100
    assert found["plausibility, likeliest"]["model"]["value"] is None
    assert "pip install 'logos-cli[plausibility]'" in found["plausibility, likeliest"]["model"]["reason"]


# -- a run ---------------------------------------------------------------------------------------------------


@pytest.fixture
def options(data: Path) -> BenchOptions:
    how = GenerateOptions(max_new_tokens=60, load=LoadOptions(batch_size=8, offline=True))
    return BenchOptions(data, ("retrosynthesis",), n_samples=3, generate=how)


WHOLE = Shard()


def carry_out(options: BenchOptions, path: Path, progress: Progress | None = None, shard: Shard = WHOLE) -> list[str]:
    description = Description(COMMAND, options.facts(), tuple(registry.names("benchmarks")), shard.count, "1")
    with open_shard(path, description, RunOptions(shard, resume=True)) as opened:
        return run(options, opened, progress)


def lines(directory: Path) -> list[str]:
    return b"".join(iter_merged(directory)).decode().splitlines()


def test_a_run_goes_on_where_it_stopped(options: BenchOptions, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    seen: list[tuple[str, int, int]] = []
    assert carry_out(options, whole, lambda *progress: seen.append(progress)) == []
    assert seen == [("retrosynthesis", done, 3) for done in range(4)]
    shutil.copytree(whole, part)
    file, _, _ = files_of(part, Shard())
    os.truncate(file, len(lines(whole)[0]) + 20)
    assert results(part)[0].n_cases == 1  # a line that is being written is not read
    carry_out(options, part)
    assert lines(part) == lines(whole)
    assert verify(part).is_complete


def test_a_larger_limit_extends_a_run(options: BenchOptions, tmp_path: Path) -> None:
    carry_out(replace(options, limit=1), tmp_path / "run")
    before = lines(tmp_path / "run")
    carry_out(replace(options, limit=2), tmp_path / "run")
    after = lines(tmp_path / "run")
    assert (len(before), len(after)) == (1, 2)
    assert after[:1] == before
    assert verify(tmp_path / "run").is_complete


def test_shards_make_the_same_whole(options: BenchOptions, tmp_path: Path) -> None:
    carry_out(options, tmp_path / "whole")
    for number in (1, 2):
        carry_out(options, tmp_path / "shards", shard=Shard(number, 2))
    assert lines(tmp_path / "shards") == lines(tmp_path / "whole")
    assert results(tmp_path / "shards")[0].to_dict() == results(tmp_path / "whole")[0].to_dict()


def test_two_protocols_do_not_mix(options: BenchOptions, tmp_path: Path) -> None:
    carry_out(replace(options, limit=1), tmp_path / "run")
    with pytest.raises(UsageError, match=r"arguments\.n_samples: 3 -> 4"):
        carry_out(replace(options, limit=1, n_samples=4), tmp_path / "run")


def test_what_has_no_data_is_left_out_unless_it_was_named(options: BenchOptions, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    left_out = carry_out(replace(options, data=empty, names=()), tmp_path / "run")
    assert len(left_out) == len(PLUGINS)
    with pytest.raises(InputError, match="the data directory has no uspto50k"):
        carry_out(replace(options, data=empty), tmp_path / "run2")
    with pytest.raises(InputError, match="no outcomes"):
        results(tmp_path / "run")


def test_damaged_data_are_named_with_their_line(options: BenchOptions, tmp_path: Path) -> None:
    (options.data / "uspto50k" / "test.csv").unlink()
    with gzip.open(options.data / "uspto50k" / "test.csv.gz", "wt") as stream:
        stream.write("product,reactants\nCC,CC\n")
    with pytest.raises(InputError, match="the data directory has no"):
        carry_out(options, tmp_path / "run")
    (options.data / "uspto50k" / "test.csv").write_text("product,reactants\nC1CC,CC\n")
    with pytest.raises(Exception, match="RDKit rejects") as caught:
        carry_out(options, tmp_path / "run")
    assert "reaction 1" in str(caught.value)

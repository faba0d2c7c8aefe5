"""What tasks are made of: balances, mutations, oracles, scaffolds, framework keys, designs of CDRs."""

from __future__ import annotations

import csv
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from logos_cli.backends.base import CharacterTokenizer
from logos_cli.chemistry.atom_balance import balance
from logos_cli.engine.constraint import Constraint, check_prompt
from logos_cli.errors import InputError, LogosError, MissingError, MoleculeError, UsageError
from logos_cli.grammar import parse
from logos_cli.tasks.design.cdr import Design, parse_lengths, parse_names, plan_design
from logos_cli.tasks.design.mutations import mutations
from logos_cli.tasks.design.oracle import RESIDUES, one_hot, open_oracle
from logos_cli.tasks.material.frameworks import check_node, framework_key
from logos_cli.tasks.molecule.scaffold import contains_scaffold, scaffold_template

_HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "SRWGGDGFYAMDYWGQGTLVTVSS"
)
_LIGHT = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK"


# ---- atoms -----------------------------------------------------------------------------------------------


def test_atoms_that_no_reactant_brings_are_named() -> None:
    made = balance(["CCO"], "CC(=O)OCCCl")
    assert made.missing == (("C", 2), ("O", 1), ("Cl", 1))
    assert made.reason == "the reactants lack atoms of the product: 2 C, 1 O, 1 Cl"
    assert made.economy_percent is None


def test_atom_economy_is_mass_of_the_product_by_mass_of_the_reactants() -> None:
    # esterification: 88.11 / (60.05 + 46.07) g/mol
    made = balance(["CC(=O)O", "CCO"], "CCOC(C)=O")
    assert made.missing == ()
    assert made.economy_percent == pytest.approx(100 * 88.106 / (60.052 + 46.069), abs=0.01)
    assert balance(["C=C", "C=CC=C"], "C1CCC=CC1").economy_percent == pytest.approx(100)


def test_hydrogen_is_given_and_taken_freely() -> None:
    assert balance(["C=C"], "CC").missing == ()
    with pytest.raises(MoleculeError):
        balance(["C(C"], "CC")


def test_published_reactions_balance(shared_data: Path) -> None:
    with lzma.open(shared_data / "reactions" / "uspto50k.csv.xz", "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"][:1000]
    balanced = [not balance(row["reactants"].split("."), row["product"]).missing for row in rows]
    assert np.mean(balanced) > 0.99


# ---- mutations -------------------------------------------------------------------------------------------


def test_mutations_count_from_one() -> None:
    assert mutations("MKTA", "MRTG") == ("K2R", "A4G")
    assert mutations("MKTA", "MKTA") == ()
    assert mutations("MKTA", "MKT") == ("A4del",)


# ---- oracles ---------------------------------------------------------------------------------------------


def test_one_hot_rows_have_twenty_columns_a_residue() -> None:
    rows = one_hot(["AC", "YX"])
    assert rows.shape == (2, 40)
    assert rows.dtype == np.float32
    assert [int(index) for index in np.flatnonzero(rows[0])] == [0, 21]
    assert [int(index) for index in np.flatnonzero(rows[1])] == [RESIDUES.index("Y")]
    with pytest.raises(InputError, match="one length"):
        one_hot(["A", "AC"])


def _command(tmp_path: Path, body: str) -> str:
    script = tmp_path / "oracle.py"
    script.write_text(f"import sys\n{body}\n", encoding="utf-8")
    return f"{sys.executable} {script}"


def test_a_command_reads_sequences_and_writes_numbers(tmp_path: Path) -> None:
    command = _command(tmp_path, "for line in sys.stdin: print(line.count('K') / len(line.strip()))")
    assert open_oracle(command).predict(["KKAA", "AAAA"]) == [0.5, 0.0]


def test_a_command_can_read_fasta(tmp_path: Path) -> None:
    body = "text = sys.stdin.read()\nassert text == '>1\\nKA\\n>2\\nAA\\n', text\nprint('1\\nnan')"
    assert open_oracle(_command(tmp_path, body), "fasta").predict(["KA", "AA"]) == [1.0, None]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.stderr.write('no such table'); sys.exit(7)", r"ended with status 7: no such table"),
        ("print(1)", r"wrote 1 lines for 2 sequences"),
        ("print('1\\nhigh')", r"line 2 is not a number: 'high'"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"ended by signal 9 \(SIGKILL\)"),
        ("sys.stdout.buffer.write(b'\\xff\\n\\xff\\n')", r"output is not text"),
    ],
)
def test_a_command_that_fails_says_how(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(LogosError, match=message):
        open_oracle(_command(tmp_path, body)).predict(["KA", "AA"])


@pytest.mark.parametrize(
    ("text", "input", "message"),
    [
        ("no-such-program-here -x", "auto", "'no-such-program-here' is not found"),
        ("missing.joblib", "auto", "no such model file"),
        ("", "auto", "command is empty"),
        ("'open", "auto", "cannot be parsed"),
        ("cat", "one-hot", "not one-hot rows"),
        ("cat", "letters", "no oracle input 'letters'"),
    ],
)
def test_an_oracle_that_is_none_is_refused_at_once(text: str, input: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_oracle(text, input)  # type: ignore[arg-type]


def test_a_model_learns_measured_fitness_and_ranks_by_it(tmp_path: Path, shared_data: Path) -> None:
    import joblib
    from scipy.stats import spearmanr
    from sklearn.linear_model import Ridge

    with lzma.open(shared_data / "fitness" / "gb1_flip.csv.xz", "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[:2000]
    sequences, fitness = [row["sequence"] for row in rows], [float(row["fitness"]) for row in rows]
    path = tmp_path / "gb1.joblib"
    joblib.dump(Ridge().fit(one_hot(sequences[:1500]), fitness[:1500]), path)
    predicted = open_oracle(str(path), trust_pickle=True).predict(sequences[1500:])
    assert spearmanr(predicted, fitness[1500:]).statistic > 0.4


def test_a_model_may_read_sequences_as_they_are(tmp_path: Path) -> None:
    import joblib
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(CountVectorizer(analyzer="char", lowercase=False), LinearRegression())
    joblib.dump(model.fit(["AK", "KK", "AA"], [1, 2, 0]), tmp_path / "m.pkl")
    oracle = open_oracle(str(tmp_path / "m.pkl"), trust_pickle=True)
    assert oracle.predict(["KA", "KK"]) == pytest.approx([1, 2])
    with pytest.raises(LogosError, match="the oracle fails"):
        open_oracle(str(tmp_path / "m.pkl"), "one-hot", trust_pickle=True).predict(["KA", "KK"])


def test_files_that_hold_no_model_are_refused(tmp_path: Path) -> None:
    import joblib

    joblib.dump({"a": 1}, tmp_path / "table.joblib")
    with pytest.raises(InputError, match=r"holds a dict, which has no predict\(\)"):
        open_oracle(str(tmp_path / "table.joblib"), trust_pickle=True).predict(["A"])
    (tmp_path / "text.pkl").write_text("hello", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be loaded"):
        open_oracle(str(tmp_path / "text.pkl"), trust_pickle=True).predict(["A"])
    # protocol 0: a reference to a class of a package that nobody has
    (tmp_path / "foreign.pkl").write_bytes(b"cno_such_package_at_all\nModel\n.")
    with pytest.raises(MissingError, match="needs the package no_such_package_at_all"):
        open_oracle(str(tmp_path / "foreign.pkl"), trust_pickle=True).predict(["A"])


# ---- scaffolds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scaffold", "template"),
    [
        ("c1ccncc1{X}", "c1ccncc1{X}"),
        ("c1ccncc1[*:1]", "c1ccncc1{X}"),
        ("c1cc([R1])ncc1[R2]", "c1cc({X})ncc1{X}"),
        ("c1ccncc1*", "c1ccncc1{X}"),
        ("O=C(N{X:2,5})c1ccccc1", "O=C(N{X:2,5})c1ccccc1"),
    ],
)
def test_growth_points_are_free_parts(scaffold: str, template: str) -> None:
    assert scaffold_template(scaffold) == template


def test_a_scaffold_without_growth_point_is_refused() -> None:
    with pytest.raises(UsageError, match="no growth point") as caught:
        scaffold_template("c1ccncc1")
    assert "c1ccncc1{X}" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("template", "smiles", "contained"),
    [
        ("c1ccncc1{X}", "c1ccncc1CCO", True),
        ("c1ccncc1{X}", "c1ccccc1CCN", False),
        ("C1=CC=NC=C1{X}", "c1ccncc1CCO", True),
        ("C{X}N", "CCCCN", True),
        ("C{X}N", "CCCC", False),
        ("{X}c1ccccc1", "Cc1ccccc1", True),
        ("O=C(N{X:2,5})c1ccccc1", "O=C(NCC)c1ccccc1", True),
        ("O=C(N{X:2,5})c1ccccc1", "O=C(OCC)c1ccccc1", False),
        ("c1c[nH]cc1{X}", "c1c[nH]cc1C", True),
    ],
)
def test_what_is_fixed_is_looked_for_in_the_molecule(template: str, smiles: str, contained: bool) -> None:
    assert contains_scaffold(smiles, template) is contained


@pytest.mark.parametrize(("template", "message"), [("c1cc{X}", "not a SMILES by itself"), ("{X}{X}", "no fixed part")])
def test_scaffolds_that_mean_nothing_are_refused(template: str, message: str) -> None:
    with pytest.raises(MoleculeError, match=message):
        contains_scaffold("CCO", template)


# ---- frameworks ------------------------------------------------------------------------------------------


def test_the_key_of_a_framework_names_metals_and_linkers() -> None:
    node, linker = "[Zn][O]([Zn])([Zn])[Zn]", "[O-]C(=O)c1ccc(C([O-])=O)cc1"
    key = framework_key(node, [linker, linker])
    assert key == "Zn.KKEYFWRCBNTPAC.MOFkey-v1"  # MOF-5, as the MOFid paper has it
    assert framework_key(node, ["O=C(O)c1ccc(C(=O)O)cc1"]) == key
    assert framework_key("[Cu].[Zn]", ["[O-]C=O", linker]).startswith("Cu.Zn.BDAGIHXWWSANSR.KKEY")
    assert check_node("[Cu][Zn]") == ("Cu", "Zn")


@pytest.mark.parametrize(("node", "reason"), [("[Cu", "not a SMILES"), ("[O][O]", "no metal")])
def test_nodes_that_are_none(node: str, reason: str) -> None:
    with pytest.raises(MoleculeError, match=reason):
        framework_key(node, ["CCO"])


# ---- CDRs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"), [("H3", ("H3",)), ("h1, CDR-H3", ("H1", "H3")), ("H", ("H1", "H2", "H3")), ("CDRL3,L3", ("L3",))]
)
def test_names_of_cdrs(text: str, names: tuple[str, ...]) -> None:
    assert parse_names(text) == names


@pytest.mark.parametrize("text", ["H4", "", "X", "H3,"])
def test_names_that_no_cdr_has(text: str) -> None:
    with pytest.raises(UsageError, match="there is no CDR"):
        parse_names(text)


def test_lengths_of_cdrs() -> None:
    names = ("H1", "H3")
    assert parse_lengths(None, names) == {}
    assert parse_lengths("12", names) == {"H1": (12, 12), "H3": (12, 12)}
    assert parse_lengths("H1:8,cdr-h3:8-20", names) == {"H1": (8, 8), "H3": (8, 20)}
    for text, message in (
        ("8-", "not the length"),
        ("20-8", "smaller to the larger"),
        ("0", "from 1"),
        ("L3:9", "not designed"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_lengths(text, names)


def _walk(design: Design, seed: int) -> str:
    """Let the constraint complete the beginning with random tokens that it permits."""
    tokenizer = CharacterTokenizer()
    constraint = Constraint(tokenizer)
    given = design.beginning[design.grammar_start :]
    matcher = constraint.matcher(design.grammar, given)
    text, generator = design.beginning, np.random.default_rng(seed)
    while not matcher.done:
        token = int(generator.choice(np.flatnonzero(constraint.masks([matcher])[0])))
        matcher.accept(token)
        text += tokenizer.decode([token])
    return text


def test_the_third_loop_of_a_heavy_chain_is_free_and_nothing_else() -> None:
    pytest.importorskip("anarcii")
    design = plan_design([_HEAVY], ["H3"], "imgt", {"H3": (8, 20)})
    before, after = _HEAVY.split("SRWGGDGFYAMDY")
    assert design.beginning == f"<AntibodyS>{before}"
    assert check_prompt(design.grammar, design.beginning)
    seen = set()
    for seed in range(5):
        (block,) = parse(_walk(design, seed)).left
        assert block.payload.startswith(before)
        assert block.payload.endswith(after)
        loops = design.loops_of([block.payload])
        assert loops is not None
        assert 8 <= len(loops["H3"]) <= 20
        assert before + loops["H3"] + after == block.payload
        seen.add(loops["H3"])
    assert len(seen) == 5
    assert design.loops_of([_HEAVY]) == {"H3": "SRWGGDGFYAMDY"}
    assert design.loops_of(["MKT"]) is None


def test_loops_of_both_chains_keep_their_lengths_and_the_heavy_chain_comes_first() -> None:
    pytest.importorskip("anarcii")
    design = plan_design([_LIGHT, _HEAVY], ["L3", "H1", "H3"], "chothia", {})
    assert design.chains == (_HEAVY, _LIGHT)
    assert [loop.name for loop in design.loops] == ["H1", "H3", "L3"]
    assert design.loops_of(design.chains) == {"H1": "GFNIKDT", "H3": "WGGDGFYAMDY", "L3": "QQHYTTPPT"}
    made = [block.payload for block in parse(_walk(design, 1)).left]
    assert list(map(len, made)) == [len(_HEAVY), len(_LIGHT)]
    assert design.loops_of(made) is not None


def test_a_chain_before_the_first_free_loop_is_only_read() -> None:
    pytest.importorskip("anarcii")
    design = plan_design([_HEAVY, _LIGHT], ["L3"], "imgt", {})
    assert design.beginning.startswith(f"<AntibodyS>{_HEAVY}<AntibodyE><AntibodyS>DIQ")
    assert design.grammar_start == len(f"<AntibodyS>{_HEAVY}<AntibodyE>")
    assert parse(_walk(design, 3)).left[0].payload == _HEAVY


@pytest.mark.parametrize(
    ("chains", "names", "message"),
    [
        (["MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQ"], ["H3"], "does not number"),
        ([_HEAVY], ["L3"], "CDR L3 belongs to a light chain, and the antibody has only a heavy chain"),
        ([_HEAVY, _HEAVY], ["H3"], "there are 2 heavy chains"),
        ([_HEAVY, _LIGHT, _LIGHT], ["H3"], "there are 2 light chains"),
    ],
)
def test_antibodies_that_have_no_such_loop(chains: list[str], names: list[str], message: str) -> None:
    pytest.importorskip("anarcii")
    with pytest.raises(InputError, match=message):
        plan_design(chains, names, "imgt", {})

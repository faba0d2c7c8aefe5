"""The records of nano: every form comes out, closed sources and benchmarks do not get in."""

from __future__ import annotations

import gzip
import json
import lzma

import pytest

from logos_cli.grammar import FORMS, parse
from logos_cli.grammar.spec import Kind
from logos_cli.training.corpus.shards import Corpus
from logos_cli.workflows.corpus.corpus import build
from logos_cli.workflows.corpus.options import BuildOptions
from logos_cli.workflows.corpus.sentences import SentenceOptions
from scripts import nano_records as script

CHAIN = "MKTAYIAKQR"
SITE = {"sequence": CHAIN, "labels": "0010010000"}
FILES = {
    "proteins/uniref90_bacteria.fasta": [
        ">UniRef90_A Some kinase [E. coli]",
        "MKVL",
        "AGGH",
        ">UniRef90_B Lyase [X y]",
        "MTT",
    ],
    "proteins/mixed_natural.fasta": [
        ">prokka_is|1 IS3",
        "MADE",
        ">clape_uniprotsmb|2 shut",
        "WWWWW",
        ">flip_pdb_chains|1ABC-A",
        "MKTW",
        ">flip_pdb_chains|2BEN-A",
        "MKYW",
        ">flip_pdb_chains|3CCC-A",
        "MKTV",
    ],
    "proteins/pfam_domains_balifam.fasta": [">P1/1-4 PF00009", "NRIR"],
    "antibodies/antibodies.train.jsonl": [
        {"source": "oas_gv20_human", "heavy": "EVQL", "light": None, "cdrh3": "AR"},
        {"source": "boughter", "heavy": "QVQL", "light": "DIQM"},
        {"source": "harvey_vhh", "heavy": "QVQLVV", "light": None},
        {"source": "nicwulab_S_HA", "heavy": "WWWWW", "light": None},
    ],
    "molecules/molecules.train.smi": ["CCO\tzinc250k\ttrain", "CCN\tzinc250k\tvalid", "CCCl\tmuv\ttrain"],
    "molecules/pdb_ligand_components.tsv": [
        "comp_id\tsmiles\theavy_atoms\texample_pdb",
        "EOH\tCCO\t3\t1ABC",
        "ACT\tCC(=O)O\t4\t1ABC",
        "BNZ\tc1ccccc1\t6\t1ABC",
        "TOL\tCc1ccccc1\t7\t2BEN",
    ],
    "reactions/uspto50k.csv": [
        "split,class,product,reactants",
        "train,1,CCOC(C)=O,CC(=O)Cl.CCO",
        "valid,1,CCNC(C)=O,CC(=O)Cl.CCN",
        "test,1,CCSC(C)=O,CC(=O)Cl.CCS",
    ],
    "reactions/uspto_mit_subset.mapped.csv": [
        "split,mapped_rxn,bond_edits",
        "train,[CH3:1][C:2](=[O:3])[Cl:4].[CH3:5][SH:6].[Na+:9]>>[CH3:1][C:2](=[O:3])[S:6][CH3:5],2-6",
        "train,[CH3:1][C:2](=[O:3])[Cl:4].[CH3:7][CH2:5][SH:6]>>[CH3:1][C:2](=[O:3])[S:6][CH2:5][CH3:7],2-6",
    ],
    "mofs/mofid.train.jsonl": [
        {"nodes": ["[Cu][Cu]"], "linkers": ["[O-]C(=O)c1ccc(cc1)C(=O)[O-]"], "linkers_clean": True},
        {"nodes": ["[Zn][Zn]"], "linkers": ['"[O-]C(=O)CC(=O)[O-]"'], "linkers_clean": True},
        {"nodes": ["[Zn]"], "linkers": ["[N]C"], "linkers_clean": False},
    ],
    "binding_sites/binding_residues.jsonl": [
        {"source": "gpsite_ATP", "split": "train", "ligand": "ATP", **SITE},
        {"source": "gpsite_ZN", "split": "test", "ligand": "ZN", **SITE},
        {"source": "gpsite_ZN", "split": "train", "ligand": "ZN", "sequence": "MDHKMD", "labels": "110000"},
        {"source": "gpsite_DNA", "split": "train", "ligand": "DNA", "sequence": "WWWWW", "labels": "00100"},
        {"source": "yu_ATP", "split": "train", "ligand": "ATP", "sequence": "WWWWW", "labels": "00100"},
    ],
    "binding_sites/pairs_with_ligand.jsonl": [{"source": "gpsite_ATP", "split": "train", "smiles": "CCO", **SITE}],
    "complexes/contacts.jsonl": [
        {
            "source": "crossdocked_test",
            "pdb": "9XYZ",
            "smiles": "CCO",
            "chains": {
                "A": {"sequence": "MDHKMD", "contacts": [{"i": 5}, {"i": 0}, {"i": 5}]},
                "B": {"sequence": "WWWWW", "contacts": []},
            },
        },
        {
            "source": "posebusters",
            "pdb": "8XYZ",
            "smiles": "CCO",
            "chains": {"A": {"sequence": "WWWWW", "contacts": [{"i": 1}]}},
        },
        {
            "source": "plip",
            "pdb": "7XYZ",
            "smiles": None,
            "chains": {"A": {"sequence": "MEME", "contacts": [{"i": 1}]}},
        },
    ],
}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory) -> dict[str, dict[str, list[str]]]:
    """All sentences by split and domain."""
    data, output = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("output")
    for name, lines in FILES.items():
        path = data / f"{name}.xz"
        path.parent.mkdir(exist_ok=True)
        rows = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_bytes(lzma.compress("".join(f"{row}\n" for row in rows).encode()))
    for name in ("pocket_lists/coach420.ds.gz", "posebusters/posebuster_benchmark.txt.gz"):
        path = data / "complexes" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(b"coach420/2benA.pdb\n"))
    script.main(["--data", str(data), "-o", str(output / "records")])
    options = BuildOptions(sentences=SentenceOptions(align=True, n_windows=4))
    report = build(output / "records", output / "corpus", options)
    assert not report.records.rejected
    corpus = Corpus(output / "corpus")
    decode = corpus.vocabulary.decode
    return {
        split: {domain: [decode(ids) for ids in shard] for domain, shard in corpus.shards(split).items()}
        for split in ("train", "valid")
    }


def everything(sentences) -> list[str]:
    return [text for domains in sentences.values() for texts in domains.values() for text in texts]


def test_every_form_comes_out_and_parses(sentences):
    assert {parse(text).form.value for text in everything(sentences)} == set(FORMS)


def test_closed_sources_do_not_get_in(sentences):
    texts = everything(sentences)
    assert not [text for text in texts if "WWWWW" in text or "CCCl" in text]


def test_records_follow_the_split_of_their_origin(sentences):
    train, valid = sentences["train"], sentences["valid"]
    assert valid["molecule"] == [f"{Kind.MOLECULE.start}CCN{Kind.MOLECULE.end}"]
    assert "search_ion" in valid
    assert "search_ion" not in train
    assert [text for text in valid["complex_2"] if "DHKM" in text]
    assert not [text for text in everything({"train": train}) if "DHKM" in text]


def test_chains_are_bound_to_the_component_of_their_entry(sentences):
    """Entries of benchmarks, and components that are too small, give none."""
    bound = [text for text in sentences["train"]["complex_1"] if "MK" in text and "MDHK" not in text]
    assert [parse(text).left[-1].payload for text in bound] == ["c1ccccc1"]
    assert "MKTW" in bound[0]


def test_products_of_the_held_out_reactions_are_not_trained_on(sentences):
    assert not [text for texts in sentences["train"].values() for text in texts if "CCSC(C)=O" in text]
    assert sentences["train"]["reaction_mit"] == [
        "<MoleculeS>CC(=O)Cl<MoleculeE><MoleculeS>CS<MoleculeE><React><MoleculeS>CC(=O)SC<MoleculeE>"
    ]


def test_a_pair_is_also_said_chain_by_chain(sentences):
    texts = everything(sentences)
    heavy, light = (f"{Kind.ANTIBODY.start}{chain}{Kind.ANTIBODY.end}" for chain in ("QVQL", "DIQM"))
    assert {heavy, light, heavy + light} <= set(texts)


def test_stray_quotes_of_a_source_are_no_smiles(sentences):
    texts = [text for domains in sentences.values() for text in domains.get("material", [])]
    assert len(texts) == 2
    assert not [text for text in texts if '"' in text]


def test_the_weights_name_domains_that_there_are(sentences, checkout):
    from logos_cli.workflows.corpus.corpus import read_weights

    # the chains here are too short for windows
    assert set(read_weights(checkout / "scripts" / "nano_weights.toml")) - {"search_window"} >= set(sentences["train"])


def test_groups_stay_on_one_side():
    sides = [script.split_of(f"family {n}", 0.05) for n in range(4000)]
    assert sides == [script.split_of(f"family {n}", 0.05) for n in range(4000)]
    assert sides.count("valid") / len(sides) == pytest.approx(0.05, abs=0.015)

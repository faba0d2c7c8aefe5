"""Chemistry while sampling: what is refused, what is not, and that refusing does not bend the distribution."""

from __future__ import annotations

import lzma
import random
from collections import Counter
from pathlib import Path

import pytest
from rdkit import Chem, rdBase

from logos_cli.backends.base import Backend, CharacterTokenizer, LoadOptions, open_model
from logos_cli.backends.fake import FakeBackend
from logos_cli.chemistry.smiles_prefix import SmilesPrefix
from logos_cli.engine.chemistry import SmilesConstraint
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Finish, Request
from logos_cli.engine.start import in_request_order
from logos_cli.grammar.constrain import grammar
from tests.bench.bench_smiles import mutated

WHOLE = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "c1ccc2c(c1)cccc2",
    "O=c1cc[nH]cc1",
    "c1cccn1C",
    "C[N+](=O)[O-]",
    "CN(=O)=O",
    "c1ccc(cc1)-c1ccccc1",
    "c1ccccc1c1ccccc1",
    "[Na+].[Cl-]",
    "C1CC12CC2",
    "FC(F)(F)c1ccsc1",
    "O=S(=O)(N)c1ccccc1",
    "C%10CCCC%10",
    "F/C=C/F",
    "N[C@@H](C)C(=O)O",
    "c1c[nH]c2c1cccc2",
    "[O-][n+]1ccccc1",
    "C=1CCCC=1",
    "[13CH3]Br",
    "CCl",
    "BrC",
    "c1ccc2cc3ccccc3cc2c1",
    "O=c1[nH]c(=O)c2[nH]cnc2[nH]1",
    "OP(=O)(O)O",
    "[H][H]",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
]


@pytest.mark.parametrize("smiles", WHOLE)
def test_what_rdkit_accepts_is_accepted_at_every_character(smiles: str) -> None:
    prefix = SmilesPrefix()
    assert all(prefix.push(character) for character in smiles)
    assert prefix.complete
    assert not prefix.unsure


def test_real_molecules_are_accepted_however_they_are_written(shared_data: Path) -> None:
    with lzma.open(shared_data / "molecules" / "molecules.train.smi.xz", "rt") as stream:
        lines = [line.split("\t", 1)[0].strip() for line, _ in zip(stream, range(20_000), strict=False)]
    for smiles in random.Random(1).sample(lines, 600):
        shuffled = Chem.MolToSmiles(Chem.MolFromSmiles(smiles), doRandom=True)
        for text in (smiles, shuffled):
            prefix = SmilesPrefix()
            assert all(prefix.push(character) for character in text), text
            assert prefix.complete, text
            assert not prefix.unsure, text


@pytest.mark.parametrize(
    ("smiles", "place"),
    [
        ("C((", 2),
        (")", 0),
        ("=C", 0),
        ("C==", 2),
        ("C(1", 2),
        ("C11", 2),
        ("C1C1", 3),
        ("C=1CC-1", 6),
        ("CF(", 2),
        ("CFC", 2),
        ("C1CF", 3),
        ("N(C)(C)(C)C", 10),
        ("C(=O)(=O)(", 9),
        ("[CX", 2),
        ("[C@@@", 4),
        ("[CH5]", 4),
        ("ccc", 1),
        ("c1ccccc1cc", 9),
        ("C(c1ccccc1c)", 11),
        ("c1cccc1)", 7),
        ("c1cccc1C", 7),
        ("C%1C", 3),
        ("C.)", 2),
        ("C..", 2),
        ("Cr", 1),
        ("Cll", 2),
        ("c1ccn(=C)cc1", 7),
        ("c1ccccc1=O", 9),
        ("c:C", 2),
        ("q", 0),
        ("C1.", 2),
    ],
)
def test_what_cannot_become_valid_is_refused_at_its_place(smiles: str, place: int) -> None:
    prefix = SmilesPrefix()
    taken = 0
    while taken < len(smiles) and prefix.push(smiles[taken]):
        taken += 1
    assert taken == place


@pytest.mark.parametrize("smiles", ["", "C(", "C1CC", "C=", "C(C", "c1cccc1", "C[", "C[N", "C%1", "C."])
def test_what_is_not_whole_is_told(smiles: str) -> None:
    prefix = SmilesPrefix()
    assert all(prefix.push(character) for character in smiles)
    assert not prefix.complete


def test_asking_whether_it_is_complete_changes_nothing() -> None:
    one, other = SmilesPrefix(), SmilesPrefix()
    for character in "O=c1cc[nH]c2c1cccc2C(=O)NC1CC1":
        one.push(character)
        other.push(character)
        assert one.complete == SmilesPrefix(_read(one)).complete
    assert vars(one) == vars(other)


def _read(prefix: SmilesPrefix) -> str:
    whole = "O=c1cc[nH]c2c1cccc2C(=O)NC1CC1"
    return next(whole[:end] for end in range(len(whole) + 1) if vars(SmilesPrefix(whole[:end])) == vars(prefix))


def test_nearly_all_that_rdkit_rejects_is_refused() -> None:
    texts = list(mutated(WHOLE * 60, seed=3))
    accepted = [t for t in texts if not (p := SmilesPrefix(t)).unsure and p.complete]
    with rdBase.BlockLogs():
        wrong = [text for text in accepted if Chem.MolFromSmiles(text) is None]
    assert len(accepted) > 100
    assert len(wrong) < 0.02 * len(texts), wrong


def _chemistry(given: str) -> SmilesConstraint:
    return SmilesConstraint(CharacterTokenizer(), given)


def _accepted(chemistry: SmilesConstraint, text: str) -> str:
    tokenizer = CharacterTokenizer()
    return tokenizer.decode([i for i in tokenizer.encode(text, whole=False) if chemistry.accepts(i)])


def test_a_refused_token_leaves_no_trace() -> None:
    # the refused characters are skipped: the chlorine of "l" would stand after a fluorine
    assert _accepted(_chemistry("<MoleculeS>"), "C)CF(1lC=<MoleculeE>") == "CCF<MoleculeE>"
    chemistry = _chemistry("<MoleculeS>C1CC")
    tokens = CharacterTokenizer()
    end = tokens.tag_ids["<MoleculeE>"]
    assert not chemistry.accepts(end)
    assert _accepted(chemistry, "1<MoleculeE>") == "1<MoleculeE>"


def test_every_molecule_of_an_answer_is_followed_and_metal_nodes_are_not() -> None:
    text = "<MaterialS><MetalS>[Zn](F)(F)(F)(F)(F)(F)F<MetalE><MoleculeS>CFC<MoleculeE><MoleculeS>CN(C)(C)C<MoleculeE>"
    assert _accepted(_chemistry("<MaterialS>"), text).count("<MoleculeE>") == 2
    assert "CFC" not in _accepted(_chemistry("<MaterialS>"), text)
    assert "[Zn](F)(F)(F)(F)(F)(F)F" in _accepted(_chemistry("<MaterialS>"), text)


def test_a_prompt_that_cannot_become_valid_is_followed_to_its_end() -> None:
    chemistry = _chemistry("<MoleculeS>CN(C)(C)C")
    assert _accepted(chemistry, "CC<MoleculeE>") == "CC"


class _Long(CharacterTokenizer):
    """The characters, and tokens of several."""

    pieces = (b"CC", b"c1ccccc1", b"(=O)", b"CF(", b"C(=O)O")

    @property
    def vocabulary(self) -> list[bytes]:
        return [*super().vocabulary, *self.pieces]


def test_tokens_of_several_characters_are_taken_whole_or_not_at_all() -> None:
    tokenizer = _Long()
    first = len(CharacterTokenizer().vocabulary)
    ids = {piece: first + i for i, piece in enumerate(tokenizer.pieces)}
    chemistry = SmilesConstraint(tokenizer, "<MoleculeS>C")
    assert not chemistry.accepts(ids[b"CF("])
    assert chemistry.accepts(ids[b"CC"])
    assert chemistry.accepts(ids[b"c1ccccc1"])
    assert not chemistry.accepts(ids[b"(=O)"])  # five aromatic atoms would be left
    assert chemistry.accepts(ids[b"CC"])
    assert chemistry.accepts(tokenizer.tag_ids["<MoleculeE>"])


# -- in the scheduler ----------------------------------------------------------------------------------------


def _run(backend: Backend, n: int, batch_size: int, **sampling: float) -> list[Completion]:
    ids = tuple(backend.tokenizer.encode("<MoleculeS>"))
    requests = (
        Request(f"x#{k}", ids, grammar=grammar("molecule"), given="<MoleculeS>", chemistry=True) for k in range(n)
    )
    options = Sampling(**{"top_p": 0.9999, "max_new_tokens": 60, **sampling})  # type: ignore[arg-type]
    return list(in_request_order(Engine(backend, options, batch_size=batch_size, seed=2).run(requests)))


def _texts(backend: Backend, done: list[Completion]) -> list[str]:
    return [backend.tokenizer.decode(each.tokens) for each in done]


def test_samples_are_distributed_as_the_model_says_given_that_they_are_valid() -> None:
    # every sentence is as likely as its tokens: C then (C|O|F) …; those with CFC are not valid
    smiles = ["CCC", "COC", "CFC", "CFO", "CNC"]
    backend = FakeBackend([f"<MoleculeS>{each}<MoleculeE>" for each in smiles])
    done = _run(backend, 600, 32)
    counts = Counter(_texts(backend, done))
    assert set(counts) == {f"{each}<MoleculeE>" for each in ("CCC", "COC", "CNC")}
    for count in counts.values():
        assert 150 < count < 250
    assert all(len(each.logps) == len(each.tokens) for each in done)


def test_chemistry_does_not_depend_on_the_batch() -> None:
    backend = FakeBackend([f"<MoleculeS>{each}<MoleculeE>" for each in ("CCC", "CFC", "c1ccccc1", "c1ccc1", "CN")])
    wanted = _run(backend, 40, 64)
    for batch_size in (1, 3, 17):
        assert _run(backend, 40, batch_size) == wanted


def test_where_the_model_knows_only_what_is_invalid_other_tokens_are_drawn() -> None:
    backend = FakeBackend(["<MoleculeS>CFC<MoleculeE>"])
    done = _run(backend, 6, 4, max_new_tokens=200)
    texts = {text.removesuffix("<MoleculeE>") for text in _texts(backend, done)}
    assert texts != {"CFC"}
    assert all(text.startswith("CF") for text in texts)


def test_the_embedded_model_writes_valid_molecules_at_any_batch_size() -> None:
    backend = open_model(LoadOptions(device="cpu", backend="torch")).load()
    wanted = _run(backend, 16, 16, temperature=1.2, top_p=0.85, max_new_tokens=300)
    for text, each in zip(_texts(backend, wanted), wanted, strict=True):
        assert each.finish is Finish.STOP
        assert Chem.MolFromSmiles(text.removesuffix("<MoleculeE>")) is not None, text
    assert _run(backend, 6, 5, temperature=1.2, top_p=0.85, max_new_tokens=300) == wanted[:6]

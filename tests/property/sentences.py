"""Random sentences of every form, as trees, and what can go wrong with their text."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from logos_cli.grammar.spec import RESIDUES, SMILES, TAGS, Block, Form, Kind, Operator, Pocket, Sentence

TAG = re.compile("|".join(map(re.escape, TAGS)))
_SMILES_PIECES = [*sorted(SMILES), "->", "<-", "[Fe]<-", "CC", "c1ccccc1", "<", ">", ">>", "<Trans", "React>", "<Metal"]

residues = st.text(alphabet=sorted(RESIDUES), min_size=1, max_size=10)
smiles = (
    st.lists(st.sampled_from(_SMILES_PIECES), min_size=1, max_size=10)
    .map("".join)
    .filter(lambda text: not TAG.search(text))
)
residue_smiles = smiles.filter(lambda text: not RESIDUES.issuperset(text))

molecule_blocks = smiles.map(lambda text: Block(Kind.MOLECULE, (text,)))
plain_blocks = residues.map(lambda text: Block(Kind.PROTEIN, (text,)))
antibody_blocks = residues.map(lambda text: Block(Kind.ANTIBODY, (text,)))


def _parts(pockets: st.SearchStrategy[Pocket]) -> st.SearchStrategy[tuple[str | Pocket, ...]]:
    """Pieces of a tagged protein: two stretches of letters never touch, one pocket at least."""
    stretch = st.one_of(st.just(""), residues)
    pairs = st.lists(st.tuples(pockets, stretch), min_size=1, max_size=4)
    return st.tuples(stretch, pairs).map(
        lambda found: tuple(part for part in (found[0], *(x for pair in found[1] for x in pair)) if part)
    )


tagged_blocks = _parts(residues.map(Pocket)).map(lambda parts: Block(Kind.PROTEIN, parts))
opened_blocks = _parts(residue_smiles.map(Pocket)).map(lambda parts: Block(Kind.PROTEIN, parts))


def _several(blocks: st.SearchStrategy[Block], max_size: int = 3) -> st.SearchStrategy[tuple[Block, ...]]:
    return st.lists(blocks, min_size=1, max_size=max_size).map(tuple)


def _site(blocks: st.SearchStrategy[Block]) -> st.SearchStrategy[tuple[Block, ...]]:
    """Chains of which one at least is tagged."""
    others = st.lists(st.one_of(plain_blocks, blocks), max_size=2)
    return st.tuples(others, blocks, others).map(lambda found: (*found[0], found[1], *found[2]))


sites, expanded_sites = _site(tagged_blocks), _site(opened_blocks)
materials = st.tuples(smiles, _several(molecule_blocks)).map(
    lambda found: Block(Kind.MATERIAL, (Block(Kind.METAL, (found[0],)), *found[1]))
)


def _complexes(blocks: st.SearchStrategy[tuple[Block, ...]], level: int) -> st.SearchStrategy[Sentence]:
    return st.builds(lambda left, ligand: Sentence(Form.COMPLEX, (*left, ligand), level=level), blocks, molecule_blocks)


BY_FORM: dict[Form, st.SearchStrategy[Sentence]] = {
    Form.PROTEIN: plain_blocks.map(lambda block: Sentence(Form.PROTEIN, (block,))),
    Form.ANTIBODY: _several(antibody_blocks, 2).map(lambda left: Sentence(Form.ANTIBODY, left)),
    Form.MOLECULE: molecule_blocks.map(lambda block: Sentence(Form.MOLECULE, (block,))),
    Form.SITE: sites.map(lambda left: Sentence(Form.SITE, left)),
    Form.EXPANDED: expanded_sites.map(lambda left: Sentence(Form.EXPANDED, left)),
    Form.TRANSFORMATION: st.builds(
        lambda left, right: Sentence(Form.TRANSFORMATION, left, Operator.TRANS, right), sites, expanded_sites
    ),
    Form.SEARCH: st.builds(
        lambda left, right: Sentence(Form.SEARCH, left, Operator.SEARCH, right),
        _several(plain_blocks),
        _several(st.one_of(plain_blocks, tagged_blocks)),
    ),
    Form.COMPLEX: st.one_of(_complexes(_several(plain_blocks), 1), _complexes(sites, 2), _complexes(expanded_sites, 3)),
    Form.MATERIAL: materials.map(lambda block: Sentence(Form.MATERIAL, (block,))),
    Form.REACTION: st.builds(
        lambda left, right: Sentence(Form.REACTION, left, Operator.REACT, (right,)),
        _several(molecule_blocks),
        molecule_blocks,
    ),
    Form.RETROSYNTHESIS: st.builds(
        lambda left, right: Sentence(Form.RETROSYNTHESIS, (left,), Operator.REVERSE_REACT, right),
        molecule_blocks,
        _several(molecule_blocks),
    ),
}

sentences = st.one_of(*BY_FORM.values())


@st.composite
def mutated(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """Draw a text and spoil it: units (tags or characters) deleted, inserted, replaced, swapped, or repeated."""
    units = re.findall(f"{TAG.pattern}|(?s:.)", draw(texts))
    junk = st.one_of(st.sampled_from(TAGS), st.sampled_from(sorted(SMILES)), st.characters(codec="utf-8"))
    for _ in range(draw(st.integers(1, 3))):
        if not units:
            break
        here = draw(st.integers(0, len(units) - 1))
        there = draw(st.integers(0, len(units) - 1))
        match draw(st.sampled_from(["delete", "insert", "replace", "swap", "cut", "repeat"])):
            case "delete":
                del units[here]
            case "insert":
                units.insert(here, draw(junk))
            case "replace":
                units[here] = draw(junk)
            case "swap":
                units[here], units[there] = units[there], units[here]
            case "cut":
                del units[here:]
            case "repeat":
                units[here:here] = units[min(here, there) : max(here, there) + 1]
    return "".join(units)

"""Routes: the search with proposals that are written down, and the stock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

pytest.importorskip("syntheseus")

from logos_cli.errors import InputError, UsageError
from logos_cli.grammar import Form, parse
from logos_cli.workflows.route.proposals import Proposal, product_of
from logos_cli.workflows.route.routing import RouteOptions
from logos_cli.workflows.route.search import Limits, RouteSearch, SingleStep
from logos_cli.workflows.route.stock import Stock, inchikey, skeleton

ESTER, ACID, ALCOHOL, CHLORIDE = "CCOC(C)=O", "CC(=O)O", "CCO", "CC(=O)Cl"
Book = Mapping[str, Sequence[tuple[tuple[str, ...], float]]]


class Proposals:
    """Proposes what a book says, and counts the products."""

    def __init__(self, book: Book) -> None:
        self.book, self.asked = book, list[str]()

    def __call__(self, products: Sequence[str]) -> list[list[Proposal]]:
        self.asked += products
        return [[Proposal(*each) for each in self.book.get(product, ())] for product in products]


def search(book: Book, stock: set[str], target: str = ESTER, **limits: float) -> RouteSearch:
    found = RouteSearch(SingleStep(Proposals(book)), Stock(stock), Limits(**limits), target)  # type: ignore[arg-type]
    found.run()
    return found


def test_the_likelier_route_comes_first_and_ends_in_stock() -> None:
    book = {ESTER: [((ACID, ALCOHOL), 0.5), ((CHLORIDE, ALCOHOL), 0.25)], CHLORIDE: [((ACID,), 0.9)]}
    routes = search(book, {ACID, ALCOHOL}).routes()
    assert [route.n_steps for route in routes] == [1, 2]
    assert [route.probability for route in routes] == pytest.approx([0.5, 0.225])
    assert routes[1].depth == 2
    assert set(routes[1].leaves()) == {ACID, ALCOHOL}
    described = routes[1].to_json()
    assert [step["product"] for step in described["steps"]] == [ESTER, CHLORIDE]
    assert {"smiles": CHLORIDE, "step": 2} in described["steps"][0]["reactants"]
    for step in described["steps"]:
        assert parse(step["text"], Form.RETROSYNTHESIS).left[0].payload == step["product"]


def test_a_route_that_lacks_one_reactant_is_none() -> None:
    found = search({ESTER: [((ACID, ALCOHOL), 1.0)]}, {ACID})
    assert found.routes() == []
    assert found.end == "nothing is left to expand within 6 steps"


def test_the_target_is_never_taken_from_the_stock() -> None:
    assert search({}, {ESTER}).routes() == []
    assert search({ESTER: [((ACID, ALCOHOL), 1.0)]}, {ESTER, ACID, ALCOHOL}).routes()[0].n_steps == 1


def test_no_step_needs_what_it_makes() -> None:
    circle = {ESTER: [((ACID, ALCOHOL), 1.0)], ACID: [((ESTER,), 1.0), (("CC=O",), 0.1)], "CC=O": [((ACID,), 1.0)]}
    found = search(circle, {ALCOHOL})
    assert found.routes() == []
    assert found.n_expanded == 3  # the target, the acid and the aldehyde, each once


@pytest.mark.parametrize("same", ["C[C@H](O)CC", "C[C@@H](O)CC", "CCC(C)O"])
def test_another_stereoisomer_of_the_product_is_no_reactant(same: str) -> None:
    target = "CC[C@H](C)O"
    from logos_cli.chemistry.smiles import canonical_smiles

    reactant = canonical_smiles(same)
    assert search({target: [((reactant,), 1.0)]}, {reactant}, target).routes() == []


def test_limits_end_a_search() -> None:
    chain: Book = {"C" * n + "O": [(("C" * (n + 1) + "O",), 1.0)] for n in range(1, 30)}
    stock = {"C" * 9 + "O"}
    assert search(chain, stock, "CO", depth=8).routes()[0].n_steps == 8
    shallow = search(chain, stock, "CO", depth=7)
    assert shallow.routes() == []
    assert shallow.n_expanded == 7
    few = search(chain, stock, "CO", depth=20, n_expansions=4)
    assert (few.n_expanded, few.end) == (4, "the limit of 4 expansions is reached")
    late = search(chain, stock, "CO", time_s=1e-9)
    assert (late.n_expanded, late.end) == (0, "the time of 1e-09 s is up")


def test_a_search_ends_when_there_are_enough_routes() -> None:
    book = {ESTER: [((ACID, ALCOHOL), 0.5), ((CHLORIDE, ALCOHOL), 0.25)], CHLORIDE: [((ACID,), 0.9)]}
    proposals = Proposals(book)
    found = RouteSearch(SingleStep(proposals), Stock({ACID, ALCOHOL}), Limits(n_routes=1), ESTER)
    found.run()
    assert len(found.routes()) == 1
    assert proposals.asked == [ESTER]


def test_what_was_proposed_is_kept_for_the_next_target() -> None:
    proposals = Proposals({ESTER: [((CHLORIDE, ALCOHOL), 1.0)], CHLORIDE: [((ACID,), 1.0)]})
    model = SingleStep(proposals)
    for target in (ESTER, CHLORIDE):
        RouteSearch(model, Stock({ACID, ALCOHOL}), Limits(), target).run()
    assert proposals.asked == [ESTER, CHLORIDE]


def test_an_interrupted_search_has_what_it_found() -> None:
    class Interrupted(Proposals):
        def __call__(self, products: Sequence[str]) -> list[list[Proposal]]:
            if CHLORIDE in products:
                raise KeyboardInterrupt
            return super().__call__(products)

    book = {ESTER: [((ACID, ALCOHOL), 0.5), ((CHLORIDE, ALCOHOL), 0.5)]}
    found = RouteSearch(SingleStep(Interrupted(book)), Stock({ACID, ALCOHOL}), Limits(), ESTER)
    with pytest.raises(KeyboardInterrupt):
        found.run()
    assert [list(route.leaves()) for route in found.routes()] == [[ACID, ALCOHOL]]


def test_two_equivalents_stay_in_the_sentence() -> None:
    anhydride = "CC(=O)OC(C)=O"
    (route,) = search({anhydride: [((ACID, ACID), 1.0)]}, {ACID}, anhydride).routes()
    (step,) = route.steps()
    assert step.sentence.count(f">{ACID}<") == 2
    assert len(step.reactants) == 1


def test_a_stock_of_smiles_and_of_keys(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("OCC ethanol\n[CH3:1]C(=O)O\nC[NH3+].[Cl-] salt\nCC(\n")
    (tmp_path / "b.txt").write_text(f"inchikey\n{inchikey('c1ccccc1')}\n\n{inchikey('CN')} methylamine\n")
    stock = Stock.read([str(tmp_path / "a.smi"), str(tmp_path / "b.txt")])
    for smiles in (ALCOHOL, ACID, "C[NH3+]", "[Cl-]", "c1ccccc1", "CN"):
        assert smiles in stock
    assert "CCN" not in stock
    assert stock.n_skipped == 1
    assert "RDKit rejects" in stock.first_skipped
    assert [source["path"] for source in stock.sources] == [str(tmp_path / "a.smi"), str(tmp_path / "b.txt")]


def test_a_stock_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    mixed, empty = tmp_path / "mixed.txt", tmp_path / "empty.smi"
    mixed.write_text(f"{inchikey('CN')}\nCCO\n")
    empty.write_text("CC(\n")
    with pytest.raises(InputError, match="'CCO' is no InChIKey") as refused:
        Stock.read([str(mixed)])
    assert refused.value.source == f"{mixed}:2"
    with pytest.raises(InputError, match="no molecule that is not already in it: "):
        Stock.read([str(empty)])


def test_names_of_molecules() -> None:
    assert skeleton("C[C@H](N)C(=O)O") == skeleton("CC([NH3+])C(=O)[O-]") != skeleton("NCCC(=O)O")
    assert product_of("<MoleculeS>[CH3:1]CO<MoleculeE><ReverseReact><MoleculeS>") == ALCOHOL


def test_options_out_of_range() -> None:
    for wrong in ({"top": 0}, {"depth": 0}, {"expansions": 0}, {"time_s": 0.0}):
        with pytest.raises(UsageError):
            RouteOptions(**wrong)  # type: ignore[arg-type]

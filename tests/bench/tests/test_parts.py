"""The figures of a model: likelihoods as the model has them, parts on a small corpus, tables and verdicts."""

from __future__ import annotations

import json
import random
from functools import partial

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from logos_cli.evaluators.statistics import first_occurrences
from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.material import Material
from logos_cli.records import Record, Status
from logos_cli.resources import data_path
from logos_cli.training.corpus.vocabulary import Vocabulary
from tests.bench import figures_nano
from tests.bench.figures import report
from tests.bench.figures.baselines import blosum_scores, mutation_scores
from tests.bench.figures.bench import Bench, HeldOut, Sample, canonical
from tests.bench.figures.fitness import model_scores, read_wild_types
from tests.bench.figures.likelihood import probability_of, token_logps
from tests.bench.figures.losses import domain_losses, losses
from tests.bench.figures.metrics import METRICS, Metric, Verdict, verdict
from tests.bench.figures.reactions import answer_of, as_in_corpus, searched_answers, tops
from tests.bench.figures.samples import form_of, material_of, molecule_figures
from tests.bench.figures.sites import answered_places, held_out_chains, ranking, tag_rates, tagged_places, top
from tests.training_corpora import CorpusWriter

NANO = data_path("tokenizers", "logos-nano")
SITE = f"{Kind.PROTEIN.start}MK{Kind.POCKET.start}HE{Kind.POCKET.end}LL{Kind.PROTEIN.end}"


def block(kind: Kind, payload: str) -> str:
    return f"{kind.start}{payload}{kind.end}"


def search_sentence(rng: random.Random) -> str:
    """A protein whose site is all of its H."""
    left, right = ("".join(rng.choices("ACDEFG", k=8)) for _ in range(2))
    answer = f"{Kind.PROTEIN.start}{left}{Kind.POCKET.start}HH{Kind.POCKET.end}{right}{Kind.PROTEIN.end}"
    return block(Kind.PROTEIN, f"{left}HH{right}") + Operator.SEARCH + answer


@pytest.fixture(scope="module")
def held_out(tmp_path_factory) -> HeldOut:
    directory = tmp_path_factory.mktemp("corpus")
    writer, rng = CorpusWriter(directory, Vocabulary.load(NANO), context_length=200), random.Random(1)
    for split, count in (("valid", 12), ("train", 60)):
        for domain, kind, letters in (("protein", Kind.PROTEIN, "ACDEFGH"), ("molecule", Kind.MOLECULE, "CNO")):
            writer.add(
                domain, split, [block(kind, "".join(rng.choices(letters, k=rng.randint(5, 20)))) for _ in range(count)]
            )
        writer.add("search", split, [search_sentence(rng) for _ in range(count)], Form.SEARCH)
    writer.finish({})
    return HeldOut(directory)


@pytest.fixture(scope="module")
def bench(held_out, tmp_path_factory) -> Bench:
    return Bench(NANO, held_out, tmp_path_factory.mktemp("data"), scale=0.01, device="cpu")


@pytest.fixture(scope="module")
def network():
    return AutoModelForCausalLM.from_pretrained(NANO, local_files_only=True, dtype=torch.float32).eval()


ROWS = [[16, 0, 40, 41, 42, 17], [16, 4, 50], [16, 0, 40, 41, 42, 43, 44, 45, 46, 47, 48, 1, 17]]


@torch.no_grad()
def alone(network, row: list[int]) -> np.ndarray:
    logps = network(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
    return np.array([0.0, *(float(logps[i - 1, row[i]]) for i in range(1, len(row)))])


def test_likelihoods_are_those_of_each_row_alone(network):
    for row, found in zip(ROWS, token_logps(network, ROWS), strict=True):
        assert found == pytest.approx(alone(network, row), abs=1e-4)


def test_a_shared_prefix_changes_no_likelihood(network):
    prefix, rests = [16, 0, 40, 41], [[42, 43, 1], [44], [45, 46, 47, 48, 1, 17]]
    found = token_logps(network, rests, prefix)
    for rest, logps in zip(rests, found, strict=True):
        assert logps == pytest.approx(alone(network, prefix + rest)[len(prefix) :], abs=1e-4)


def test_the_probability_of_a_token_after_each(network):
    (found,) = probability_of(network, ROWS[:1], 41)
    assert found[2] == pytest.approx(np.exp(alone(network, ROWS[0])[3]), abs=1e-6)


def test_losses_stand_beside_their_baselines(bench):
    found = losses(bench)
    assert set(found) == {"protein", "molecule", "search"}
    protein, search = found["protein"], found["search"]
    assert protein["loss"]["value"] == pytest.approx(np.log(protein["perplexity"]["value"]), abs=1e-3)
    # seven letters drawn alike, some tags and the end: no model of single tokens does better than seven a residue
    assert 6 < protein["residue"]["unigram_perplexity"]["value"] < 11
    assert protein["uniform_perplexity"] == 7 + 2 + 2
    assert "answer" not in protein
    # what comes after <Search> repeats what came before it: for the trained model that is no news, for a 5-gram it is
    assert search["answer"]["loss"]["n"] == search["loss"]["n"]
    assert search["answer"]["unigram_perplexity"]["value"] != search["unigram_perplexity"]["value"]


def test_a_fivegram_of_as_much_as_the_model_has_seen(bench, monkeypatch):
    assert "fivegram_of_as_much_perplexity" not in domain_losses(bench, "protein")
    monkeypatch.setattr(bench, "seen", dict([figures_nano.domain_and_tokens("protein=2e2")]))
    found = domain_losses(bench, "protein")
    assert found["fivegram_of_as_much_perplexity"]["value"] > found["fivegram_perplexity"]["value"]
    monkeypatch.setattr(bench, "seen", {"protein": 10**9})
    found = domain_losses(bench, "protein")
    assert found["fivegram_of_as_much_perplexity"] == found["fivegram_perplexity"]


def test_sentences_are_drawn_to_a_number_of_tokens(held_out):
    picked = held_out.picked("protein", 60)
    lengths = [len(held_out.valid["protein"][index]) for index in picked]
    assert sum(lengths) >= 60 > sum(lengths[:-1])
    assert held_out.picked("protein", 60) == picked
    assert len(set(held_out.picked("protein", 10**6))) == 12


def test_a_model_of_another_tokenizer_is_refused(held_out, tmp_path):
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((NANO / name).read_bytes())
    content = json.loads((NANO / "tokenizer.json").read_text(encoding="utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(content, indent=3), encoding="utf-8")
    with pytest.raises(Exception, match="another tokenizer"):
        Bench(tmp_path, held_out, tmp_path)


def test_samples_come_in_the_order_of_their_prompts(bench):
    prompts = [f"{Kind.MOLECULE.start}{text}" for text in ("CCO", "c1ccccc1", "N")]
    made = bench.sample(prompts, 3, 12)
    assert [sample.text.startswith(prompts[i // 3]) for i, sample in enumerate(made)] == [True] * 9
    assert made == bench.sample(prompts, 3, 12)
    assert not all(sample.whole for sample in made)


def test_molecule_figures(bench):
    found = molecule_figures(bench, ["CCO", "OCC", "C1CC", None, "c1ccccc1"])
    values = {name: figure["value"] for name, figure in found.items() if name.endswith("_percent")}
    assert values == {
        "well_formed_percent": 80,
        "valid_percent": 60,
        "unique_of_valid_percent": pytest.approx(66.6667),
        "novel_of_unique_percent": 100,
    }
    assert found["qed_distance"]["value"] > 0


def test_what_counts_as_a_molecule():
    assert canonical("OCC") == "CCO"
    assert canonical("C1CC") is None
    assert canonical("") is None


def test_only_the_first_of_equals_counts():
    assert first_occurrences(["a", None, "b", "a", None]) == [True, False, True, False, False]


def test_a_sample_that_was_cut_has_no_form():
    text = block(Kind.MOLECULE, "CC")
    assert form_of(Sample(text, whole=True)) == "molecule"
    assert form_of(Sample(text, whole=False)) is None
    assert form_of(Sample(text + "C", whole=True)) is None


def test_frameworks_of_samples():
    parts = block(Kind.METAL, "[Zn]") + block(Kind.MOLECULE, "CC(=O)O")
    assert material_of(block(Kind.MATERIAL, parts)) == Material("[Zn]", ("CC(=O)O",))
    assert material_of(parts) is None


def test_reactions_are_compared_canonically():
    reaction = as_in_corpus("OC(C)=O.OCC", "CCOC(C)=O")
    assert (reaction.reactants, reaction.product) == (("CC(=O)O", "CCO"), "CCOC(C)=O")
    product = block(Kind.MOLECULE, reaction.product)
    text = product + Operator.REVERSE_REACT + block(Kind.MOLECULE, "C(O)C") + block(Kind.MOLECULE, "C(C)(=O)O")
    right = answer_of(text, Form.RETROSYNTHESIS)
    assert right == reaction.reactants
    assert answer_of(text[:-3], Form.RETROSYNTHESIS) is None
    wrong = ("C",)
    found = tops(Form.RETROSYNTHESIS, [reaction] * 3, [[wrong, None, wrong, right], [right], [wrong, None]])
    assert [found[f"top_{k}_percent"]["value"] for k in (1, 3)] == pytest.approx([100 / 3, 200 / 3], abs=1e-3)


def test_beams_answer_whole_reactions(bench):
    picked = [as_in_corpus("OC(C)=O.OCC", "CCOC(C)=O")]
    (answers,), valid = searched_answers(bench, Form.REACTION, picked)
    assert len(valid) == 10
    assert 0 < len(answers) == len({answer for answer, _ in answers}) <= sum(valid)


def test_places_of_a_site():
    protein = block(Kind.PROTEIN, "MKHELL")
    sentence = parse(protein + Operator.SEARCH + SITE, Form.SEARCH)
    assert tagged_places(sentence) == {2, 3}
    record = Record("a", Form.SEARCH, sentence.text if hasattr(sentence, "text") else protein + Operator.SEARCH + SITE)
    assert answered_places(record) == {2, 3}
    record.status = Status.INVALID
    assert answered_places(record) == set()


def test_the_highest_scores_are_the_answer():
    assert top(np.array([0.1, 0.9, 0.5, 0.9]), 3) == [1, 3, 2]
    assert top(np.array([0.1, 0.9]), 0) == []


def test_letters_that_are_always_tagged_are_found_by_their_frequency(bench, held_out):
    rates = tag_rates(held_out, "search")
    assert rates["H"] == 1
    assert rates["A"] == 0
    chains = list(held_out_chains(held_out, "search", 12))
    assert all(chain.sequence[place] == "H" for chain in chains for place in chain.site)
    found = ranking(bench, chains, rates)
    assert found["letter_frequency_mcc"]["value"] == 1
    assert -1 <= found["mcc"]["value"] < 1
    assert found["mcc_gain"]["value"] == pytest.approx(found["mcc"]["value"] - 1, abs=1e-3)


def test_scores_of_variants(bench):
    reference, variants = "MKHELL", ["MKHELL", "MRHELL", "WRHELL"]
    assert mutation_scores(variants, reference).tolist() == [0, -1, -2]
    assert blosum_scores(variants, reference).tolist() == [0, 2, 2 - 1]  # K-R is 2, M-W is -1
    tokens = [bench.ids(block(Kind.PROTEIN, f"AC{variant}DE")) for variant in variants]
    whole = [alone(bench.network, list(ids))[4:].sum() for ids in tokens]
    assert model_scores(bench, variants, "AC", "DE") == pytest.approx(whole, abs=1e-3)


def test_wild_types(tmp_path):
    path = tmp_path / "a.fasta"
    path.write_text(">one x=1\nMK\nLL\n>two\nAC\n", encoding="utf-8")
    assert read_wild_types(path) == {"one": "MKLL", "two": "AC"}


def part(bench: Bench, calls: list[str]) -> dict[str, object]:
    calls.append(bench.directory.name)
    return {"figure": {"value": 1.0, "low": 0.5, "high": 1.5, "n": 3}}


def test_parts_are_measured_once(bench, tmp_path, monkeypatch):
    calls: list[str] = []
    monkeypatch.setattr(figures_nano, "PARTS", dict.fromkeys(("one", "two"), partial(part, calls=calls)))
    path = tmp_path / "a.json"
    figures_nano.measure(bench, ["one"], path)
    found = figures_nano.measure(bench, ["one", "two"], path)
    assert len(calls) == 2
    assert json.loads(path.read_text(encoding="utf-8")) == found
    assert found["model"]["n_parameters"] == sum(each.numel() for each in bench.network.parameters())
    figures_nano.measure(bench, ["one"], path, again=True)
    assert len(calls) == 3
    own = figures_nano.measure(bench, ["one", "two"], path, scales={"two": 0.25})
    assert len(calls) == 4
    assert own["scales"] == {"one": bench.scale, "two": 0.25}
    monkeypatch.setattr(bench, "scale", 0.5)
    assert "two" not in figures_nano.measure(bench, ["one"], path)


METRIC = Metric("task", "figure", ("part", "value"), plotted=True)


def family(*values: float, width: float = 0.1, path=("part", "value")) -> list[dict]:
    models = []
    for number, value in enumerate(values, 1):
        found: dict = {"value": value, "low": value - width, "high": value + width, "n": 10}
        for name in reversed(path):
            found = {name: found}
        models.append({"model": {"name": f"size-{number}", "n_parameters": number * 10**6}, **found})
    return models


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 2, 3), Verdict.CONFIRMED),
        ((1, 3, 2), Verdict.DIRECTION),
        ((1, 1.05, 1.1), Verdict.DIRECTION),
        ((3, 2, 1), Verdict.NOT_CONFIRMED),
        ((1, 2, 1), Verdict.NOT_CONFIRMED),
        ((1,), Verdict.OPEN),
    ],
)
def test_what_a_family_says_of_size(values, expected):
    assert verdict(METRIC, family(*values)[::-1]) is expected
    lower = Metric("task", "figure", ("part", "value"), lower=True)
    assert verdict(lower, family(*(-value for value in values))) is expected


def test_a_paired_figure_decides_where_there_is_one():
    models = family(5, 4, 3)
    for number, found in enumerate(models):
        found["gain"] = {"value": number, "low": number - 0.1, "high": number + 0.1, "n": 10}
        found["part"]["value"] |= {"low": 0, "high": 9}
    wide = Metric("task", "figure", ("part", "value"), lower=True)
    paired = Metric("task", "figure", ("part", "value"), lower=True, paired=("gain",))
    assert verdict(wide, models) is Verdict.DIRECTION
    assert verdict(paired, models) is Verdict.CONFIRMED
    assert verdict(Metric("task", "figure", ("part", "value"), judged=False), models) is Verdict.OPEN


@pytest.mark.parametrize(("lower", "best"), [(True, "low"), (False, "high")])
def test_the_best_rival_counts(lower, best):
    rivals = (("low", ("a",)), ("high", ("b",)), ("none", ("c",)))
    metric = Metric("task", "figure", ("x",), rivals, lower=lower)
    found = metric.rival_of([{}, {"a": {"value": 1}, "b": {"value": 2}, "c": {"value": None}}])
    assert found is not None
    assert found[0] == best
    assert metric.rival_of([{}]) is None


def test_every_metric_has_its_own_name_and_place():
    assert len({(metric.task, metric.name) for metric in METRICS}) == len(METRICS)
    assert len({metric.path for metric in METRICS}) == len(METRICS)


VALID = ("molecules", "valid_percent")


def test_editions_stand_side_by_side_where_both_were_measured(tmp_path):
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 1, "high": value + 1, "n": 9}

    before = {"losses": {"molecule": {"perplexity": figure(1.9)}, "search": {"answer": {"perplexity": figure(1.2)}}}}
    now = {
        "losses": {
            "molecule": {"perplexity": figure(1.7)},
            "search": {"perplexity": figure(4.0), "answer": {"perplexity": figure(1.1)}},
            "protein": {"perplexity": figure(17.0)},
        },
        "molecules": {"valid_percent": figure(90.0)},
    }
    card = tmp_path / "README.md"
    card.write_text(f"a\n{report.EDITION_MARKS[0]}\n{report.EDITION_MARKS[1]}\nb\n", encoding="utf-8")
    report.write_editions(card, before, now)
    rows = [line.split(" | ")[0] for line in card.read_text(encoding="utf-8").splitlines()]
    assert rows[4:6] == ["| molecule: perplexity", "| search: perplexity of the answer"]
    assert rows[6:] == [report.EDITION_MARKS[1], "b"]
    card.write_text("without marks", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        report.write_editions(card, before, now)


def test_the_card_keeps_what_stands_around_the_marks(tmp_path):
    card = tmp_path / "README.md"
    card.write_text(f"before\n{report.MARKS[0]}\nold\n{report.MARKS[1]}\nafter\n", encoding="utf-8")
    models = family(80, 90, path=VALID)
    report.write_card(card, models[1], models)
    text = card.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(f"{report.MARKS[1]}\nafter\n")
    assert "| molecules: valid (%) | 90.00 [89.90, 90.10] | 10 |  |" in text
    assert "80.00 [79.90, 80.10] | 90.00 [89.90, 90.10] |  | confirmed |" in text
    assert "old" not in text
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8")) == models[1]
    report.write_card(card, models[1], models)
    assert card.read_text(encoding="utf-8") == text


def test_a_card_without_marks_is_left_alone(tmp_path):
    card = tmp_path / "README.md"
    card.write_text("no marks\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        report.write_card(card, family(1)[0], family(1))
    assert card.read_text(encoding="utf-8") == "no marks\n"


def test_the_page_about_sizes(tmp_path):
    pytest.importorskip("matplotlib")
    models = family(80, 85, 90, path=VALID)
    report.write_scaling(tmp_path, models[::-1])
    text = (tmp_path / "scaling.md").read_text(encoding="utf-8")
    assert "confirmed for 1 of 1 figures" in text
    assert text.index("size-1") < text.index("size-2") < text.index("size-3")
    assert len(json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8"))["models"]) == 3
    drawn = (tmp_path / "scaling.svg").read_bytes()
    assert b"<svg" in drawn
    report.write_scaling(tmp_path, models)
    assert (tmp_path / "scaling.svg").read_bytes() == drawn


def test_numbers_have_the_digits_they_deserve():
    assert [report.short(value) for value in (0.12345, 12.345, 123.45, None)] == ["0.123", "12.35", "123.5", "–"]

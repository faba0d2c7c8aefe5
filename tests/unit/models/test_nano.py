"""The embedded model: loads offline, knows every form, and its card says what the files say."""

from __future__ import annotations

import json
import re

import pytest
import torch

from logos_cli.grammar import parse
from logos_cli.grammar.spec import Kind
from logos_cli.resources import data_path
from tests.bench.figures.report import MARKS, card_text

NANO = data_path("tokenizers", "logos-nano")
# Public sequences: heavy chain of trastuzumab, aspirin, ubiquitin; an esterification; MOF-5.
ANTIBODY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYW"
    "GQGTLVTVSS"
)
UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def block(kind: Kind, payload: str) -> str:
    return f"{kind.start}{payload}{kind.end}"


ASPIRIN = block(Kind.MOLECULE, "CC(=O)Oc1ccccc1C(=O)O")
# Upper bounds in nats a token; a model that knew only which letters exist would need 3.
KNOWN = {
    "antibody": (block(Kind.ANTIBODY, ANTIBODY), 1.2),
    "molecule": (ASPIRIN, 1.2),
    "protein": (block(Kind.PROTEIN, UBIQUITIN), 3.2),
    "retrosynthesis": (
        f"{ASPIRIN}<ReverseReact>{block(Kind.MOLECULE, 'CC(=O)Cl')}{block(Kind.MOLECULE, 'O=C(O)c1ccccc1O')}",
        1.2,
    ),
    "material": (
        block(
            Kind.MATERIAL,
            block(Kind.METAL, "[Zn][O]([Zn])([Zn])[Zn]") + block(Kind.MOLECULE, "O=C([O-])c1ccc(C(=O)[O-])cc1"),
        ),
        0.9,
    ),
}


@pytest.fixture(scope="module")
def model():
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(NANO, local_files_only=True, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(NANO, local_files_only=True)


@pytest.fixture(scope="module")
def card() -> str:
    return (NANO / "README.md").read_text(encoding="utf-8")


def test_configuration_and_tokenizer_agree(model, tokenizer):
    config = model.config
    assert config.model_type == "llama"
    assert config.vocab_size == len(tokenizer)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    ids = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == ids
    generation = model.generation_config
    assert (generation.bos_token_id, generation.eos_token_id, generation.pad_token_id) == ids
    assert config.max_position_embeddings == tokenizer.model_max_length == 2048


def test_the_package_stays_small(card):
    assert sum(path.stat().st_size for path in NANO.iterdir()) < 25e6
    assert not [path.name for path in NANO.iterdir() if path.suffix in {".py", ".bin", ".pt", ".pkl"}]


@pytest.mark.parametrize("form", KNOWN)
def test_a_known_sentence_is_not_a_surprise(model, tokenizer, form):
    text, bound = KNOWN[form]
    assert parse(text).form == form
    ids = torch.tensor([[*tokenizer(text).input_ids, tokenizer.eos_token_id]])
    with torch.no_grad():
        loss = model(input_ids=ids, labels=ids).loss.item()
    assert loss < bound


@pytest.mark.slow
def test_molecules_are_mostly_closed(model, tokenizer):
    torch.manual_seed(1)
    ids = tokenizer(Kind.MOLECULE.start, return_tensors="pt").input_ids
    end = tokenizer.convert_tokens_to_ids(Kind.MOLECULE.end)
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        top_k=0,
        num_return_sequences=16,
        max_new_tokens=150,
        eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
    )
    assert (out == end).any(dim=1).float().mean() > 0.8


def test_the_card_states_the_size(model, card):
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert f"{n_parameters:,} parameters" in card


def test_the_card_holds_the_measured_figures(card, checkout):
    figures = json.loads((NANO / "figures.json").read_text(encoding="utf-8"))
    family = json.loads((checkout / "docs" / "measurements" / "scaling.json").read_text(encoding="utf-8"))["models"]
    between = card.partition(MARKS[0])[2].partition(MARKS[1])[0]
    assert between.strip() == card_text(figures, family)


def test_the_card_names_data_and_licences(card):
    assert card.startswith("---\nlicense: apache-2.0\n")
    for name in ("UniRef90", "Observed Antibody Space", "ZINC250k", "ChEMBL", "USPTO-50K", "CoRE MOF", "GPSite"):
        assert name in card
    assert not re.search(r"\b(VERDICT|RUN_[A-Z]+|TODO)\b", card)

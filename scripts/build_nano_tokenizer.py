"""Write the tokenizer of logos-nano: ``python -m scripts.build_nano_tokenizer [DIRECTORY]``.

Byte-level BPE whose single merge can never apply, so that every byte of a payload is one token; see
``docs/decisions/nano-tokenizer.md``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from logos_cli.grammar import TAGS

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"
SPECIALS: Final = (*TAGS, BOS, EOS, PAD)
CONTEXT_LENGTH: Final = 2048
# 0xC0 occurs in no UTF-8 text: the merge satisfies readers that refuse an empty list, and does nothing.
IDLE_MERGE_BYTE: Final = 0xC0


def byte_characters() -> list[str]:
    """Return the character that stands for each byte in a byte-level BPE vocabulary (GPT-2's table).

    Printable Latin-1 bytes stand for themselves, all others for the characters from U+0100 on, in order.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    unprintable = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(unprintable)) for byte in range(256)]


def tokenizer_json() -> dict[str, Any]:
    """Return the content of ``tokenizer.json``: specials, then the 256 bytes, then the idle merge."""
    characters = byte_characters()
    idle = characters[IDLE_MERGE_BYTE]
    tokens = [*SPECIALS, *characters, idle + idle]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    bos = {"SpecialToken": {"id": BOS, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, "content": tag, **flags} for index, tag in enumerate(SPECIALS)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, first],
            "pair": [bos, first, second],
            "special_tokens": {BOS: {"id": BOS, "ids": [tokens.index(BOS)], "tokens": [BOS]}},
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [[idle, idle]],
        },
    }


def tokenizer_config_json() -> dict[str, Any]:
    """Return the content of ``tokenizer_config.json``."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT_LENGTH,
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "additional_special_tokens": list(TAGS),
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
    }


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tokenizers" / "logos-nano"
    directory.mkdir(parents=True, exist_ok=True)
    files = {"tokenizer.json": tokenizer_json(), "tokenizer_config.json": tokenizer_config_json()}
    for name, content in files.items():
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

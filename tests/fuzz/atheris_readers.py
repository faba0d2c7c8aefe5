"""Coverage-guided fuzzing of one reader, the grammar, records, or a language of options (needs atheris).

    python tests/fuzz/atheris_readers.py --list
    python tests/fuzz/atheris_readers.py chem -max_total_time=600
    python tests/fuzz/atheris_readers.py scaffold -max_total_time=600

Further arguments go to libFuzzer. The corpus is kept in ``build/fuzz/NAME``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

with atheris.instrument_imports(include=["logos_cli"]):
    from check import LANGUAGE_SEEDS, LANGUAGES, check_grammar, check_language, check_reader

    from logos_cli import registry

    for layer in ("formats", "objects"):
        registry.load_all(layer)

from seeds import seeds

TARGETS = ("grammar", *LANGUAGES, *registry.names("formats"))


def main() -> None:
    """Write the seeds as the first corpus and run."""
    if sys.argv[1:] == ["--list"]:
        print("\n".join(TARGETS))
        return
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(TARGETS)} [LIBFUZZER ARGUMENTS]")
    name = sys.argv.pop(1)
    corpus = HERE.parent.parent / "build" / "fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    first = {"seed": LANGUAGE_SEEDS[name].encode()} if name in LANGUAGES else seeds()
    for seed, content in first.items():
        (corpus / seed).write_bytes(content)

    def one(content: bytes) -> None:
        text = content.decode("utf-8", "replace")
        if name == "grammar":
            check_grammar(text)
        elif name in LANGUAGES:
            check_language(name, text)
        else:
            check_reader(name, content)

    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={corpus}-", *sys.argv[1:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

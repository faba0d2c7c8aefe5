"""The same from Python: encode, look inside, decode, generate."""

from __future__ import annotations

from pathlib import Path

from logos_cli import decode, encode, generate, parse

HERE = Path(__file__).resolve().parent

for record in encode(HERE / "molecules.smi", canonical=True):
    if record.status == "ok":
        print(f"{record.id:15} {decode(record)}")
    else:
        print(f"{record.id:15} {record.status}: {record.reason}")

sentence = parse("<ProteinS>MKTAY<PocketS>I<PocketE>AKQR<ProteinE><MoleculeS>CCO<MoleculeE>")
print(sentence.form, "at level", sentence.level)
for block in sentence.left:
    print(" ", block.kind, block.payload, [pocket.payload for pocket in block.pockets])

for record in generate("molecule", n_samples=2, seed=1, max_new_tokens=30):
    print(record.id, record.status, record.text)

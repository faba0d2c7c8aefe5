"""Write FASTA."""

from __future__ import annotations

from logos_cli.errors import UsageError
from logos_cli.formats.base import Writer
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record

_WIDTH = 80


class FastaWriter(Writer):
    """Proteins, the chains of antibodies, and the protein chains of sites and complexes.

    Antibody chains are named ``id|heavy`` and ``id|light``, which the reader pairs. The chains of a complex are named
    ``id|A`` by the chain names of the record's source, or by number.
    """

    suffixes = (".fasta", ".fa", ".faa", ".fas")

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the chains of one object."""
        name = record.id or "record"
        if isinstance(item, Protein):
            chains = [(name, item.sequence)]
        elif isinstance(item, Antibody):
            kinds = ("heavy", "light")
            pair = len(item.chains) > 1
            chains = [
                (f"{name}|{kind}" if pair else name, chain) for kind, chain in zip(kinds, item.chains, strict=False)
            ]
        elif isinstance(item, Complex):
            sequences = [chain.sequence for chain in item.chains]
            names = _chain_names(record, len(sequences))
            chains = [(f"{name}|{chain}", sequence) for chain, sequence in zip(names, sequences, strict=True)]
            if len(chains) == 1 and not _named_chains(record):
                chains = [(name, sequences[0])]
        else:
            kind = type(item).__name__.lower()
            raise UsageError(f"a {kind} has no sequence for FASTA", hint="write it --to smi, sdf, csv or json")
        description = str(record.source.get("description", ""))
        for header, sequence in chains:
            title = " ".join(f"{header} {description}".split())
            wrapped = "\n".join(sequence[start : start + _WIDTH] for start in range(0, len(sequence), _WIDTH))
            self.stream.write(f">{title}\n{wrapped}\n")


def _named_chains(record: Record) -> list[str]:
    """Return the chain names in the record's source."""
    chains = record.source.get("chains")
    if isinstance(chains, list) and all(isinstance(chain, str) for chain in chains):
        return chains
    chain = record.source.get("chain")
    return [chain] if isinstance(chain, str) else []


def _chain_names(record: Record, count: int) -> list[str]:
    names = _named_chains(record)
    return names if len(names) == count else [str(number) for number in range(1, count + 1)]

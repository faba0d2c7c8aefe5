"""Read and write inputs of structure predictors: AlphaFold 3 (JSON), Boltz (YAML) and Chai (FASTA)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from logos_cli.errors import InputError
from logos_cli.formats.base import Entry, Format, ReadOptions, Writer
from logos_cli.formats.predictor.kinds import kind_of
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.records import Source

if TYPE_CHECKING:
    from logos_cli.formats.predictor.job import Job


class PredictorFormat(Format):
    """Chains and ligands for the prediction of a structure.

    A ligand gives a complex with all protein chains, at level 1 unless the input states a pocket; chains without ligands
    are proteins. Parts that no sentence can hold (nucleic acids, modified residues, covalent bonds, alignments) are noted.
    """

    name = "predictor"
    suffixes = (".yaml", ".yml")

    def sniff(self, head: bytes) -> float:
        """Recognise the keys of JSON and YAML, or headers of the form KIND|NAME."""
        return 0.97 if kind_of(head) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield the complexes, proteins or molecules of each job.

        Raises
        ------
        InputError
            If the file is no JSON or YAML.
        """
        from logos_cli.formats.predictor.entries import job_entries

        kind = kind_of(source.head)
        if kind is None:
            raise InputError(
                "the file does not begin like an input of a structure predictor", source=source.name, hint="check it"
            )
        reader: Callable[[str, str], Iterator[Job]] = getattr(
            import_module(f"logos_cli.formats.predictor.{kind}"), f"read_{kind}"
        )
        ids = UniqueIds(source.stem)
        for number, job in enumerate(reader(source.read().decode("utf-8", "replace"), source.name), 1):
            place: Source = {**source.provenance, "format": kind, "record": number}
            yield from job_entries(job, options, place, source.stem, ids)

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of the three inputs."""
        from logos_cli.formats.predictor.write import AlphaFold3Writer, BoltzWriter, ChaiWriter

        return {"alphafold3": AlphaFold3Writer, "boltz": BoltzWriter, "chai": ChaiWriter}


PLUGIN = PredictorFormat()

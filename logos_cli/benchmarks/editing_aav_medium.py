"""Protein editing of Packaging of AAV capsids, medium pool."""

from logos_cli.benchmarks._editing import EditingBenchmark
from logos_cli.evaluators._protein_editing import Pool

PLUGIN = EditingBenchmark("aav", "Packaging of AAV capsids", Pool.MEDIUM)

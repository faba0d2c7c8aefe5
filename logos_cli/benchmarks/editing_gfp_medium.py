"""Protein editing of Brightness of GFP, medium pool."""

from logos_cli.benchmarks._editing import EditingBenchmark
from logos_cli.evaluators._protein_editing import Pool

PLUGIN = EditingBenchmark("gfp", "Brightness of GFP", Pool.MEDIUM)

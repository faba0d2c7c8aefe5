"""Protein editing of Brightness of GFP, hard pool."""

from logos_cli.benchmarks._editing import EditingBenchmark
from logos_cli.evaluators._protein_editing import Pool

PUBLISHED = {"LOGOS-1B": 0.91, "LOGOS-3B": 0.93, "LOGOS-8B": 0.93, "GGS": 0.34}

PLUGIN = EditingBenchmark("gfp", "Brightness of GFP", Pool.HARD, PUBLISHED)

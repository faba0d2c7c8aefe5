"""Protein editing of Packaging of AAV capsids, hard pool."""

from logos_cli.benchmarks._editing import EditingBenchmark
from logos_cli.evaluators._protein_editing import Pool

PUBLISHED = {"LOGOS-1B": 0.69, "LOGOS-3B": 0.70, "LOGOS-8B": 0.70, "GGS": 0.33}

PLUGIN = EditingBenchmark("aav", "Packaging of AAV capsids", Pool.HARD, PUBLISHED)

"""Binding sites of HOLO4K."""

from logos_cli.benchmarks._sites import SiteBenchmark

PLUGIN = SiteBenchmark(
    "holo4k",
    "HOLO4K",
    {"LOGOS-1B": 58.0, "LOGOS-3B": 58.2, "LOGOS-8B": 58.5, "MetaPocket 2": 57.9},
)

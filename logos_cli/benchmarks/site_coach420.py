"""Binding sites of COACH420."""

from logos_cli.benchmarks._sites import SiteBenchmark

PLUGIN = SiteBenchmark(
    "coach420",
    "COACH420",
    {"LOGOS-1B": 59.2, "LOGOS-3B": 65.0, "LOGOS-8B": 65.2, "MetaPocket 2": 63.4, "P2Rank": 72.0},
)

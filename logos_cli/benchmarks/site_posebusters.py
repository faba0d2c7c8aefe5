"""Binding sites of PoseBusters crystal complexes."""

from logos_cli.benchmarks._sites import SiteBenchmark

PLUGIN = SiteBenchmark(
    "posebusters",
    "PoseBusters crystal complexes",
    remark="They stand in for COACH420 and HOLO4K, whose structures need not be at hand.",
)

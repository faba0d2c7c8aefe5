"""Binding sites of CrossDocked test pairs, one docked ligand each."""

from logos_cli.benchmarks._sites import SiteBenchmark

PLUGIN = SiteBenchmark(
    "crossdocked",
    "CrossDocked test pairs, one docked ligand each",
    remark="They stand in for COACH420 and HOLO4K, whose structures need not be at hand; the ligands are docked poses.",
)

"""Docking: preparing receptors and ligands, Vina and its relatives, poses and what is told of them."""

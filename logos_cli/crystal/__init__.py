"""A crystal in memory: cell, bonds, disorder, molecules, building blocks of a framework."""

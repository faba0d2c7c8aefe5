"""Scores of reactions and of ranked reactants."""

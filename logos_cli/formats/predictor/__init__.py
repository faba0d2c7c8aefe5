"""Inputs of structure predictors: AlphaFold 3, Boltz and Chai."""

"""Frames painted with plotly: one module a kind of figure."""

"""Masked-language modelling on running text."""

"""Labelled corpora: files read and checked, near-duplicates found, split, and given as a `datasets.DatasetDict`."""

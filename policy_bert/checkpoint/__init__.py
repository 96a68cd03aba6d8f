"""Checkpoint folders: found or downloaded, checked, described by a model card."""

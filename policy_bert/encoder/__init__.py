"""The model that is fine-tuned: its base, its head, its vocabulary."""

"""Fine-tuning: what is trained on, the recipe, the `Trainer`."""

"""Sentences in, classes with confidences out: engines, batches, the classifier, jobs that lose no row."""

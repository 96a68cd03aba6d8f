"""What predictions are worth: metrics, intervals, calibration, baselines, summaries and reports."""

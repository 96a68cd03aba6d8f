"""Many files on all cores or on a cluster."""

"""Operating the service: keys, limits, deadlines, stop, reload, workers, deploy files."""

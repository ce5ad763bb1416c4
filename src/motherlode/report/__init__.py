"""Reports: one self-contained HTML file from the artefacts of a run."""

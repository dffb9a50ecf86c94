"""What is measured: one file per subject."""

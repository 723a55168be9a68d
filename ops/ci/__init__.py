"""What pipelines decide, render and tell; the workflows only call it."""

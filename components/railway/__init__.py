"""Parts of a deployment on Railway."""

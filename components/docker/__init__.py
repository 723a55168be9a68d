"""Parts of a deployment on one Docker host."""

"""The stack of the Docker host, deployed for real on this machine: `make local`."""

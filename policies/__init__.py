"""Guard rails for AWS stacks: controls with ids, judged on a graph of resources."""

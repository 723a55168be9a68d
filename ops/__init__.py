"""What runs and watches a stack after the first day: the `stromhaltig` command."""

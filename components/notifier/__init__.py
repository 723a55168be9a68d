"""What runs in Lambda; nothing here is imported by the program."""

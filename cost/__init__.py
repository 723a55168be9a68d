"""What a stack costs a month, by list price, before it exists.

A graph of resources, a price book, and assumptions about use become an estimate: items
that each say how much of what, at which price, and which of it is assumed.
"""

"""Pulumi dynamic providers for Railway, for which there is no provider of Pulumi's.

Each module holds one kind of resource: the provider, which runs in a process of the
engine, and the resource, which a program makes. The SDK keeps a provider in the state
as a name that is looked up again in the program's folder: these modules are importable
from there, and their classes hold nothing.

Pulumi's `import` never reaches a dynamic provider in Python. What is there under the
names that a program says is gone on with instead: `pulumi up` imports it.
"""

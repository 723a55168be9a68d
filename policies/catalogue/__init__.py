"""Every policy, one module for each service of AWS."""

from __future__ import annotations

from policies.catalogue import rds
from policies.model import Policy

_MODULES = (rds,)

POLICIES: tuple[Policy, ...] = tuple(
    value
    for module in _MODULES
    for value in vars(module).values()
    if isinstance(value, Policy)
)
"""By service, in order of definition."""


def find(id_: str) -> Policy:
    """The policy with an id.

    Raises KeyError when there is none.
    """
    return {policy.id: policy for policy in POLICIES}[id_]

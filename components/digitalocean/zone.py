"""A domain of the account, looked up before anything relies on it."""

from __future__ import annotations

import pulumi_digitalocean as digitalocean


def owned_zone(name: str) -> str:
    """Return the name of a domain that the account has.

    App Platform takes any name as the zone of a domain, and then waits for records
    that nobody writes.

    Raises:
        LookupError: when the account has no such domain.
        Exception: the provider's, for anything else that goes wrong.
    """
    try:
        return digitalocean.get_domain(name=name).name
    except Exception as error:
        if "domain not found" in str(error):
            raise LookupError(f'"{name}" is no domain of the account') from error
        raise

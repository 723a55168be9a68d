"""App Platform and the managed clusters beside it, as operations see them."""

from ops.platforms.digitalocean.platform import DigitalOcean

__all__ = ["DigitalOcean"]

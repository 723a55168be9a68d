"""What DigitalOcean sells, by its slugs, and how the nearest of it is named.

App Platform: https://docs.digitalocean.com/products/app-platform/reference/app-spec/,
/v2/apps/regions and /v2/apps/tiers/instance_sizes. Databases: the layouts of
/v2/databases/options. Both as in DigitalOcean's OpenAPI description.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pydantic import AfterValidator


@dataclass(frozen=True)
class Offered:
    """Accept what is sold, and name the nearest of it for what is not.

    what: completes "is not", as in "a region of App Platform".
    choices: the slugs.
    known_as: other words for some of them, such as former slugs.
    """

    what: str
    choices: tuple[str, ...]
    known_as: Mapping[str, str] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """What is accepted, in words."""
        return f"{self.what}: {', '.join(self.choices)}"

    def __call__(self, value: str) -> str:
        """Return the value; raise ValueError with the nearest one if refused."""
        if value in self.choices:
            return value
        wanted = value.lower()
        close = difflib.get_close_matches(
            wanted, (*self.choices, *self.known_as), n=1, cutoff=0.5
        )
        nearest = self.known_as.get(close[0], close[0]) if close else ""
        hint = f'. The nearest is "{nearest}"' if nearest else ""
        raise ValueError(
            f'"{value}" is not {self.what}. Choose one of '
            f"{', '.join(self.choices)}{hint}"
        )


DATACENTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ams": "ams3",
        "blr": "blr1",
        "fra": "fra1",
        "lon": "lon1",
        "nyc": "nyc3",
        "sfo": "sfo3",
        "sgp": "sgp1",
        "syd": "syd1",
        "tor": "tor1",
    }
)
"""Region of App Platform to its data center, for what is not an app.

New York's is the one of its three that has Spaces.
"""

REGISTRIES: Final[Mapping[str, str]] = MappingProxyType({"lon": "ams3", "tor": "nyc3"})
"""Region to the nearest data center with registries, where its own has none."""

REGION: Final = Offered(
    "a region of App Platform",
    tuple(DATACENTERS),
    {
        **{center: region for region, center in DATACENTERS.items()},
        "amsterdam": "ams",
        "bangalore": "blr",
        "frankfurt": "fra",
        "eu-central-1": "fra",
        "london": "lon",
        "new york": "nyc",
        "nyc1": "nyc",
        "san francisco": "sfo",
        "singapore": "sgp",
        "sydney": "syd",
        "toronto": "tor",
    },
)

SINGLE_SIZES: Final = ("apps-s-1vcpu-0.5gb", "apps-s-1vcpu-1gb-fixed")
"""Instance sizes of which DigitalOcean runs one and no more."""

DEDICATED: Final = "apps-d-"
"""What the sizes with CPUs of their own begin with; no other is scaled by load."""

APP_SIZE: Final = Offered(
    "an instance size of App Platform",
    (
        *SINGLE_SIZES,
        "apps-s-1vcpu-1gb",
        "apps-s-1vcpu-2gb",
        "apps-s-2vcpu-4gb",
        "apps-d-1vcpu-0.5gb",
        "apps-d-1vcpu-1gb",
        "apps-d-1vcpu-2gb",
        "apps-d-1vcpu-4gb",
        "apps-d-2vcpu-4gb",
        "apps-d-2vcpu-8gb",
        "apps-d-4vcpu-8gb",
        "apps-d-4vcpu-16gb",
        "apps-d-8vcpu-32gb",
    ),
    {
        "basic-xxs": "apps-s-1vcpu-0.5gb",
        "basic-xs": "apps-s-1vcpu-1gb-fixed",
        "basic-s": "apps-s-1vcpu-2gb",
        "basic-m": "apps-s-2vcpu-4gb",
        "professional-xs": "apps-s-1vcpu-1gb",
        "professional-s": "apps-s-1vcpu-2gb",
        "professional-m": "apps-s-2vcpu-4gb",
        "professional-1l": "apps-d-1vcpu-4gb",
        "professional-l": "apps-d-2vcpu-8gb",
        "professional-xl": "apps-d-4vcpu-16gb",
    },
)
"""Instance sizes; the guide's basic-… and professional-… are their former names."""

_FAMILIES = ("amd", "intel")
_ONE_NODE = ("db-s-1vcpu-1gb", *(f"db-{family}-1vcpu-1gb" for family in _FAMILIES))
_SHARED = ("db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb", "db-s-6vcpu-16gb")
_GUIDE = {"basic-xs": "db-s-1vcpu-1gb"}

SINGLE_NODES: Final = frozenset(_ONE_NODE)
"""Sizes with too little memory to replicate: one node and no more."""

DATABASE_SIZE: Final = Offered(
    "a size of a PostgreSQL cluster",
    (
        *_ONE_NODE,
        *_SHARED,
        *(
            f"db-{family}-{size}"
            for size in (
                *("1vcpu-2gb", "2vcpu-4gb", "2vcpu-8gb", "4vcpu-8gb"),
                *("4vcpu-16gb", "8vcpu-32gb", "16vcpu-64gb"),
            )
            for family in _FAMILIES
        ),
        *(
            f"gd-{size}"
            for size in (
                *("2vcpu-8gb", "4vcpu-16gb", "8vcpu-32gb"),
                *("16vcpu-64gb", "32vcpu-128gb", "40vcpu-160gb"),
            )
        ),
        *(
            f"so1_5-{size}"
            for size in (
                *("2vcpu-16gb", "4vcpu-32gb", "8vcpu-64gb"),
                *("16vcpu-128gb", "24vcpu-192gb", "32vcpu-256gb"),
            )
        ),
    ),
    _GUIDE,
)

CACHE_SIZE: Final = Offered(
    "a size of a Valkey cluster",
    (
        "db-s-1vcpu-1gb",
        *_SHARED,
        "db-s-8vcpu-32gb",
        "db-s-16vcpu-64gb",
        "m-2vcpu-16gb",
        "m-4vcpu-32gb",
        "m-8vcpu-64gb",
    ),
    _GUIDE,
)

DROPLET_SIZE: Final = Offered(
    "a size of a droplet",
    (
        *("s-1vcpu-1gb", "s-1vcpu-2gb", "s-2vcpu-2gb", "s-2vcpu-4gb"),
        *("s-4vcpu-8gb", "s-8vcpu-16gb"),
        *("s-1vcpu-2gb-amd", "s-2vcpu-4gb-amd", "s-4vcpu-8gb-amd"),
        *("s-8vcpu-16gb-amd", "s-2vcpu-8gb-amd", "s-4vcpu-16gb-amd"),
        *("s-1vcpu-2gb-intel", "s-2vcpu-4gb-intel", "s-4vcpu-8gb-intel"),
        *("s-8vcpu-16gb-intel", "c-2", "c-4", "c-8"),
        *("g-2vcpu-8gb", "g-4vcpu-16gb", "g-8vcpu-32gb"),
    ),
)
"""Of the hundred or so, those with the processor and memory of one host of ours."""

AppRegion = AfterValidator(REGION)
AppSize = AfterValidator(APP_SIZE)
DatabaseSize = AfterValidator(DATABASE_SIZE)
CacheSize = AfterValidator(CACHE_SIZE)
DropletSize = AfterValidator(DROPLET_SIZE)


def memory_gib(size: str) -> int:
    """Return the memory that a slug like db-s-2vcpu-4gb speaks of, in GiB."""
    return int(size.rpartition("-")[2].removesuffix("gb"))

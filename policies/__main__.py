"""The policy pack: `pulumi preview --policy-pack policies`."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine starts this file by its folder, whichever project it is for: what it
# imports is named from the clone.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pulumi_policy import PolicyPack

from policies import exceptions
from policies.catalogue import POLICIES
from policies.crossguard import policies_for_pulumi

try:
    accepted = exceptions.load(controls=[policy.id for policy in POLICIES])
except exceptions.ExceptionsError as error:
    sys.exit(str(error))

PolicyPack(
    name="stromhaltig",
    display_name="Guard rails of Stromhaltig",
    policies=policies_for_pulumi(POLICIES, accepted),
)

"""Deploys Stromhaltig: settings, and what the app needs, become a stack."""

from __future__ import annotations

import settings
import stacks
from contract import APP

stacks.deploy(settings.load(), APP).export()

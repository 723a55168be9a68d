"""The program of the tests: one service with everything, told what by a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pulumi

from components.railway.access import Access
from components.railway.domain import Domain, DomainArgs
from components.railway.project import Project, ProjectArgs
from components.railway.service import (
    Deploy,
    Image,
    Mount,
    Repository,
    Service,
    ServiceArgs,
)

spec = json.loads(Path("spec.json").read_text(encoding="utf-8"))

project = Project(
    "project",
    ProjectArgs(
        access=Access(
            token=os.environ["TEST_TOKEN"] or None,
            endpoint=os.environ["TEST_ENDPOINT"],
            poll_seconds=0.05,
        ),
        project_name="stromhaltig",
        description="the test's",
        protect=False,
    ),
)
service = Service(
    "app",
    ServiceArgs(
        place=project.place,
        service_name="app",
        source=Image(ref=spec["image"])
        if "image" in spec
        else Repository(repo=spec["repository"]),
        deploy=Deploy(
            pre_deploy_command="npm run migrate",
            healthcheck_path="/api/health",
            region="europe-west4-drams3a",
            replicas=spec["replicas"],
        ),
        variables=spec["variables"],
        secrets=spec["secrets"],
        volume=Mount(name="uploads", path="/app/uploads", protect=False),
    ),
)
domain = Domain(
    "domain",
    DomainArgs(
        place=project.place, service_id=service.id, port=3001, name=spec["domain"]
    ),
)
pulumi.export("url", domain.url)
pulumi.export("dns_records", domain.dns_records)
pulumi.export("host", service.host)
pulumi.export("deployment_id", service.deployment_id)

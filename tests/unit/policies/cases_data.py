"""What breaks our own policies about data."""

from __future__ import annotations

from dataclasses import replace

from resource_graph import Resource
from resource_types import (
    DATABASE,
    PASSWORD,
    SECRET,
    SECRET_VERSION,
    TASK_DEFINITION,
)
from tests.unit.policies.casework import Case, resource

LIFE = resource("random:index/randomId:RandomId", byteLength=3)
MASTERS = resource(PASSWORD, "master")
APPS = resource(PASSWORD, "app")
WITH_PASSWORD = resource(DATABASE, comes_from={"password": [MASTERS]})
URL = resource(SECRET, "url")

WHOLE = resource(
    DATABASE,
    protect=True,
    deletionProtection=True,
    skipFinalSnapshot=False,
    finalSnapshotIdentifier="final",
)


def in_production(found: Resource) -> Resource:
    return replace(found, urn=found.urn.replace(":test:", ":production:"))


def url(*made_of: Resource) -> Resource:
    return resource(
        SECRET_VERSION, "url", comes_from={"secretId": [URL], "secretString": made_of}
    )


def task(*named: Resource, name: str = "app") -> Resource:
    return resource(TASK_DEFINITION, name, comes_from={"containerDefinitions": named})


CASES = (
    Case(
        id="database-snapshot-unique",
        good=[
            LIFE,
            resource(DATABASE, comes_from={"finalSnapshotIdentifier": [LIFE]}),
            resource(DATABASE, "without a name"),
            resource(
                DATABASE,
                "none",
                skipFinalSnapshot=True,
                finalSnapshotIdentifier="final",
            ),
        ],
        bad={
            "a fixed text": (
                [resource(DATABASE, finalSnapshotIdentifier="it-final")],
                "finalSnapshotIdentifier is it-final",
            ),
            "made of something that stays": (
                [
                    URL,
                    resource(
                        DATABASE,
                        comes_from={"finalSnapshotIdentifier": [URL]},
                        finalSnapshotIdentifier="url-final",
                    ),
                ],
                "finalSnapshotIdentifier is url-final",
            ),
        },
    ),
    Case(
        id="database-kept",
        good=[
            WHOLE,
            resource(DATABASE, "none", skipFinalSnapshot=True),
            resource(
                DATABASE,
                "replica",
                comes_from={"replicateSourceDb": [WHOLE]},
                deletionProtection=True,
            ),
        ],
        bad={
            "not protected": (
                [replace(WHOLE, protect=False)],
                "protect is missing",
            ),
            "a snapshot only": (
                [resource(DATABASE, finalSnapshotIdentifier="final")],
                "finalSnapshotIdentifier is set, but protect and deletionProtection",
            ),
            "no snapshot": (
                [resource(DATABASE, protect=True, deletionProtection=True)],
                "but finalSnapshotIdentifier is missing",
            ),
            "nothing in production": (
                [in_production(resource(DATABASE))],
                "protect and deletionProtection and finalSnapshotIdentifier are missing"
                " in production",
            ),
            "a skipped snapshot in production": (
                [
                    in_production(
                        replace(
                            WHOLE, inputs={**WHOLE.inputs, "skipFinalSnapshot": True}
                        )
                    )
                ],
                "finalSnapshotIdentifier is missing in production",
            ),
        },
    ),
    Case(
        id="database-master-user",
        good=[
            MASTERS,
            APPS,
            WITH_PASSWORD,
            URL,
            url(APPS, WITH_PASSWORD),
            resource(
                SECRET_VERSION,
                "for administrators",
                comes_from={
                    "secretId": [resource(SECRET, "for administrators")],
                    "secretString": [MASTERS],
                },
            ),
            task(URL),
        ],
        bad={
            "by the secret": (
                [MASTERS, WITH_PASSWORD, URL, url(MASTERS), task(URL)],
                "secret url, made of its password, is in task app",
            ),
            "by a version": (
                [
                    MASTERS,
                    WITH_PASSWORD,
                    URL,
                    url(MASTERS),
                    task(url(MASTERS)),
                    task(url(MASTERS), name="job"),
                ],
                "is in task app and 1 more",
            ),
        },
    ),
)

"""Data: what the stack must not lose, and who gets at it."""

from __future__ import annotations

from collections.abc import Iterator

from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph, names
from resource_types import DATABASE, SECRET, SECRET_VERSION, TASK_DEFINITION

_RANDOM = "random:"


@policy(
    "database-snapshot-unique",
    DATABASE,
    title="A final snapshot has a name that no earlier life of the database took",
    severity=Severity.HIGH,
    source=Source.OWN,
    remedy="Make final_snapshot_identifier of a random value that is renewed with the "
    "instance, such as the hex of a random.RandomId with keepers.",
)
def snapshot_name_unique(instance: Resource, graph: ResourceGraph) -> Iterator[str]:
    """With a name that is taken, AWS refuses to delete; the way out loses the data."""
    if instance.get("skipFinalSnapshot") is True:
        return
    sources = instance.comes_from("finalSnapshotIdentifier")
    if any(_is_random(graph.at(urn)) for urn in sources):
        return
    identifier = instance.get("finalSnapshotIdentifier")
    if identifier:
        yield f"finalSnapshotIdentifier is {identifier}, whichever instance it is of"


@policy(
    "database-kept",
    DATABASE,
    title="Databases are protected in every way, or in none outside of production",
    severity=Severity.HIGH,
    source=Source.OWN,
    remedy="Set deletion_protection=True, ResourceOptions(protect=True) and "
    "final_snapshot_identifier with skip_final_snapshot=False together, in production "
    "always.",
)
def kept(instance: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Each guards against another mistake: AWS's console, Pulumi, and on purpose.

    Half of them is neither safe nor easy to take down.
    """
    if instance.has("replicateSourceDb"):
        return
    ways = {
        "protect": instance.protect,
        "deletionProtection": instance.get("deletionProtection") is True,
        "finalSnapshotIdentifier": instance.get("skipFinalSnapshot") is not True
        and instance.has("finalSnapshotIdentifier"),
    }
    there = [way for way, taken in ways.items() if taken]
    missing = [way for way, taken in ways.items() if not taken]
    if not missing:
        return
    if graph.stack.startswith("prod"):
        yield f"{_and(missing)} missing in production"
    elif there:
        yield f"{_and(there)} set, but {_and(missing)} missing"


@policy(
    "database-master-user",
    DATABASE,
    title="The app does not log in as the database's master user",
    severity=Severity.MEDIUM,
    source=Source.OWN,
    remedy="Give the app a user of its own, with a password of its own and the rights "
    "it needs; keep that of the master user for administration.",
)
def app_has_its_own_user(instance: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Whoever takes over the app may read its data, not drop every database."""
    passwords = {
        urn
        for key in ("password", "passwordWo")
        for urn in instance.comes_from(key)
        if _is_random(graph.at(urn))
    }
    for version in graph.of(SECRET_VERSION):
        sources = version.comes_from("secretString") | version.comes_from(
            "secretStringWo"
        )
        if not passwords.intersection(sources):
            continue
        tasks = [t.name for t in graph.of(TASK_DEFINITION) if _gets(t, version, graph)]
        if tasks:
            yield (
                f"secret {version.name}, made of its password, is in task "
                f"{_and_more(tasks)}"
            )


def _is_random(resource: Resource | None) -> bool:
    return resource is not None and resource.type.startswith(_RANDOM)


def _gets(task: Resource, version: Resource, graph: ResourceGraph) -> bool:
    """Whether a task definition names a secret, or one version of it."""
    key = "containerDefinitions"
    return names(task, key, version) or any(
        names(task, key, secret)
        for secret in graph.of(SECRET)
        if names(version, "secretId", secret)
    )


def _and(words: list[str]) -> str:
    verb = "is" if len(words) == 1 else "are"
    return f"{' and '.join(words)} {verb}"


def _and_more(words: list[str]) -> str:
    rest = len(words) - 1
    return f"{words[0]} and {rest} more" if rest else words[0]

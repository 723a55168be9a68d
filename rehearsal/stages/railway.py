"""Railway as the stage of a rehearsal: a server of ours that answers as its API does.

The dynamic providers are the program's own and run for real, in a process that the
engine starts; only the API behind them is another.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from components.railway import operations as ops
from components.railway.client import Client, Operation, RailwayError
from contract import APP as CONTRACT
from contract import Kind
from rehearsal.cloud import EmbeddedCloud
from rehearsal.provider.recorded import STATE_ONLY
from rehearsal.pulumi_cli import Event
from rehearsal.stages.stage import Drift, StageError, Supplies, Thing, supply_release
from resource_types import DATA, PASSWORD
from settings.railway import TOKEN
from stacks.railway import APP

_DYNAMIC = "pulumi-python:dynamic/railway:"
PROJECT = f"{_DYNAMIC}Project"
SERVICE = f"{_DYNAMIC}Service"
VARIABLES = f"{_DYNAMIC}Variables"
VOLUME = f"{_DYNAMIC}Volume"
DOMAIN = f"{_DYNAMIC}Domain"


class RailwayStage:
    """A Railway on the loopback, with nothing behind its API.

    cloud: runs the server. config: the stack file's `config` section.

    Raises StageError for a stack that is built from a repository: there is none.
    """

    unproven = (
        "that Railway's API answers as our server does (what is asked is held against "
        "its published schema, copied in November 2026)",
        "that anything is built, pulled or started: a deployment succeeds by itself",
        "that migrations succeed, and that the app becomes healthy",
        "that the plan and the token allow it, and how often Railway may be asked",
        "that domains are verified, and certificates issued",
        "that data on volumes lasts, and that the app may write to its own",
    )
    data_types = DATA["railway"]

    options: Mapping[str, str] = {"cache": "stromhaltig:railway:Cache"}

    data_options: frozenset[str] = frozenset()
    troubles = (URLError, RailwayError)
    client_environment: Mapping[str, str] = {}
    hints = ("pulumi stack export        # railway's own command knows one API only",)

    def __init__(self, cloud: EmbeddedCloud, config: Mapping[str, Any]) -> None:
        if config.get("stromhaltig:github"):
            raise StageError(
                "stromhaltig:github: only images can be rehearsed, for there is no "
                "repository to build. Rehearse a stack file with image.ref instead"
            )
        self._cloud = cloud
        self._token = f"rehearsal-{secrets.token_hex(24)}"
        self._endpoint = ""
        self._given: list[str] = []
        self._deployments: dict[str, int] = {}

    def supply(self, config: Mapping[str, Any]) -> Supplies:
        """What every platform needs, and a Railway of its own."""
        supplies = Supplies()
        supply_release(config, supplies)
        self._endpoint = self._cloud.start_railway(self._token)
        project = config.get("stromhaltig:project") or {}
        here = {"api_url": self._endpoint, "poll_seconds": 1}
        supplies.config["project"] = {**project, **here}
        supplies.said["project.api_url"] = f"{self._endpoint}, a server of ours"
        supplies.secrets[f"secrets.{TOKEN}"] = self._token
        supplies.said[f"secrets.{TOKEN}"] = "a token of that server"
        self._given = list(supplies.secrets.values())
        return supplies

    def inventory(self) -> set[Thing]:
        """Everything that exists at Railway, and images that are said to be built."""
        here = {Thing(kind, name) for kind, name in self._cloud.railway()["things"]}
        return here | {
            Thing("built image", str(entry.outputs.get("ref") or entry.name))
            for entry in self._cloud.recorded()
            if entry.token.split(":")[0] not in STATE_ONLY
        }

    def secret_values(self) -> list[str]:
        """The operator's secrets and the token, and generated passwords."""
        made = [
            str(entry.outputs["result"])
            for entry in self._cloud.recorded()
            if entry.token == PASSWORD
        ]
        return [*self._given, *made]

    def deployed_image(self, outputs: Mapping[str, Any]) -> str:
        """The image of the deployment that serves."""
        del outputs
        return self._running()["settings"]["source"]["image"] or "nothing"

    def check_up(self, outputs: Mapping[str, Any]) -> list[str]:
        """Each service was deployed once, with what the contract asks for."""
        services = self._services()
        image = self.deployed_image(outputs)
        if image != outputs["release"]:
            raise StageError(f"the app does not run the release, but {image}")
        self._deployments = {n: s["deployments"] for n, s in services.items()}
        if often := sorted(n for n, times in self._deployments.items() if times != 1):
            raise StageError(f"not deployed once: {', '.join(often)}")
        given = self._running()["variables"]
        if lacking := sorted(v.name for v in _expected() if v.name not in given):
            raise StageError(f"the app lacks variables: {', '.join(lacking)}")
        self._refuse_shown_secrets(services)
        reached = sorted(name for name, s in services.items() if s["domains"])
        if reached != [APP]:
            raise StageError(f"reached from outside: {', '.join(reached) or 'nothing'}")
        return [
            f"{len(services)} services, each deployed once: {', '.join(services)}",
            f"the app runs with {len(given)} variables, its migration before it",
            "only the app is reached from outside: "
            + ", ".join(services[APP]["domains"]),
        ]

    def check_change(self, events: Sequence[Event]) -> list[str]:
        """Image and variable came with one deployment, and nothing else was touched."""
        del events
        again = self._deployed_again()
        if again != {APP: 1}:
            shown = ", ".join(f"{name} {times} times" for name, times in again.items())
            raise StageError(
                f"not only the app, once, was deployed, but: {shown or 'nothing'}"
            )
        return ["one deployment of the app, none of anything else"]

    def drifts(self, outputs: Mapping[str, Any]) -> list[Drift]:
        """What somebody in a hurry does in the dashboard."""
        place = {
            "projectId": outputs["project"],
            "environmentId": outputs["environment"],
            "serviceId": outputs["service"],
        }
        app = self._services()[APP]
        return [
            self._hurried(place, app),
            self._logged(place),
            *([self._unreachable(place)] if len(app["domains"]) > 1 else []),
        ]

    @contextmanager
    def refusing(self, message: str) -> Iterator[None]:
        """Railway takes the settings of the new release, and does not deploy it."""
        self._cloud.fail_railway(ops.DEPLOY.name, message)
        try:
            yield
        finally:
            self._cloud.heal()

    def check_failed(self, image: str, outputs: Mapping[str, Any]) -> list[str]:
        """The release before still serves."""
        running = self.deployed_image(outputs)
        if running != image:
            raise StageError(f"the app runs {running}, and not the release before")
        return ["the release before still serves"]

    def kept(self, left: Collection[Thing]) -> set[Thing]:
        """Images stay in their registry, for who goes back to them."""
        return {thing for thing in left if thing.kind == "built image"}

    def _services(self) -> dict[str, Any]:
        return dict(self._cloud.railway()["services"])

    def _running(self) -> dict[str, Any]:
        """The app's settings and variables, as they were deployed."""
        app = self._services().get(APP)
        if app is None or app["running"] is None:
            raise StageError("the app does not run")
        return dict(app["running"])

    def _deployed_again(self) -> dict[str, int]:
        """How often services were deployed since the last question."""
        now = {name: s["deployments"] for name, s in self._services().items()}
        before, self._deployments = self._deployments, now
        more = {name: times - before.get(name, 0) for name, times in now.items()}
        return {name: times for name, times in more.items() if times}

    def _refuse_shown_secrets(self, services: Mapping[str, Any]) -> None:
        """What a service is set to is read by everybody who may look at the project."""
        values = self.secret_values()
        for name, service in services.items():
            shown = str(service["settings"])
            if any(value in shown for value in values):
                raise StageError(f"the settings of {name} show a secret")

    def _hurried(self, place: Mapping[str, str], app: Mapping[str, Any]) -> Drift:
        before = app["settings"]["drainingSeconds"]
        return Drift(
            "the app is killed at once, instead of finishing its requests",
            SERVICE,
            lambda: self._ask(
                ops.INSTANCE_UPDATE,
                {
                    "serviceId": place["serviceId"],
                    "environmentId": place["environmentId"],
                    "input": {"drainingSeconds": 0},
                },
            ),
            lambda: self._services()[APP]["settings"]["drainingSeconds"] == before,
        )

    def _logged(self, place: Mapping[str, str]) -> Drift:
        before = self._services()[APP]["variables"]["LOG_FILE"]
        there = {"LOG_FILE": "/app/logs/other.log", "DEBUG": "*"}
        return Drift(
            "the app logs to another file, and got a variable that nobody knows",
            VARIABLES,
            lambda: self._ask(
                ops.VARIABLES_SET,
                {"input": {**place, "variables": there, "skipDeploys": False}},
            ),
            lambda: (
                self._services()[APP]["variables"]["LOG_FILE"] == before
                and "DEBUG" not in self._running()["variables"]
            ),
        )

    def _unreachable(self, place: Mapping[str, str]) -> Drift:
        domains = self._ask(ops.DOMAINS, place)["customDomains"]
        lost = domains[-1]
        return Drift(
            f"the domain {lost['domain']} is deleted",
            DOMAIN,
            lambda: self._ask(ops.CUSTOM_DOMAIN_DELETE, {"id": lost["id"]}),
            lambda: lost["domain"] in self._services()[APP]["domains"],
            seen_as="delete",
        )

    def _ask(self, operation: Operation, variables: Mapping[str, Any]) -> Any:
        with Client(self._token, endpoint=self._endpoint) as client:
            return client.call(operation, variables)


def _expected() -> list[Any]:
    """Variables that the app has wherever it runs."""
    return [
        variable
        for variable in CONTRACT.variables
        if not variable.optional
        and (variable.kind is not Kind.PLAIN or variable.default is not None)
    ]

"""The app: one resource, which an unchanged program leaves as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.digitalocean.app_platform import AppPlatform, AppPlatformArgs
from components.digitalocean.app_spec import leaves
from components.digitalocean.kept_secrets import DIGEST, own_output
from tests.unit.digitalocean.test_app_spec import FULL, SMALL

APP = "digitalocean:index/app:App"
GET_APP = "digitalocean:index/getApp:getApp"
ID = "4f6c71e2-1e90-4762-9fee-6cc4a0a9f2cf"


def app(spec=FULL, *, deployed_id="", **args):
    return AppPlatform(
        "app", AppPlatformArgs(spec=spec, deployed_id=deployed_id, **args)
    )


def encrypted(spec: Any, path: str = "") -> Any:
    """The spec as the platform answers with it: camel case, secrets encrypted."""
    secrets = ("registryCredentials", "password", "user")
    if isinstance(spec, list):
        return [encrypted(item, path) for item in spec]
    if not isinstance(spec, dict):
        return spec
    changed = {
        key: f"EV[1:{path}/{key}]" if key in secrets else encrypted(value, key)
        for key, value in spec.items()
    }
    if spec.get("type") == "SECRET":
        changed["value"] = f"EV[1:{path}:{spec['key']}]"
    return changed


def answer_with(graph, spec: dict[str, Any] | None) -> None:
    graph.answers[GET_APP] = lambda args: {
        "id": args["appId"],
        **({} if spec is None else {"specs": [spec]}),
    }


def spec_of(graph) -> dict[str, Any]:
    spec: dict[str, Any] = graph.one(APP)["spec"]
    return spec


def secret_values(spec: dict[str, Any]) -> list[str]:
    return [
        env["value"]
        for component in (*spec["services"], *spec["jobs"])
        for env in component["envs"]
        if env.get("type") == "SECRET"
    ]


def deploy_first(graph, spec=FULL) -> dict[str, Any]:
    """Build without an app; from then on the platform answers with what it got."""
    graph.build(lambda: app(spec))
    first = spec_of(graph)
    answer_with(graph, encrypted(first))
    return first


def test_the_first_deployment_hands_over_the_plain_secrets(graph):
    first = deploy_first(graph)

    assert graph.invokes == []
    assert "a-key-that-signs" in secret_values(first)
    assert not [value for value in secret_values(first) if value.startswith("EV[")]


def test_an_unchanged_program_passes_what_the_platform_has(graph):
    deploy_first(graph)
    has = graph.answers[GET_APP]({"appId": ID})["specs"][0]

    graph.build(lambda: app(deployed_id=ID))

    assert spec_of(graph) == has
    assert graph.invokes == [(GET_APP, {"appId": ID})]


def test_a_changed_secret_is_passed_in_plain(graph):
    first = deploy_first(graph)
    changed = replace(FULL, secrets={"JWT_SECRET": "another-key-that-signs"})

    graph.build(lambda: app(changed, deployed_id=ID))

    assert "another-key-that-signs" in secret_values(spec_of(graph))
    assert spec_of(graph)["envs"] != first["envs"]


@pytest.mark.parametrize(
    "changed",
    [
        replace(FULL, secrets={**FULL.secrets, "SMTP_PASS": "letters"}),
        replace(FULL, migration=replace(FULL.migration, secrets={})),
        replace(FULL, source=replace(FULL.source, credentials="reader:other")),
        replace(FULL, logs=replace(FULL.logs, token="writer:other")),
    ],
)
def test_secrets_that_come_go_or_change_anywhere_are_noticed(graph, changed):
    first = deploy_first(graph)

    graph.build(lambda: app(changed, deployed_id=ID))

    assert spec_of(graph)["envs"] != first["envs"]
    assert not [v for v in secret_values(spec_of(graph)) if v.startswith("EV[")]


def test_another_image_keeps_the_secrets_encrypted(graph):
    first = deploy_first(graph)
    released = replace(FULL, source=replace(FULL.source, digest="sha256:" + "c" * 64))

    graph.build(lambda: app(released, deployed_id=ID))

    assert spec_of(graph)["envs"] == first["envs"]
    assert all(value.startswith("EV[") for value in secret_values(spec_of(graph)))


def test_what_the_platform_does_not_encrypt_stays_as_it_is(graph):
    first = deploy_first(graph)
    answer_with(graph, first)

    graph.build(lambda: app(deployed_id=ID))

    assert spec_of(graph) == first


def test_an_app_that_somebody_deleted_is_deployed_anew(graph):
    first = deploy_first(graph)
    answer_with(graph, None)

    graph.build(lambda: app(deployed_id=ID))

    assert spec_of(graph) == first


def test_another_app_gets_the_plain_secrets(graph):
    deploy_first(graph)
    renamed = replace(FULL, name="stromhaltig-two")

    graph.build(lambda: app(renamed, deployed_id=ID))

    assert "a-key-that-signs" in secret_values(spec_of(graph))


def test_an_answer_that_does_not_come_stops_the_program(graph):
    def broken(_: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("GET /v2/apps: 503 service unavailable")

    graph.answers[GET_APP] = broken

    with pytest.raises(Exception, match="503 service unavailable"):
        graph.build(lambda: app(deployed_id=ID))


def test_secrets_are_secret_and_the_digest_tells_nothing(graph):
    deploy_first(graph)
    resource = graph.one(APP)

    spec = resource["spec"]
    [told] = spec["envs"]
    assert told["key"] == DIGEST
    assert len(told["value"]) == 64
    plain = [
        path
        for path, value in leaves(resource.inputs)
        if isinstance(value, str) and "a-key-that-signs" in value
    ]
    assert len(plain) == 2
    numbered = {
        f"spec.{kind}[{c}].envs[{e}].value".replace("[", ".").replace("]", "")
        for kind in ("services", "jobs")
        for c, component in enumerate(spec[kind])
        for e, env in enumerate(component["envs"])
        if env.get("type") == "SECRET"
    }
    assert numbered <= resource.secrets
    assert not [path for path in resource.secrets if path.startswith("spec.envs")]
    assert "spec" not in resource.secrets


def test_a_preview_before_the_first_deployment_knows_no_secret(graph):
    graph.build(app, preview=True)

    assert graph.one(APP)["spec"]["name"] == "stromhaltig"


def test_an_app_without_secrets_needs_no_digest(graph):
    source = replace(SMALL.source, credentials=None)
    graph.build(lambda: app(replace(SMALL, source=source, secrets={})))

    assert "envs" not in spec_of(graph)
    assert graph.all("random:index/randomPassword:RandomPassword") == []


def test_moving_it_to_another_project_does_not_replace_it(graph):
    graph.build(lambda: app(project_id="5a4981aa-9653-4bd1-bef5-d6bff52042e4"))

    assert graph.one(APP).ignore_changes == ("projectId",)


def test_it_tells_where_it_answers(graph):
    outputs = graph.build(lambda: app(replace(SMALL)))
    host = outputs["default_host"]

    assert host.endswith(".ondigitalocean.app")
    assert "/" not in host
    assert outputs["url"] == f"https://{host}"
    assert outputs["project_urn"] == f"do:app:{outputs['app_id']}"
    assert graph.build(app)["url"] == "https://stromhaltig.de"


def test_a_stack_reads_its_own_last_output(graph):
    asked = []

    def outputs(args: dict[str, Any]) -> dict[str, Any]:
        asked.append(args["name"])
        return {"name": args["name"], "outputs": {"app_id": ID, "count": 2}}

    graph.answers["pulumi:pulumi:readStackOutputs"] = outputs

    def program() -> dict[str, pulumi.Output[str]]:
        return {name: own_output(name) for name in ("app_id", "count", "missing")}

    assert graph.build(program) == {"app_id": ID, "count": "", "missing": ""}
    assert asked == ["organization/stromhaltig/test"] * 3


def test_a_stack_without_outputs_has_no_app_yet(graph):
    assert graph.build(lambda: {"id": own_output("app_id")}) == {"id": ""}

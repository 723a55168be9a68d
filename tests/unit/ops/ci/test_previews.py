"""Previews as a pull request shows them."""

from __future__ import annotations

from typing import Any

import pytest

from ops.ci.previews import (
    SHOWN,
    Preview,
    comment,
    full,
    read_fragments,
    read_preview,
    short,
)
from resource_graph import GraphError

ACCOUNT = "210987654321"
DATABASE = "aws:rds/instance:Instance"
SUBNET = "aws:ec2/subnet:Subnet"


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:staging::stromhaltig::{type_}::{name}"


def resource(type_: str, name: str, **inputs: Any) -> dict[str, Any]:
    arn = f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:{name}"
    return {
        "urn": urn(type_, name),
        "type": type_,
        "custom": True,
        "inputs": inputs,
        "outputs": {"arn": arn},
    }


def database(instance_class: str = "db.t4g.micro", **inputs: Any) -> dict[str, Any]:
    return resource(
        DATABASE,
        "app-database",
        instanceClass=instance_class,
        engine="postgres",
        allocatedStorage=20,
        storageType="gp3",
        **inputs,
    )


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"deployment": {"resources": list(resources)}}


def preview(*steps: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "steps": [
            {"op": op, "urn": new["urn"], "oldState": new, "newState": new, **more}
            for op, new in steps
        ]
    }


def changed() -> Preview:
    bigger = database("db.t4g.medium")
    gone = resource("aws:efs/fileSystem:FileSystem", "app-uploads")
    content = preview(("update", bigger), ("delete", gone))
    content["steps"][0]["diffReasons"] = ["instanceClass"]
    return read_preview("staging", content, state(database(), gone))


def test_losses_come_before_everything_else() -> None:
    text = short(changed())
    first, *_ = text.splitlines()
    assert first == "### `staging`: 1 to delete, 1 to update"
    assert "**1 of what goes or is replaced holds data or is protected.**" in text
    lost = (
        "| **delete** | `app-uploads` | `aws:efs/fileSystem:FileSystem` | "
        "**holds data** |"
    )
    updated = f"| update | `app-database` | `{DATABASE}` | `instanceClass` |"
    assert text.index(lost) < text.index("<details>") < text.index(updated)


def test_policies_and_the_difference_of_the_price_are_told() -> None:
    found = changed()
    text = short(found)
    assert not found.passed
    assert "**Policies**: " in text
    assert "- `RDS.3` medium, `app-database`: storageEncrypted is not true" in text
    assert "**Cost**: +" in text
    assert "USD a month: from " in text
    assert "| `app-database`, hours, db.t4g.medium | " in text


def test_a_new_stack_is_priced_without_a_before() -> None:
    text = short(read_preview("staging", preview(("create", database())), state()))
    assert "### `staging`: 1 to create" in text
    assert "USD a month, list price in eu-central-1" in text
    assert "from " not in text.partition("**Cost**")[2].partition("\n")[0]


def test_what_stays_as_it_is_passes_without_a_table() -> None:
    same = resource("aws:ec2/vpc:Vpc", "app")
    same["outputs"] = {"arn": f"arn:aws:ec2:eu-central-1:{ACCOUNT}:vpc/vpc-1"}
    text = short(read_preview("staging", preview(("same", same)), state(same)))
    assert text.startswith("### `staging`: no changes\n")
    assert "| " not in text.partition("**Policies**")[0]


def test_a_stack_that_is_emptied_has_nothing_to_judge() -> None:
    text = short(read_preview("staging", preview(("delete", database())), state()))
    assert "1 to delete" in text
    assert "**Cost**: not known" in text
    assert "**Policies**" not in text


def test_the_comment_has_some_rows_and_the_summary_all() -> None:
    subnets = [("delete", resource(SUBNET, f"subnet-{n}")) for n in range(SHOWN + 5)]
    found = read_preview("staging", preview(*subnets, ("same", database())), state())
    assert short(found).count("| **delete** |") == SHOWN
    assert "… and 5 more, in the job summary." in short(found)
    assert full(found).count("| **delete** |") == SHOWN + 5
    assert "in the job summary" not in full(found)


def test_why_there_is_no_preview_is_told_without_what_is_secret() -> None:
    reason = (
        f"error: not authorized for arn:aws:iam::{ACCOUNT}:role/deploy: "
        "postgresql://app:hunter2@db.internal/app ```"
    )
    found = Preview(stack="production", failure=reason)
    assert not found.passed
    for text in (short(found), full(found)):
        assert text.startswith("### `production`: the preview failed\n\n````text\n")
        assert "not authorized for [arn]" in text
        assert "hunter2" not in text
        assert ACCOUNT not in text


def test_of_a_long_failure_the_end_is_in_the_comment() -> None:
    failure = "\n".join(["noise"] * 5_000 + ["error: the reason"])
    found = Preview(stack="production", failure=failure)
    assert len(short(found)) < 4_500
    assert "error: the reason" in short(found)
    assert full(found).count("noise") == 5_000


def test_names_cannot_break_out_of_the_table() -> None:
    evil = resource(SUBNET, "a`|<img src=x>\n@everyone")
    found = read_preview("staging", preview(("delete", evil)), state())
    row = next(line for line in short(found).splitlines() if "**delete**" in line)
    assert row == (f"| **delete** | `a'¦<img src=x> @everyone` | `{SUBNET}` |  |")


def test_an_address_in_a_message_is_taken_out_before_it_is_kept_from_mentioning() -> (
    None
):
    said = short(Preview(stack="live", unpriced="ask ops@example.org or @somebody"))
    assert "ask [email] or @\u200bsomebody" in said


def test_what_is_no_preview_is_refused() -> None:
    with pytest.raises(GraphError):
        read_preview("staging", {"deployment": {}}, None)


class TestComment:
    def test_each_stack_has_its_part_in_order(self) -> None:
        text = comment(
            {"staging": "### `staging`: x", "production": "### `production`: y"},
            ["staging", "production"],
            "0123456789abcdef0123456789abcdef01234567",
        )
        assert text.startswith("## Preview\n\nOf commit `0123456789ab`.\n\n")
        assert text.index("`production`: y") < text.index("`staging`: x")

    def test_a_job_that_was_cancelled_is_told(self) -> None:
        text = comment({}, ["staging"], "c0ffee")
        assert "### `staging`: no result" in text
        assert "The job was cancelled" in text

    def test_a_pull_request_that_changes_no_stack_is_told(self) -> None:
        assert "This pull request changes no stack." in comment({}, [], "c0ffee")

    def test_a_part_that_was_not_redacted_is(self) -> None:
        text = comment({"staging": f"in {ACCOUNT}"}, [], "c0ffee")
        assert "in [account]" in text


def test_fragments_are_read_from_a_folder_that_may_be_missing(tmp_path) -> None:
    assert read_fragments(tmp_path / "none") == {}
    (tmp_path / "staging.md").write_bytes(b"text \xff")
    (tmp_path / "notes.txt").write_text("not one")
    assert read_fragments(tmp_path) == {"staging": "text \ufffd"}

"""`stromhaltig cost`: what it prints, where it reads from, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from cost import book
from cost.book import BookError
from ops import price_list
from ops.cli import app
from ops.price_list import PriceListError, Refreshed
from resource_graph import Resource
from tests.unit.cost.pricing import database, preview, state
from tests.unit.policies.casework import resource

ROOT = Path(__file__).parents[3]
KEY = resource("aws:kms/key:Key", "key")
SUBNET = resource("aws:ec2/subnet:Subnet", availabilityZone="eu-central-1a")
STACK = [SUBNET, KEY]
"""In production 1.30 USD a month: the key, and 100,000 requests. In staging 1.06."""

HEADLINE = "1.30 USD a month, list price in eu-central-1, without tax"


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, ["cost", *map(str, arguments)])


def write(content: object, name: str = "state.json") -> str:
    """A file in the current directory."""
    text = content if isinstance(content, str) else json.dumps(content)
    Path(name).write_text(text, encoding="utf-8")
    return name


def refusal(*arguments: object) -> str:
    """What is said instead of a price."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert isinstance(done.exception, SystemExit)
    return done.stderr.removesuffix("\n")


def in_stack(name: str, resources: list[Resource]) -> list[Resource]:
    return [
        replace(found, urn=found.urn.replace(":test::", f":{name}::"))
        for found in resources
    ]


def test_an_exported_state_is_priced(here):
    done = run("--file", write(state(STACK)))
    assert (done.exit_code, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()[1:4]] == [
        ["Keys", "and", "secrets", "1.30"],
        ["key", "key", "1", "key-month", "1.00"],
        ["key", "requests", "~10", "10,000", "requests", "0.30"],
    ]
    assert done.stdout.splitlines()[-2:] == [HEADLINE, "~ assumed: key_requests=100000"]


def test_a_preview_is_priced(here):
    done = run("--file", write(preview(STACK)))
    assert (done.exit_code, done.stderr) == (0, "")
    assert HEADLINE in done.stdout


def test_what_is_unknown_is_named_and_no_reason_to_fail(here):
    strange = resource("aws:redshift/cluster:Cluster", "warehouse")
    done = run("--file", write(state([*STACK, strange])))
    assert done.exit_code == 0
    assert f"{HEADLINE}; 1 of unknown price not counted" in done.stdout
    assert (
        "unknown: aws:redshift/cluster:Cluster warehouse: no price is known for this "
        "type" in done.stdout
    )


def test_a_value_that_a_preview_does_not_know_is_named(here):
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    found = database(instanceClass=unknown, allocatedStorage=20)
    done = run("--file", write(preview([*STACK, found])))
    assert "aws:rds/instance:Instance database: instanceClass is unknown" in done.stdout


@pytest.mark.parametrize(
    ("stack", "usd"),
    [("production", 1.30), ("staging", 1.06), ("demo", 1.30), ("pr-7", 1.00)],
)
def test_a_stack_is_priced_with_the_profile_that_is_called_like_it(here, stack, usd):
    done = run("--file", write(state(in_stack(stack, STACK))), "--json")
    assert json.loads(done.stdout)["stack"] == stack
    assert json.loads(done.stdout)["usd"] == usd


def test_another_profile_can_be_asked_for(here):
    done = run("--file", write(state(STACK)), "--profile", "staging")
    assert "1.06 USD a month" in done.stdout


def test_assumptions_can_be_changed(here):
    # A million requests: 100 x 0.03.
    file = write(state(STACK))
    done = run("--file", file, "--assume", "key_requests=1_000_000")
    assert "4.00 USD a month" in done.stdout
    # Of which two times 10,000 are free.
    more = ("--assume", "free_allowances_percent=100")
    done = run("--file", file, "--assume", "key_requests=1_000_000", *more)
    assert "3.94 USD a month" in done.stdout


def test_json_is_all_that_is_printed_for_programs(here):
    done = run("--file", write(state(STACK)), "--json")
    data = json.loads(done.stdout)
    assert (data["usd"], data["region"], data["unknown"]) == (1.3, "eu-central-1", [])
    assert "changes" not in data


def test_markdown_is_printed_for_pull_requests(here):
    done = run("--file", write(state(STACK)), "--markdown")
    assert done.stdout.splitlines() == [
        f"**{HEADLINE}**",
        "",
        "|  | USD |",
        "|---|---:|",
        "| Keys and secrets | 1.30 |",
    ]


# A difference.


@pytest.fixture
def before(here):
    return write(state([*STACK, database(allocatedStorage=20)]), "before.json")


@pytest.fixture
def after(here):
    # 730 h x 0.019 before, x 0.037 now.
    bigger = database(instanceClass="db.t4g.small", allocatedStorage=20)
    return write(state([*STACK, bigger]), "after.json")


CHANGE = "+13.14 USD a month: from 17.91 to 31.05 USD a month"


def test_a_difference_is_printed_for_people(before, after):
    done = run("--file", after, "--against", before)
    assert done.exit_code == 0
    header, row, empty, sentence = done.stdout.splitlines()
    assert header.split() == ["what", "before", "after", "difference"]
    assert row.split() == [
        *("database", "hours,", "db.t4g.small"),
        *("13.87", "27.01", "+13.14"),
    ]
    assert empty == ""
    assert sentence.startswith(CHANGE)


def test_a_difference_is_printed_for_pull_requests(before, after):
    done = run("--file", after, "--against", before, "--markdown")
    first, *_, row = done.stdout.splitlines()
    assert first.startswith(f"**{CHANGE}")
    assert row == "| database: hours, db.t4g.small | 13.87 | 27.01 | +13.14 |"


def test_a_difference_is_printed_for_programs(before, after):
    done = run("--file", after, "--against", before, "--json")
    (change,) = json.loads(done.stdout)["changes"]
    assert (change["name"], change["what"]) == ("database", "hours, db.t4g.small")
    assert change["usd"] == pytest.approx(13.14)


def test_both_sides_of_a_difference_are_priced_with_the_same_use(before, after):
    done = run("--file", after, "--against", before, "--profile", "staging")
    # 0.24 less for the key on both sides.
    assert "+13.14 USD a month: from 17.67 to 30.81 USD a month" in done.stdout


def test_no_difference_is_said(before):
    done = run("--file", before, "--against", before)
    assert done.stdout.splitlines()[-1].startswith(
        "The price stays as it is: 17.91 USD"
    )


# A limit.


def test_more_than_the_limit_ends_with_1_after_the_price(here):
    done = run("--file", write(state(STACK)), "--limit", 1.29)
    assert done.exit_code == 1
    assert HEADLINE in done.stdout
    assert done.stderr == "1.30 USD a month are more than the limit of 1.29.\n"


@pytest.mark.parametrize("limit", ["1.31", "1.30"])
def test_no_more_than_the_limit_is_well(here, limit):
    done = run("--file", write(state(STACK)), "--limit", limit)
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_limit_leaves_what_programs_read_as_it_is(here):
    done = run("--file", write(state(STACK)), "--limit", 1, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["usd"] == 1.3


def test_nobody_vouches_for_a_limit_where_something_is_unknown(here):
    unknown = resource("aws:neptune/cluster:Cluster", "graph")
    done = run("--file", write(state([*STACK, unknown])), "--limit", 100)
    assert done.exit_code == 1
    assert done.stderr == (
        "1 of unknown price: nobody knows whether a month stays within the limit of "
        "100.00.\n"
    )


def test_a_limit_is_of_the_sum_and_not_of_the_difference(before, after):
    done = run("--file", after, "--against", before, "--limit", 20)
    assert done.exit_code == 1
    assert "31.05 USD a month are more than the limit of 20.00." in done.stderr


# What cannot be priced.


def test_without_stack_and_file_it_is_asked_which():
    assert refusal() == "Say which: --stack NAME or --file FILE."


def test_stack_and_file_at_once_are_refused(here):
    said = refusal("--stack", "production", "--file", write(state(STACK)))
    assert said == "Say which: --stack NAME or --file FILE."


def test_a_file_goes_before_a_stack_that_only_the_environment_names(here, monkeypatch):
    monkeypatch.setenv("STROMHALTIG_STACK", "production")
    done = run("--file", write(state(STACK)))
    assert (done.exit_code, done.stderr) == (0, "")
    assert HEADLINE in done.stdout
    for typed in (("--stack", "production"), ("-s", "production")):
        said = refusal("--file", "state.json", *typed)
        assert said == "Say which: --stack NAME or --file FILE."


def test_for_programs_and_pull_requests_at_once_is_refused(here):
    said = refusal("--file", write(state(STACK)), "--json", "--markdown")
    assert said == "Say which: --json or --markdown."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            "deployment:",
            "state.json is no JSON (Expecting value: line 1 column 1 (char 0)). Write "
            "it with: pulumi stack export --file state.json, or "
            "pulumi preview --json --show-sames",
            id="no JSON",
        ),
        pytest.param(
            {"version": 3, "deployment": {"resources": []}},
            "state.json: the state has no resources: there is nothing to look at",
            id="an empty state",
        ),
        pytest.param(
            {"steps": [], "changeSummary": {}},
            "state.json: the preview has no resources: there is nothing to look at",
            id="an empty preview",
        ),
        pytest.param(
            {"prices": {}},
            "state.json: neither an exported state nor a preview. A state is what "
            "`pulumi stack export` writes, a preview what `pulumi preview --json "
            "--show-sames` prints",
            id="another kind of JSON",
        ),
        pytest.param(
            [1, 2],
            "state.json: neither an exported state nor a preview. A state is what "
            "`pulumi stack export` writes, a preview what `pulumi preview --json "
            "--show-sames` prints",
            id="a list",
        ),
        pytest.param(
            preview(STACK, changeSummary={"create": 2, "same": 40}),
            "state.json: the preview leaves out 40 resources that do not change. Write "
            "it with: pulumi preview --json --show-sames",
            id="a preview of what changes only",
        ),
        pytest.param(
            state([KEY]),
            "Nothing in it says which region of AWS. Say it: --region",
            id="no region",
        ),
    ],
)
def test_a_file_that_cannot_be_priced_is_refused_with_the_reason(here, content, said):
    assert refusal("--file", write(content)) == said


def test_a_file_that_is_not_there_is_refused(here):
    said = "nowhere.json cannot be read: No such file or directory"
    assert refusal("--file", "nowhere.json") == said


def test_what_it_is_compared_with_has_to_be_there_too(here):
    file = write(state(STACK))
    said = "nowhere.json cannot be read: No such file or directory"
    assert refusal("--file", file, "--against", "nowhere.json") == said
    empty = write({"deployment": {"resources": []}}, "empty.json")
    assert refusal("--file", file, "--against", empty) == (
        "empty.json: the state has no resources: there is nothing to look at"
    )


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        (
            "--region",
            "eu-centrl-1",
            "There is no price book for eu-centrl-1; there are: "
            f"{', '.join(book.regions())}. Did you mean eu-central-1? Make one with: "
            "stromhaltig cost refresh --region eu-centrl-1",
        ),
        (
            "--profile",
            "prod",
            "There is no profile prod; there are: production, review, staging",
        ),
        (
            "--assume",
            "reqests=5",
            '"reqests" is no assumption that can be set. Did you mean "requests"?',
        ),
        (
            "--assume",
            "requests=many",
            'requests: "many": Input should be a valid number, unable to parse string '
            "as a number",
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_remedy(here, option, value, said):
    assert refusal("--file", write(state(STACK)), option, value) == said


def test_every_assumption_that_cannot_be_is_named(here):
    wrong = ("--assume", "reqests=5", "--assume", "tasks=-1")
    assert refusal("--file", write(state(STACK)), *wrong).splitlines() == [
        '"reqests" is no assumption that can be set. Did you mean "requests"?',
        'tasks: "-1": Input should be greater than or equal to 0',
    ]


def test_a_region_that_is_asked_for_goes_before_the_stacks_own(here):
    elsewhere = resource("aws:ec2/subnet:Subnet", availabilityZone="eu-west-1a")
    file = write(state([elsewhere, KEY]))
    assert run("--file", file, "--region", "eu-central-1").exit_code == 0
    if "eu-west-1" not in book.regions():
        assert "There is no price book for eu-west-1" in refusal("--file", file)


# A stack, by the CLI of Pulumi.


@pytest.fixture
def pulumi(here, monkeypatch):
    """A `pulumi` on PATH: says `out` and `err`, ends with `code`, notes its calls."""
    fake = SimpleNamespace(out=json.dumps(state(STACK)), err="", code=0)
    folder = here / "bin"
    folder.mkdir()

    def install() -> None:
        (folder / "out").write_text(fake.out, encoding="utf-8")
        (folder / "err").write_text(fake.err, encoding="utf-8")
        script = folder / "pulumi"
        script.write_text(
            "#!/bin/sh\n"
            f'echo "$PWD: $*" >> "{folder}/calls"\n'
            f'cat "{folder}/out"; cat "{folder}/err" >&2; exit {fake.code}\n',
            encoding="utf-8",
        )
        script.chmod(0o755)

    def calls() -> list[str]:
        return (folder / "calls").read_text(encoding="utf-8").splitlines()

    fake.install, fake.calls = install, calls
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return fake


def test_a_stack_is_priced_as_it_is(pulumi):
    pulumi.install()
    done = run("--stack", "acme/production")
    assert (done.exit_code, done.stderr) == (0, "")
    assert HEADLINE in done.stdout
    # In the project, wherever one is.
    assert pulumi.calls() == [
        f"{ROOT}: stack export --stack acme/production --non-interactive"
    ]


def test_a_stack_is_priced_as_it_would_be(pulumi):
    pulumi.out = json.dumps(preview(STACK))
    pulumi.install()
    done = run("--stack", "staging", "--preview", "--json")
    assert json.loads(done.stdout)["usd"] == 1.3
    assert pulumi.calls() == [
        f"{ROOT}: preview --json --show-sames --stack staging --non-interactive"
    ]


def test_a_stack_is_compared_with_a_file(pulumi):
    pulumi.install()
    before = write(state([SUBNET]))
    done = run("--stack", "production", "--against", before)
    assert "+1.30 USD a month: from 0.00 to 1.30 USD a month" in done.stdout


def test_what_pulumi_says_when_it_fails_is_passed_on(pulumi):
    pulumi.out, pulumi.code = "", 255
    pulumi.err = "error: no stack named 'prod' found\n"
    pulumi.install()
    assert refusal("--stack", "prod") == (
        "pulumi stack export --stack prod: error: no stack named 'prod' found"
    )


def test_what_pulumi_says_on_the_other_stream_is_passed_on_too(pulumi):
    pulumi.out, pulumi.code = "error: the program failed [exit 1]\n", 1
    pulumi.install()
    assert refusal("--stack", "prod", "--preview") == (
        "pulumi preview --json --show-sames --stack prod: "
        "error: the program failed [exit 1]"
    )


def test_a_stack_without_resources_is_refused(pulumi):
    pulumi.out = json.dumps({"version": 3, "deployment": {"manifest": {}}})
    pulumi.install()
    assert refusal("--stack", "new") == (
        "the state has no resources: there is nothing to look at"
    )


def test_without_pulumi_it_is_said_what_helps(here, monkeypatch):
    monkeypatch.setenv("PATH", str(here))
    assert refusal("--stack", "production") == (
        "There is no `pulumi` on PATH. Install it, or give an exported state: "
        "--file state.json"
    )


# Prices, read again.


def test_a_refresh_prints_what_it_did(monkeypatch):
    asked = []

    def refresh(region):
        asked.append(region)
        return Refreshed(
            Path("aws-eu-west-1.yaml"),
            confirmed=["kms.key"],
            changed={"nat.hour": ("0.052", "0.048")},
            missing={"transfer.region": "the API does not have it"},
        )

    monkeypatch.setattr(price_list, "refresh", refresh)
    done = run("refresh", "--region", "eu-west-1")
    assert (done.exit_code, done.stderr, asked) == (0, "", ["eu-west-1"])
    assert done.stdout.splitlines() == [
        "nat.hour: 0.052 -> 0.048",
        "transfer.region: left as it was, the API does not have it",
        "aws-eu-west-1.yaml: 2 prices read, 1 left as it was.",
    ]


def test_a_refresh_is_of_frankfurt_unless_another_region_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(
        price_list, "refresh", lambda region: asked.append(region) or Refreshed(Path())
    )
    assert run("refresh").exit_code == 0
    assert asked == ["eu-central-1"]


@pytest.mark.parametrize("error", [BookError, PriceListError])
def test_a_refresh_that_fails_ends_with_2_and_the_reason(monkeypatch, error):
    def refresh(region):
        raise error(f"{region}: [no] price")

    monkeypatch.setattr(price_list, "refresh", refresh)
    assert refusal("refresh") == "eu-central-1: [no] price"


def test_a_region_that_nobody_can_read_is_refused():
    assert refusal("refresh", "--region", "mars-1").startswith(
        "mars-1 is no region whose prices can be read; those that can: ap-northeast-1, "
    )

"""The project: made once, found again, and never taken from somebody else."""

from __future__ import annotations

import pytest

from components.railway.client import RailwayError
from components.railway.provider.project import ProjectProvider
from rehearsal.railway_model import Project
from rehearsal.railway_server import Fault
from tests.unit.railway.conftest import Driven


def known(name, description, id_="other"):
    return Project(id_, name, description, None, {"env": "production"})


def test_a_project_has_the_environment_that_was_asked_for(project, server):
    project.up(environment="live")

    [made] = server.model.projects
    assert (made.name, made.description) == ("stromhaltig", "the test's")
    assert list(made.environments.values()) == ["live"]
    assert project.id == f"{made.id}/{next(iter(made.environments))}"
    [request] = server.sent("projectCreate")
    assert request.variables["input"]["prDeploys"] is False


def test_a_workspace_is_named_where_there_is_one(project, server):
    project.up(workspace_id="workspace")

    assert server.model.projects[0].workspace_id == "workspace"


def test_an_unchanged_project_is_left_alone(project):
    project.up()

    assert project.up() == "same"
    assert project.refresh() == set()
    assert project.up() == "same"


def test_name_and_description_are_changed_in_place(project, server):
    project.up()

    assert project.up(project_name="other", description="changed") == "update"
    assert server.model.projects[0].name == "other"
    assert server.model.projects[0].description == "changed"


@pytest.mark.parametrize("key", ["environment", "workspace_id"])
def test_another_environment_or_workspace_is_another_project(project, key):
    project.up()

    assert project.up(**{key: "other"}) == f"replace: {key}"


def test_a_renamed_project_is_found_and_named_again(project, server):
    project.up()
    server.model.projects[0].name = "by hand"

    assert project.refresh() == {"project_name"}
    assert project.up() == "update"
    assert server.model.projects[0].name == "stromhaltig"


def test_a_deleted_project_is_forgotten_and_made_again(project, server):
    project.up()
    server.model.projects.clear()

    assert project.refresh() == {"gone"}
    assert project.up() == "create"


def test_a_deleted_environment_is_made_again_in_the_same_project(project, server):
    project.up()
    [made] = server.model.projects
    made.environments.clear()

    assert project.refresh() == {"gone"}
    assert project.up() == "create"
    assert list(made.environments.values()) == ["production"]
    assert server.model.projects == [made]


def test_a_project_that_an_interrupted_run_has_made_is_gone_on_with(project, server):
    server.order(Fault(operation="projectCreate", done=True, message="broken"))
    with pytest.raises(RailwayError, match="broken"):
        project.up()

    assert project.up() == "create"
    assert len(server.model.projects) == 1
    assert len(server.sent("projectCreate")) == 1


def test_a_project_whose_creation_got_no_answer_is_not_made_twice(project, server):
    server.order(Fault(operation="projectCreate", done=True))

    assert project.up() == "create"
    assert len(server.model.projects) == 1
    assert len(server.sent("projectCreate")) == 1


def test_a_project_whose_creation_never_happened_is_made_by_the_next_try(
    project, server
):
    server.order(Fault(operation="projectCreate", status=0))

    assert project.up() == "create"
    assert len(server.model.projects) == 1
    assert len(server.sent("projectCreate")) == 2


def test_a_project_of_that_name_that_is_somebody_elses_is_not_touched(project, server):
    others = known("stromhaltig", "not ours")
    server.model.projects.append(others)
    project.up()
    project.down()

    assert server.model.projects == [others]


def test_ours_is_found_among_many(project, server):
    server.model.projects += [known(f"p{i}", "", f"id{i}") for i in range(230)]
    server.model.projects.append(known("stromhaltig", "the test's", "ours"))
    project.up()

    assert project.outs["project_id"] == "ours"


def test_two_that_could_be_ours_are_said(project, server):
    server.model.projects += [known("stromhaltig", "the test's", i) for i in "ab"]

    with pytest.raises(RailwayError, match=r"2 projects are called .* \(a, b\)"):
        project.up()


def test_a_deleted_project_is_deleted_with_all_that_is_in_it(project, server):
    project.up()
    project.down()

    assert server.model.things() == set()


def test_what_is_gone_already_is_as_good_as_deleted(project, server):
    project.up()
    server.model.projects.clear()
    project.down()


def test_a_projects_own_token_makes_and_deletes_no_project(access, server):
    there = known("by hand", "")
    server.model.projects.append(there)
    inputs = {
        **access,
        "owner": "project",
        "project_name": "stromhaltig",
        "environment": "production",
        "description": "",
    }
    project = Driven(ProjectProvider(), inputs)
    project.up()

    assert project.id == "other/env"
    project.up(description="changed")
    project.down()
    assert server.model.projects == [there]
    assert there.description == ""
    assert server.sent() == []


def test_a_project_is_known_by_its_id_alone(project, server):
    server.model.projects.append(known("stromhaltig", "the test's"))
    project.take("other/env")

    assert project.up() == "same"

"""Which platform a stack is operated on."""

from __future__ import annotations

import pytest

from ops.errors import NotOfferedError, OpsError
from ops.platforms import platform_of
from tests.unit.ops.fakes import FakeStack


def test_a_stack_that_was_never_deployed_says_how(tmp_path):
    with pytest.raises(OpsError, match="stromhaltig deploy --stack staging"):
        platform_of(FakeStack(tmp_path))


def test_an_environment_of_a_pull_request_names_its_log(tmp_path):
    stack = FakeStack(tmp_path, name="pr-7")
    stack.outputs = {"platform": "aws-review", "log_group": "/ecs/stromhaltig-pr-7"}
    with pytest.raises(NotOfferedError, match="aws logs tail /ecs/stromhaltig-pr-7"):
        platform_of(stack)

"""The AWS platform: the app on Fargate behind a load balancer, its data in RDS.

`stack` wires everything together; `edge` has what stands between the internet and the
app, `operations` what runs and watches it after the first day. `review` is the stack of
a pull request, which takes from `base` what another stack has already.
"""

from __future__ import annotations

from stacks.aws.outputs import AwsOutputs, ReviewOutputs
from stacks.aws.stack import deploy

__all__ = ["AwsOutputs", "ReviewOutputs", "deploy"]

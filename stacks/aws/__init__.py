"""The AWS platform: the app on Fargate behind a load balancer, its data in RDS.

`stack` wires everything together; `edge` has what stands between the internet and the
app, `operations` what runs and watches it after the first day.
"""

from __future__ import annotations

from stacks.aws.outputs import AwsOutputs
from stacks.aws.stack import deploy

__all__ = ["AwsOutputs", "deploy"]

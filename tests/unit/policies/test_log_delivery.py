"""Access logs by deliveries of CloudWatch Logs."""

from __future__ import annotations

import pytest

from policies.log_delivery import delivers_access_logs
from resource_graph import UNKNOWN, Resource, ResourceGraph, UndecidedError
from resource_types import DISTRIBUTION, LOG_DELIVERY, LOG_DELIVERY_SOURCE
from tests.unit.policies.casework import resource

SITE = resource(DISTRIBUTION, "site")


def delivered(*resources: Resource, of: Resource = SITE) -> bool:
    return delivers_access_logs(of, ResourceGraph([SITE, *resources]))


def source(**given) -> Resource:
    return resource(
        LOG_DELIVERY_SOURCE,
        "logs",
        **{
            "comes_from": {"resourceArn": [SITE]},
            "logType": "ACCESS_LOGS",
            "name": "site",
            **given,
        },
    )


DELIVERY = resource(LOG_DELIVERY, deliverySourceName="site")


def test_a_source_with_a_delivery_delivers():
    assert delivered(source(), DELIVERY)


def test_a_delivery_may_refer_to_its_source_instead_of_its_name():
    given = source(name=UNKNOWN)
    related = resource(LOG_DELIVERY, comes_from={"deliverySourceName": [given]})
    assert delivered(given, related)


@pytest.mark.parametrize(
    "resources",
    [
        (),
        (source(),),
        (DELIVERY,),
        (source(logType="CONNECTION"), DELIVERY),
        (source(name="other"), DELIVERY),
        (source(comes_from={"resourceArn": [resource(DISTRIBUTION, "x")]}), DELIVERY),
    ],
    ids=[
        "nothing",
        "no delivery",
        "no source",
        "other log",
        "other name",
        "other site",
    ],
)
def test_half_of_it_delivers_nothing(resources: tuple[Resource, ...]):
    assert not delivered(*resources)


def test_of_two_sources_one_is_enough():
    connections = source(logType="CONNECTION_LOGS", name="connections")
    assert delivered(connections, source(), DELIVERY)


def test_what_only_an_unknown_name_could_say_is_undecided():
    with pytest.raises(UndecidedError, match=r"^name is unknown$"):
        delivered(source(name=UNKNOWN), DELIVERY)

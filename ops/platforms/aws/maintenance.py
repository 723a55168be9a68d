"""The maintenance page: two rules of the listener, before all others.

The first lets the health path pass, as the app's own rule does, so that monitoring
goes on; the second answers everything else with 503. A fixed response of a load
balancer has no headers of its own, so there is no `Retry-After`.

With a domain, both are for its names alone: environments of pull requests are on the
same listener, by names and rules of their own, and stay open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from components.origin import ORIGIN_HEADER
from ops.errors import FailedError, OpsError
from ops.platforms.aws.account import Account, chunks, tagged

TAG = "stromhaltig:maintenance"
"""How our rules are found again. Its value is `health` or `page`."""

PAGE = (
    '<!doctype html><html lang="de"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    "<title>Wartung</title>"
    "<style>body{font:1.1em/1.5 sans-serif;max-width:32em;margin:15vh auto;"
    "padding:0 1em}</style>"
    "<h1>Wartung</h1><p>Stromhaltig wird gerade gewartet und ist in Kürze wieder da. "
    "Ihre Daten sind sicher.</p>"
    '<div lang="en"><h1>Maintenance</h1><p>Stromhaltig is being maintained and will '
    "be back shortly. Your data is safe.</p></div></html>"
)
"""What visitors see: 1,024 bytes are the most that a load balancer takes."""

_TAGGED = 20
"""Rules whose tags one call gives."""

_PRIORITIES = {"health": 1, "page": 2}


def listener(account: Account) -> Any:
    """The listener that visitors come to: HTTPS, or HTTP without a certificate.

    Raises FailedError when the load balancer has neither.
    """
    name: str = account["load_balancer_metric"]
    place = account["target_group"].partition(":targetgroup/")[0]
    found = account.pages(
        "elbv2",
        "describe_listeners",
        "Listeners",
        LoadBalancerArn=f"{place}:loadbalancer/{name}",
    )
    by_port = {one["Port"]: one for one in found}
    serving = by_port.get(443) or by_port.get(80)
    if serving is None:
        raise FailedError(f"Load balancer {name} has no listener on 443 or 80")
    return serving


class Maintenance:
    """The maintenance page of a stack."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._elb = account.client("elbv2")

    def on(self) -> bool:
        """Whether visitors get the page."""
        return "page" in self._ours(self._rules(listener(self._account)))

    def set(self, on: bool) -> None:
        """Make both rules, or remove them; what is as wanted already is left.

        Raises OpsError when other rules leave no room before them.
        """
        serving = listener(self._account)
        rules = self._rules(serving)
        ours = self._ours(rules)
        if not on:
            # The page first: without the other rule nobody is let in by mistake.
            for kind in reversed(_PRIORITIES):
                if kind in ours:
                    self._elb.delete_rule(RuleArn=ours[kind]["RuleArn"])
            return
        others = [rule for rule in rules if rule not in ours.values()]
        if _priority(others[0]) <= max(_PRIORITIES.values()):
            raise OpsError(
                f"A rule of the listener has priority {_priority(others[0])}, and the "
                "maintenance page needs 1 and 2. Give it another: aws elbv2 "
                "set-rule-priorities"
            )
        wanted = self._wanted(serving, others)
        made: list[str] = []
        try:
            for kind in _PRIORITIES:
                if kind not in ours:
                    made.append(self._make(serving, kind, wanted[kind]))
        except BaseException:
            for rule in made:
                self._elb.delete_rule(RuleArn=rule)
            raise
        self.follow()

    def follow(self) -> None:
        """Let the health path lead where the app's rule leads now.

        With two target groups a deployment moves it; ours is not moved by ECS. The
        page follows, too: an update may have changed the stack's names, and an older
        version of this may have made it for every name.
        """
        serving = listener(self._account)
        rules = self._rules(serving)
        ours = self._ours(rules)
        if not ours:
            return
        others = [rule for rule in rules if rule not in ours.values()]
        wanted = self._wanted(serving, others)
        for kind in _PRIORITIES:
            if kind in ours:
                self._elb.modify_rule(RuleArn=ours[kind]["RuleArn"], **wanted[kind])

    def _make(self, serving: Any, kind: str, wanted: Mapping[str, Any]) -> str:
        made = self._elb.create_rule(
            ListenerArn=serving["ListenerArn"],
            Priority=_PRIORITIES[kind],
            **wanted,
            Tags=tagged(
                self._tags(serving), stack=self._account.stack, maintenance=kind
            ),
        )
        return str(made["Rules"][0]["RuleArn"])

    def _rules(self, serving: Any) -> list[Any]:
        found = self._account.pages(
            "elbv2", "describe_rules", "Rules", ListenerArn=serving["ListenerArn"]
        )
        return sorted(found, key=_priority)

    def _tags(self, serving: Any) -> list[Any]:
        found = self._elb.describe_tags(ResourceArns=[serving["ListenerArn"]])
        return list(found["TagDescriptions"][0].get("Tags", ()))

    def _ours(self, rules: list[Any]) -> dict[str, Any]:
        """Our rules by kind: whoever made them, and whatever else was changed."""
        by_arn = {rule["RuleArn"]: rule for rule in rules if not rule["IsDefault"]}
        return {
            tag["Value"]: by_arn[described["ResourceArn"]]
            for some in chunks(by_arn, _TAGGED)
            for described in self._elb.describe_tags(ResourceArns=some)[
                "TagDescriptions"
            ]
            for tag in described.get("Tags", ())
            if tag["Key"] == TAG
        }

    def _wanted(self, serving: Any, others: list[Any]) -> dict[str, dict[str, Any]]:
        """Conditions and actions of both rules.

        Where CloudFront proves itself with a header, the health path asks for it too:
        four values, of the five that the conditions of a rule may have.
        """
        url = urlsplit(self._account["health_url"])
        leads = _answers(others, url.hostname or "", url.path)
        if leads is None:
            raise FailedError(
                f"No rule of listener {serving['ListenerArn']} leads to the app"
            )
        asked = [
            {"Field": one["Field"], "HttpHeaderConfig": one["HttpHeaderConfig"]}
            for one in leads.get("Conditions", [])
            if one["Field"] == "http-header"
        ]
        # AWS's own name, which the app has without a domain, needs no telling apart.
        names = _own_names(url.hostname or "") if url.scheme == "https" else []
        return {
            "health": {
                "Conditions": [_path(url.path), *names, *asked],
                "Actions": [_forward(leads["Actions"])],
            },
            "page": {
                "Conditions": [_path("/*"), *names],
                "Actions": [
                    {
                        "Type": "fixed-response",
                        "FixedResponseConfig": {
                            "StatusCode": "503",
                            "ContentType": "text/html",
                            "MessageBody": PAGE,
                        },
                    }
                ],
            },
        }


def _priority(rule: Any) -> int:
    """The default rule comes last, and has no number."""
    return 10**6 if rule["IsDefault"] else int(rule["Priority"])


def _answers(rules: Iterable[Any], host: str, path: str) -> Any | None:
    """The first rule that forwards what the stack itself is asked there.

    Never that of a pull request, which is for another name. A rule that looks at more
    than name, path and CloudFront's secret is not for everybody, and is left aside.
    """
    return next((rule for rule in rules if _leads(rule, host, path)), None)


def _leads(rule: Any, host: str, path: str) -> bool:
    if not any(action["Type"] == "forward" for action in rule["Actions"]):
        return False
    return all(_met(one, host, path) for one in rule.get("Conditions", ()))


def _met(condition: Any, host: str, path: str) -> bool:
    match condition["Field"]:
        case "host-header":
            return _fits(condition.get("HostHeaderConfig", condition), host.lower())
        case "path-pattern":
            return _fits(condition.get("PathPatternConfig", condition), path)
        case "http-header":
            name: str = condition["HttpHeaderConfig"]["HttpHeaderName"]
            return name.lower() == ORIGIN_HEADER.lower()
    return False


def _fits(config: Mapping[str, Any], text: str) -> bool:
    """Whether a value fits: `*` is any characters there, and `?` is one.

    Regular expressions, which a rule can have instead, are not ours.
    """
    patterns = map(re.escape, config.get("Values", ()))
    return any(
        re.fullmatch(each.replace(r"\*", ".*").replace(r"\?", "."), text)
        for each in patterns
    )


def _forward(actions: list[Any]) -> dict[str, Any]:
    """The forwarding among actions, as a new rule takes it."""
    action = next(one for one in actions if one["Type"] == "forward")
    config = action.get("ForwardConfig")
    if config:
        return {"Type": "forward", "ForwardConfig": config}
    return {"Type": "forward", "TargetGroupArn": action["TargetGroupArn"]}


def _path(pattern: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": [pattern]}}


def _own_names(domain: str) -> list[dict[str, Any]]:
    """The domain, and `www.` of it, whether that leads here or not."""
    values = [domain, f"www.{domain}"]
    return [{"Field": "host-header", "HostHeaderConfig": {"Values": values}}]

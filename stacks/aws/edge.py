"""Between the internet and the app: names, certificates, firewall, CloudFront."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.alias_records import AliasRecords, AliasRecordsArgs
from components.cdn import Cdn, CdnArgs
from components.certificate import Certificate, CertificateArgs
from components.docker.proxy_config import DEFAULT_CSP
from components.firewall import Firewall, FirewallArgs
from components.load_balancer import LoadBalancer
from components.log_bucket import LogBucket
from contract import AppContract
from settings import AwsSettings, Domain

CLOUDFRONT_ADDRESSES = "com.amazonaws.global.cloudfront.origin-facing"
"""AWS's list of the addresses that CloudFront asks origins from."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What the rest of a stack needs to know of it; None for what is off."""

    firewall: Firewall | None
    cdn: Cdn | None

    @property
    def firewall_scope(self) -> Literal["REGIONAL", "CLOUDFRONT"]:
        """Where the firewall's metrics are."""
        return "CLOUDFRONT" if self.cdn else "REGIONAL"


def cloudfront_addresses(settings: AwsSettings) -> pulumi.Output[str] | None:
    """ID of the prefix list that alone may reach the load balancer; None for all."""
    if settings.cdn is None or not settings.cdn.exclusive:
        return None
    return aws.ec2.get_managed_prefix_list_output(name=CLOUDFRONT_ADDRESSES).id


def origin_secret(settings: AwsSettings) -> pulumi.Output[str] | None:
    """What CloudFront proves itself with to the load balancer."""
    if settings.cdn is None:
        return None
    return random.RandomPassword(
        f"{settings.name}-origin", length=48, special=False
    ).result


def certificate(settings: AwsSettings) -> Certificate | None:
    """Of every name of the stack, in its region."""
    domain = settings.domain
    if domain is None:
        return None
    if domain.zone_id is None:
        raise ValueError("domain.zone_id is missing; the settings see to it on AWS")
    return Certificate(
        settings.name,
        CertificateArgs(
            domain=domain.name,
            alternative_names=domain.hosts[1:],
            zone_id=domain.zone_id,
        ),
    )


def protect(
    settings: AwsSettings,
    contract: AppContract,
    *,
    balancer: LoadBalancer,
    certificate: Certificate | None,
    origin_secret: pulumi.Output[str] | None,
    logs: LogBucket,
    kms_key_arn: pulumi.Output[str],
    global_provider: aws.Provider | None,
) -> Edge:
    """Firewall and CDN, where the settings want them, and the names that lead here.

    global_provider: of us-east-1, where CloudFront's things are.
    """
    in_the_world = pulumi.ResourceOptions(provider=global_provider)
    firewall = _firewall(settings, contract, balancer, kms_key_arn, in_the_world)
    cdn = None
    if settings.cdn and settings.domain and certificate and origin_secret is not None:
        cdn = Cdn(
            settings.name,
            CdnArgs(
                hosts=settings.domain.hosts,
                certificate_arn=_global_certificate(
                    settings, settings.domain, certificate, in_the_world
                ),
                origin_dns_name=balancer.dns_name,
                origin_secret=origin_secret,
                web_acl_arn=firewall.arn if firewall else None,
                # Known once its policy is there: AWS would add a statement of its own.
                log_bucket_arn=pulumi.Output.all(
                    logs.bucket_arn, logs.bucket_name
                ).apply(lambda known: str(known[0])),
                content_security_policy=settings.cdn.content_security_policy
                or DEFAULT_CSP,
                static_paths=contract.static_paths,
                price_class=settings.cdn.price_class,
            ),
            in_the_world,
        )
    if settings.domain and settings.domain.zone_id:
        _lead_here(settings.name, settings.domain, balancer, cdn)
    return Edge(firewall=firewall, cdn=cdn)


def _firewall(
    settings: AwsSettings,
    contract: AppContract,
    balancer: LoadBalancer,
    kms_key_arn: pulumi.Output[str],
    in_the_world: pulumi.ResourceOptions,
) -> Firewall | None:
    """Where clients arrive: behind a CDN all would seem to be one."""
    wanted = settings.firewall
    if wanted is None:
        return None
    return Firewall(
        firewall_name(settings),
        FirewallArgs(
            scope="CLOUDFRONT" if settings.cdn else "REGIONAL",
            load_balancer_arn=None if settings.cdn else balancer.arn,
            mode=wanted.mode,
            api_path=contract.api_path,
            api_requests_per_minute=wanted.api_requests_per_minute,
            login_path=contract.login_path,
            login_attempts_per_5_minutes=wanted.login_attempts_per_5_minutes,
            upload_path=contract.upload_path,
            log_retention_days=wanted.log_retention_days,
            # The key is of the stack's region, and serves no other.
            kms_key_arn=None if settings.cdn else kms_key_arn,
        ),
        in_the_world if settings.cdn else None,
    )


def firewall_name(settings: AwsSettings) -> str:
    """Another one for another region: nothing can move there, all is made anew."""
    return f"{settings.name}-global" if settings.cdn else settings.name


def _global_certificate(
    settings: AwsSettings,
    domain: Domain,
    regional: Certificate,
    in_the_world: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    return Certificate(
        f"{settings.name}-cdn",
        CertificateArgs(
            domain=domain.name,
            alternative_names=domain.hosts[1:],
            validated_by=regional.validation_fqdns,
        ),
        in_the_world,
    ).arn


def _lead_here(
    name: str, domain: Domain, balancer: LoadBalancer, cdn: Cdn | None
) -> None:
    if domain.zone_id is None:
        return
    target: LoadBalancer | Cdn = cdn or balancer
    AliasRecords(
        name,
        AliasRecordsArgs(
            hosts=domain.hosts,
            zone_id=domain.zone_id,
            target_dns_name=target.dns_name,
            target_zone_id=target.zone_id,
            evaluate_target_health=cdn is None,
            ipv6=cdn is not None,
            moved_from=balancer,
        ),
    )

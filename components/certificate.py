"""TLS certificate from ACM, proved by DNS records in Route 53."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class CertificateArgs:
    """What a certificate needs to know.

    domain: main name, such as `example.org`.
    alternative_names: further names; `*.example.org` covers one level below.
    zone_id: hosted zone that answers for all of them, and gets the records.
    validated_by: instead of a zone, `validation_fqdns` of a certificate for the same
        names in the same account: its records prove this one too, in every region.
    """

    domain: str
    alternative_names: Sequence[str] = ()
    zone_id: pulumi.Input[str] | None = None
    validated_by: Sequence[pulumi.Input[str]] | None = None

    def __post_init__(self) -> None:
        if (self.zone_id is None) == (self.validated_by is None):
            raise ValueError("exactly one of zone_id and validated_by is needed")


class Certificate(pulumi.ComponentResource):
    """A public certificate that AWS renews by itself (ACM.1).

    RSA with 2048 bits, which every client speaks (ACM.2). The records stay in the
    zone: renewal reads them again. A name has one record per account, whatever the
    certificate and its region, so a second certificate makes none of its own: the
    one that was deleted first would take the other's proof away.
    https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
    """

    arn: pulumi.Output[str]
    """ARN of the certificate; known only once it is issued."""

    validation_fqdns: Sequence[pulumi.Output[str]]
    """Names of the records that prove it, for another certificate's `validated_by`."""

    def __init__(
        self,
        name: str,
        args: CertificateArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:Certificate", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        name = f"{name}-certificate"

        names = list(dict.fromkeys([args.domain, *args.alternative_names]))
        certificate = aws.acm.Certificate(
            name,
            domain_name=args.domain,
            subject_alternative_names=names[1:],
            validation_method="DNS",
            key_algorithm="RSA_2048",
            opts=child,
        )
        self.validation_fqdns = (
            [
                _validation_record(
                    f"{name}-{domain}", certificate, domain, args.zone_id, child
                ).fqdn
                for domain in _proved_separately(names)
            ]
            if args.zone_id is not None
            else [pulumi.Output.from_input(fqdn) for fqdn in args.validated_by or ()]
        )
        validation = aws.acm.CertificateValidation(
            name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=self.validation_fqdns,
            opts=child,
        )

        self.arn = validation.certificate_arn
        self.register_outputs(
            {"arn": self.arn, "validation_fqdns": self.validation_fqdns}
        )


def _proved_separately(names: Sequence[str]) -> list[str]:
    """Names with a record of their own: a wildcard shares that of its parent."""
    return list(dict.fromkeys(name.removeprefix("*.") for name in names))


def _validation_record(
    name: str,
    certificate: aws.acm.Certificate,
    domain: str,
    zone_id: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> aws.route53.Record:
    option = certificate.domain_validation_options.apply(
        # ACM answers in any order, and for the wildcard where there is only that.
        lambda options: next(
            option
            for option in options
            if option.domain_name in (domain, f"*.{domain}")
        )
    )
    return aws.route53.Record(
        name,
        zone_id=zone_id,
        name=option.resource_record_name,
        type=option.resource_record_type,
        records=[option.resource_record_value],
        ttl=300,
        # The record of a name is the same for every certificate of an account.
        allow_overwrite=True,
        opts=opts,
    )

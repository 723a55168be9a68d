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
    zone_id: hosted zone that answers for all of them.
    """

    domain: str
    alternative_names: Sequence[str] = ()
    zone_id: pulumi.Input[str]


class Certificate(pulumi.ComponentResource):
    """A public certificate that AWS renews by itself (ACM.1).

    RSA with 2048 bits, which every client speaks (ACM.2). The records stay in the
    zone: renewal reads them again.
    """

    arn: pulumi.Output[str]
    """ARN of the certificate; known only once it is issued."""

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
        records = [
            _validation_record(f"{name}-{domain}", certificate, domain, args, child)
            for domain in _proved_separately(names)
        ]
        validation = aws.acm.CertificateValidation(
            name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn for record in records],
            opts=child,
        )

        self.arn = validation.certificate_arn
        self.register_outputs({"arn": self.arn})


def _proved_separately(names: Sequence[str]) -> list[str]:
    """Names with a record of their own: a wildcard shares that of its parent."""
    return list(dict.fromkeys(name.removeprefix("*.") for name in names))


def _validation_record(
    name: str,
    certificate: aws.acm.Certificate,
    domain: str,
    args: CertificateArgs,
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
        zone_id=args.zone_id,
        name=option.resource_record_name,
        type=option.resource_record_type,
        records=[option.resource_record_value],
        ttl=300,
        # The record of a name is the same for every certificate of an account.
        allow_overwrite=True,
        opts=opts,
    )

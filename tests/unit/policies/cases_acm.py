"""What breaks the policies about ACM."""

from __future__ import annotations

from dataclasses import replace

from resource_graph import SECRET
from resource_types import CERTIFICATE
from tests.unit.policies.casework import Case, resource

DOMAIN = "stromhaltig.example"
IMPORTED = resource(CERTIFICATE, privateKey=SECRET, certificateBody="-----BEGIN")

CASES = (
    Case(
        id="ACM.1",
        good=[
            resource(CERTIFICATE, domainName=DOMAIN, validationMethod="DNS"),
            resource(CERTIFICATE, domainName=DOMAIN, validationMethod="HTTP"),
            resource(
                CERTIFICATE,
                domainName=DOMAIN,
                certificateAuthorityArn="arn:aws:acm-pca:eu-central-1:1:ca",
            ),
        ],
        bad={
            "imported": ([IMPORTED], "imported"),
            "by e-mail": (
                [resource(CERTIFICATE, domainName=DOMAIN, validationMethod="EMAIL")],
                "validationMethod is EMAIL",
            ),
            "left to its default": (
                [resource(CERTIFICATE, domainName=DOMAIN)],
                "validationMethod is EMAIL",
            ),
        },
    ),
    Case(
        id="ACM.2",
        good=[
            resource(CERTIFICATE, domainName=DOMAIN),
            resource(CERTIFICATE, keyAlgorithm="RSA_2048"),
            resource(CERTIFICATE, keyAlgorithm="EC_prime256v1"),
            IMPORTED,
        ],
        bad={
            "short": (
                [resource(CERTIFICATE, keyAlgorithm="RSA_1024")],
                "keyAlgorithm is RSA_1024",
            ),
            "imported, and short": (
                [replace(IMPORTED, outputs={"keyAlgorithm": "RSA-1024"})],
                "keyAlgorithm is RSA-1024",
            ),
        },
    ),
)

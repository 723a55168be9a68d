"""AWS Certificate Manager: certificates that renew themselves, with keys that last."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import CERTIFICATE

_BY_ITSELF = ("DNS", "HTTP")
"""How a domain is proven again without anybody doing anything."""

_SHORTEST_RSA = 2048


@policy(
    "ACM.1",
    CERTIFICATE,
    title="Certificates are renewed by themselves",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Have ACM issue it: set domain_name and validation_method='DNS', with the "
    "records of aws.acm.CertificateValidation left in place.",
)
def renewed(certificate: Resource) -> Iterator[str]:
    """A certificate that somebody has to think of expires on a Sunday."""
    if certificate.has("certificateAuthorityArn"):
        return
    if certificate.has("privateKey") or certificate.has("certificateBody"):
        yield "it is imported (certificateBody), so nothing renews it"
        return
    # By e-mail is what AWS does where it is not told.
    method = certificate.get("validationMethod", "EMAIL")
    if method not in _BY_ITSELF:
        yield f"validationMethod is {method}, so somebody has to answer each time"


@policy(
    "ACM.2",
    CERTIFICATE,
    title="RSA certificates have keys of 2048 bits or more",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set key_algorithm='RSA_2048', or 'EC_prime256v1', or leave it out.",
)
def long_key(certificate: Resource) -> Iterator[str]:
    """Shorter RSA keys can be broken."""
    # Of an imported one AWS tells, once it is there.
    told = certificate.outputs.get("keyAlgorithm") or f"RSA_{_SHORTEST_RSA}"
    algorithm = str(certificate.get("keyAlgorithm", told))
    bits = re.fullmatch(r"RSA[_-](\d+)", algorithm)
    if bits and int(bits[1]) < _SHORTEST_RSA:
        yield f"keyAlgorithm is {algorithm}, shorter than {_SHORTEST_RSA} bits"

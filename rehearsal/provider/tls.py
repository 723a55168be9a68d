"""Keys and certificates of Pulumi's tls package, as real as its own provider's.

A key and a self-signed certificate need nothing but computation: what comes out here is
what servers read and clients check.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rehearsal.provider.wire import Properties

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}

_KEY_USES = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
"""Names of the package -> those of the library."""

_EXTENDED_USES = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
}

_OPENSSH = (
    "privateKeyOpenssh",
    "publicKeyOpenssh",
    "publicKeyFingerprintMd5",
    "publicKeyFingerprintSha256",
)

_SUBJECT = {
    "commonName": NameOID.COMMON_NAME,
    "country": NameOID.COUNTRY_NAME,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}


def private_key(inputs: Properties) -> tuple[str, Properties]:
    """Make a PrivateKey: its id, and its outputs in PEM and in OpenSSH's form.

    Raises ValueError for an algorithm or a curve that does not exist.
    """
    key = _generate(inputs)
    public = key.public_key()
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    outputs = {
        "rsaBits": 2048,
        "ecdsaCurve": "P224",
        **inputs,
        "privateKeyPem": _private(key, _traditional(key)),
        "privateKeyPemPkcs8": _private(key, serialization.PrivateFormat.PKCS8),
        "publicKeyPem": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode(),
        **_openssh(key),
    }
    return hashlib.sha1(der, usedforsecurity=False).hexdigest(), outputs


def self_signed_cert(inputs: Properties) -> tuple[str, Properties]:
    """Make a SelfSignedCert: its id, and the certificate in PEM.

    Raises ValueError when the key is none, or for a use that does not exist.
    """
    key = serialization.load_pem_private_key(inputs["privateKeyPem"].encode(), None)
    if not isinstance(key, _Key):
        raise ValueError(  # noqa: TRY004 - of an input, not of an argument
            "privateKeyPem: not a key that signs certificates"
        )
    start = datetime.now(UTC).replace(microsecond=0)
    end = start + timedelta(hours=inputs["validityPeriodHours"])
    subject = _name(inputs.get("subject") or {})
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for extension, critical in _extensions(inputs, key):
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key, _hash(key))
    outputs = {
        "earlyRenewalHours": 0,
        "isCaCertificate": False,
        "setAuthorityKeyId": False,
        "setSubjectKeyId": False,
        **inputs,
        "certPem": signed.public_bytes(serialization.Encoding.PEM).decode(),
        "keyAlgorithm": _algorithm(key),
        "readyForRenewal": False,
        "validityStartTime": start.isoformat(),
        "validityEndTime": end.isoformat(),
    }
    return str(signed.serial_number), outputs


def _generate(inputs: Properties) -> _Key:
    algorithm = inputs["algorithm"]
    if algorithm == "RSA":
        return rsa.generate_private_key(65537, int(inputs.get("rsaBits", 2048)))
    if algorithm == "ED25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm != "ECDSA":
        raise ValueError(f"algorithm: {algorithm} is not one of RSA, ECDSA, ED25519")
    curve = inputs.get("ecdsaCurve", "P224")
    if curve not in _CURVES:
        raise ValueError(f"ecdsaCurve: {curve} is not one of {', '.join(_CURVES)}")
    return ec.generate_private_key(_CURVES[curve]())


def _algorithm(key: _Key) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def _hash(key: _Key) -> hashes.SHA256 | None:
    """Ed25519 has a hash of its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _traditional(key: _Key) -> serialization.PrivateFormat:
    """Return the form that the provider writes: Ed25519 has no traditional one."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return serialization.PrivateFormat.PKCS8
    return serialization.PrivateFormat.TraditionalOpenSSL


def _private(key: _Key, form: serialization.PrivateFormat) -> str:
    encrypted_by = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encrypted_by).decode()


def _openssh(key: _Key) -> dict[str, str]:
    """The key as OpenSSH has it; empty for a curve that it does not know."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp224r1":
        return dict.fromkeys(_OPENSSH, "")
    line = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    blob = base64.b64decode(line.split()[1])
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    pairs = (md5[i : i + 2] for i in range(0, len(md5), 2))
    private = _private(key, serialization.PrivateFormat.OpenSSH)
    values = (private, line.decode() + "\n", ":".join(pairs), f"SHA256:{sha256}")
    return dict(zip(_OPENSSH, values, strict=True))


def _name(subject: Properties) -> x509.Name:
    return x509.Name(
        x509.NameAttribute(_SUBJECT[key], str(value))
        for key, value in subject.items()
        if key in _SUBJECT and value
    )


def _extensions(
    inputs: Properties, key: _Key
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Each extension, and whether it is critical."""
    uses = set(inputs["allowedUses"])
    if unknown := sorted(uses - _KEY_USES.keys() - _EXTENDED_USES.keys()):
        raise ValueError(f"allowedUses: {', '.join(unknown)} is unknown")
    allowed = {theirs: ours in uses for ours, theirs in _KEY_USES.items()}
    if any(allowed.values()):
        yield x509.KeyUsage(**allowed), True
    if extended := [oid for use, oid in _EXTENDED_USES.items() if use in uses]:
        yield x509.ExtendedKeyUsage(extended), False
    authority = bool(inputs.get("isCaCertificate"))
    yield x509.BasicConstraints(ca=authority, path_length=None), True
    if authority or inputs.get("setSubjectKeyId"):
        yield x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
    if names := list(_alternatives(inputs)):
        yield x509.SubjectAlternativeName(names), False


def _alternatives(inputs: dict[str, Any]) -> Iterator[x509.GeneralName]:
    for name in inputs.get("dnsNames") or ():
        yield x509.DNSName(name)
    for address in inputs.get("ipAddresses") or ():
        yield x509.IPAddress(ipaddress.ip_address(address))
    for uri in inputs.get("uris") or ():
        yield x509.UniformResourceIdentifier(uri)

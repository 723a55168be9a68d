"""Keys and certificates of the provider server are real ones."""

from __future__ import annotations

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from rehearsal.provider.recorded import Recorded
from rehearsal.provider.tls import private_key, self_signed_cert

KEYS = [
    {"algorithm": "RSA"},
    {"algorithm": "ECDSA", "ecdsaCurve": "P256"},
    {"algorithm": "ECDSA"},
    {"algorithm": "ED25519"},
]
CERTIFICATE = {
    "allowedUses": ["digital_signature", "key_encipherment", "server_auth"],
    "validityPeriodHours": 24,
    "dnsNames": ["localhost"],
    "ipAddresses": ["127.0.0.1"],
    "subject": {"commonName": "localhost"},
}


@pytest.mark.parametrize("inputs", KEYS, ids=lambda each: "-".join(each.values()))
def test_a_server_takes_the_certificate_with_its_key(inputs, tmp_path):
    _, key = private_key(inputs)
    _, made = self_signed_cert({**CERTIFICATE, "privateKeyPem": key["privateKeyPem"]})
    (tmp_path / "cert.pem").write_text(made["certPem"])
    (tmp_path / "key.pem").write_text(key["privateKeyPem"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert made["keyAlgorithm"] == inputs["algorithm"]


def test_the_certificate_says_what_was_asked_for():
    _, key = private_key({"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    _, made = self_signed_cert({**CERTIFICATE, "privateKeyPem": key["privateKeyPem"]})
    certificate = x509.load_pem_x509_certificate(made["certPem"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    uses = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert uses.digital_signature
    assert not uses.key_cert_sign
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime.total_seconds() == 24 * 3600
    assert certificate.not_valid_after_utc.isoformat() == made["validityEndTime"]


def test_all_forms_of_a_key_are_the_same_key():
    _, key = private_key({"algorithm": "ED25519"})
    forms = [
        serialization.load_pem_private_key(key["privateKeyPem"].encode(), None),
        serialization.load_pem_private_key(key["privateKeyPemPkcs8"].encode(), None),
        serialization.load_ssh_private_key(key["privateKeyOpenssh"].encode(), None),
    ]
    assert {form.public_key().public_bytes_raw() for form in forms} == {
        serialization.load_ssh_public_key(
            key["publicKeyOpenssh"].encode()
        ).public_bytes_raw()
    }


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"algorithm": "DSA"}, "DSA is not one of RSA, ECDSA, ED25519"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P1"}, "P1 is not one of P224"),
    ],
)
def test_what_does_not_exist_is_refused(inputs, said):
    with pytest.raises(ValueError, match=said):
        private_key(inputs)


def test_an_unknown_use_is_refused():
    _, key = private_key({"algorithm": "ED25519"})
    wrong = {**CERTIFICATE, "allowedUses": ["any"], **key}
    with pytest.raises(ValueError, match="allowedUses: any is unknown"):
        self_signed_cert(wrong)


def test_another_validity_is_another_certificate():
    recorded = Recorded("tls:index/selfSignedCert:SelfSignedCert")
    changed = frozenset({"validityPeriodHours"})
    assert recorded.replacing(changed, {}, {}) == changed

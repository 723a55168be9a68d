"""nginx in front of the app: the only container that is reached from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker
import pulumi_tls as tls

from components.docker.confinement import (
    LogRotation,
    after_the_old,
    confined,
    duration,
)
from components.docker.files import Files, FilesArgs
from components.docker.proxy_config import ProxyConfig, render

FILES = "/etc/stromhaltig"
"""Where nginx's configuration and the certificate are mounted."""

CLIENT = "/srv/client"
"""Where the client's files are mounted."""

ACME = "/var/www/acme"
"""Where the answers to Let's Encrypt are mounted, if it is asked."""

_RUN = Path(__file__).with_name("proxy.sh")
_CERTBOT = Path(__file__).with_name("certbot.sh")
_LETSENCRYPT = "/etc/letsencrypt"
_STOP_SECONDS = 30  # proxy.sh drains for 25
_VALIDITY = 2 * 365 * 24  # hours of a certificate that is made here
_RENEWAL = 30 * 24  # hours before its end

# As root, nginx opens ports below 1024 and hands its workers to another user.
_MASTER = ("CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate with its chain, and its key, in PEM."""

    chain: pulumi.Input[str]
    key: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class LetsEncrypt:
    """Who asks Let's Encrypt for a certificate.

    email: where it writes when one runs out. image: official certbot image.
    """

    email: str
    image: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ProxyArgs:
    """What the proxy serves, and to whom.

    image: official nginx image.
    network: name of the network that the app is on.
    client: name of the volume with the client's files.
    config: what nginx does, with the paths of this module.
    certificate: from somewhere else; None for one that is made here, which browsers
        warn of, and which stands in until Let's Encrypt has answered.
    letsencrypt: who gets a real one for the hosts of `config`; None for nobody.
    bind: address of the host that the ports are published on.
    http_port, https_port: of the host.
    logs: how much of the output is kept.
    """

    image: pulumi.Input[str]
    network: pulumi.Input[str]
    client: pulumi.Input[str]
    config: ProxyConfig
    certificate: Certificate | None
    letsencrypt: LetsEncrypt | None
    bind: str
    http_port: int
    https_port: int
    logs: LogRotation


class Proxy(pulumi.ComponentResource):
    """nginx with TLS, rate limits and headers, and what keeps its certificate.

    Another configuration or certificate changes files that the running nginx watches:
    it tests them and reloads without dropping a connection, or goes on with the old
    ones. Only another image or port replaces the container, which closes the ports
    for some seconds.
    """

    container: pulumi.Output[str]
    """Name of the container."""

    def __init__(
        self, name: str, args: ProxyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Proxy", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = docker.RemoteImage(
            f"{name}-proxy", name=args.image, keep_locally=True, opts=child
        )
        certificate = args.certificate or self._self_signed(name, args.config.hosts)
        files = Files(
            f"{name}-proxy-files",
            FilesArgs(
                image=image.image_id,
                files={
                    "nginx.conf": render(args.config),
                    "fullchain.pem": certificate.chain,
                    "privkey.pem": pulumi.Output.secret(certificate.key),
                    _RUN.name: _RUN.read_text(encoding="utf-8"),
                },
                versioned=False,
            ),
            opts=child,
        )
        volumes = [_mount(files.volume, FILES), _mount(args.client, CLIENT)]
        live = ""
        if args.letsencrypt:
            hosts = args.config.hosts
            volumes += self._letsencrypt(name, args.letsencrypt, hosts, args)
            live = f"{_LETSENCRYPT}/live/{hosts[0]}"

        container = docker.Container(
            f"{name}-proxy",
            name=f"{name}-proxy",
            image=image.image_id,
            entrypoints=["sh", f"{FILES}/{_RUN.name}"],
            command=[],
            envs=[f"FILES={FILES}", f"ACME_LIVE={live}"],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network)],
            ports=[
                docker.ContainerPortArgs(
                    internal=inside, external=outside, ip=args.bind
                )
                for inside, outside in (
                    (args.config.http_port, args.http_port),
                    (args.config.https_port, args.https_port),
                )
            ],
            volumes=volumes,
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD-SHELL", _answers(args.config.status_port)],
                interval="5s",
                timeout="4s",
                retries=3,
                start_period=duration(90),
            ),
            wait=True,
            wait_timeout=120,
            restart="unless-stopped",
            stop_signal="SIGTERM",
            stop_timeout=_STOP_SECONDS,
            destroy_grace_seconds=_STOP_SECONDS,
            **confined(
                logs=args.logs,
                memory=256,
                capabilities=_MASTER,
                tmpfs={
                    "/run": "size=16m",
                    "/tmp": "size=16m",  # noqa: S108
                    args.config.state_dir: "size=128m",
                },
            ),
            opts=after_the_old(self, depends_on=[files]),
        )

        self.container = container.name
        self.register_outputs({"container": self.container})

    def _self_signed(self, name: str, hosts: Sequence[str]) -> Certificate:
        child = pulumi.ResourceOptions(parent=self)
        key = tls.PrivateKey(
            f"{name}-proxy", algorithm="ECDSA", ecdsa_curve="P256", opts=child
        )
        names = list(hosts) or ["localhost"]
        certificate = tls.SelfSignedCert(
            f"{name}-proxy",
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=names[0]),
            dns_names=names,
            ip_addresses=[] if hosts else ["127.0.0.1", "::1"],
            allowed_uses=["digital_signature", "server_auth"],
            validity_period_hours=_VALIDITY,
            early_renewal_hours=_RENEWAL,
            opts=child,
        )
        return Certificate(chain=certificate.cert_pem, key=key.private_key_pem)

    def _letsencrypt(
        self, name: str, wanted: LetsEncrypt, hosts: Sequence[str], args: ProxyArgs
    ) -> list[docker.ContainerVolumeArgs]:
        """Make what gets certificates; return what the proxy mounts of it."""
        child = pulumi.ResourceOptions(parent=self)
        image = docker.RemoteImage(
            f"{name}-certbot", name=wanted.image, keep_locally=True, opts=child
        )
        certificates = docker.Volume(
            f"{name}-letsencrypt", name=f"{name}-letsencrypt", opts=child
        )
        answers = docker.Volume(f"{name}-acme", name=f"{name}-acme", opts=child)
        files = Files(
            f"{name}-certbot-files",
            FilesArgs(
                image=image.image_id,
                files={_CERTBOT.name: _CERTBOT.read_text(encoding="utf-8")},
            ),
            opts=child,
        )
        docker.Container(
            f"{name}-certbot",
            name=f"{name}-certbot",
            image=image.image_id,
            entrypoints=["sh", f"{FILES}/{_CERTBOT.name}"],
            command=[],
            envs=[
                f"DOMAINS={','.join(hosts)}",
                f"EMAIL={wanted.email}",
                f"WEBROOT={ACME}",
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network)],
            volumes=[
                _mount(files.volume, FILES),
                docker.ContainerVolumeArgs(
                    volume_name=certificates.name, container_path=_LETSENCRYPT
                ),
                docker.ContainerVolumeArgs(
                    volume_name=answers.name, container_path=ACME
                ),
            ],
            restart="unless-stopped",
            destroy_grace_seconds=10,
            **confined(
                logs=args.logs,
                memory=256,
                tmpfs={
                    "/tmp": "size=16m",  # noqa: S108
                    "/var/lib/letsencrypt": "size=16m",
                    "/var/log/letsencrypt": "size=16m",
                },
            ),
            opts=after_the_old(self),
        )
        return [_mount(certificates.name, _LETSENCRYPT), _mount(answers.name, ACME)]


def _mount(volume: pulumi.Input[str], path: str) -> docker.ContainerVolumeArgs:
    return docker.ContainerVolumeArgs(
        volume_name=volume, container_path=path, read_only=True
    )


def _answers(port: int) -> str:
    """Return a check by whichever program the variant of the image has."""
    url = f"http://127.0.0.1:{port}/"
    return f"curl -fsS -o /dev/null {url} || wget -q -O /dev/null {url}"

"""nginx in front of the app: the only container that is reached from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi
import pulumi_docker as docker
import pulumi_tls as tls

from components.docker.confinement import (
    LogRotation,
    after_the_old,
    confined,
    duration,
    mount,
)
from components.docker.files import Files, FilesArgs
from components.docker.names import CLIENT
from components.docker.proxy_config import ProxyConfig, render, version
from components.docker.task import Task, TaskArgs

ACME = "/var/www/acme"
"""Where the answers to Let's Encrypt are mounted, if it is asked."""

_RUN = Path(__file__).with_name("proxy.sh")
_AWAIT = Path(__file__).with_name("await_version.sh")
_CERTBOT = Path(__file__).with_name("certbot.sh")
_FILES = "/etc/stromhaltig"
_SCRIPTS = "/usr/local/lib/stromhaltig"
_LETSENCRYPT = "/etc/letsencrypt"
_DRAIN_SECONDS = 15  # the ports are closed meanwhile
_TAKES_SECONDS = 60  # until nginx has looked at other files; it looks every 2 s
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

    email: of the account; None for one without. image: official certbot image.
    """

    email: str | None
    image: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ProxyArgs:
    """What the proxy serves, and to whom.

    image: official nginx image.
    network: name of the network that the app is on.
    upstream: name of the app's release on it. Another one is turned to without losing
        a request.
    config: what nginx does, with the paths of this module; `upstream_host` is
        `upstream`.
    certificate: from somewhere else; None for one that is made here, which browsers
        warn of, and which stands in until Let's Encrypt has answered.
    letsencrypt: who gets a real one for the hosts of `config`; None for nobody.
    bind: address of the host that the ports are published on.
    http_port, https_port: of the host.
    logs: how much of the output is kept.
    """

    image: pulumi.Input[str]
    network: pulumi.Input[str]
    upstream: pulumi.Input[str]
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
    ones. A task waits until it has, and fails when it does not: only then the update
    may take away what the old configuration led to. Another image, port or script
    replaces the container, which closes the ports for some seconds.
    """

    container: pulumi.Output[str]
    """Name of the container."""

    client: pulumi.Output[str]
    """Name of the volume whose files it serves beside the API."""

    def __init__(
        self, name: str, args: ProxyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Proxy", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = docker.RemoteImage(
            f"{name}-proxy", name=args.image, keep_locally=True, opts=child
        )
        certificate = args.certificate or self._self_signed(name, args.config.hosts)
        rendered = pulumi.Output.all(args.upstream, certificate.chain).apply(
            lambda known: _rendered(args.config, *known)
        )
        files = Files(
            f"{name}-proxy-files",
            FilesArgs(
                image=image.image_id,
                files={
                    "nginx.conf": rendered.apply(lambda each: each.text),
                    "fullchain.pem": certificate.chain,
                    "privkey.pem": pulumi.Output.secret(certificate.key),
                },
                versioned=False,
            ),
            opts=child,
        )
        scripts = self._script(f"{name}-proxy-script", image, _RUN)
        client = docker.Volume(f"{name}-client", name=f"{name}-client", opts=child)
        certbot = self._certbot_volumes(name) if args.letsencrypt else None

        container = docker.Container(
            f"{name}-proxy",
            name=f"{name}-proxy",
            image=image.image_id,
            entrypoints=["sh", f"{_SCRIPTS}/{_RUN.name}"],
            command=[],
            envs=[
                f"FILES={_FILES}",
                f"ACME_LIVE={_live(args) if certbot else ''}",
                f"DRAIN={_DRAIN_SECONDS}",
            ],
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
            volumes=[
                mount(files.volume, _FILES, read_only=True),
                mount(scripts.volume, _SCRIPTS, read_only=True),
                mount(client.name, CLIENT, read_only=True),
                *(certbot.mounts(read_only=True) if certbot else ()),
            ],
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD-SHELL", _answers(args.config)],
                interval="5s",
                timeout="4s",
                retries=3,
                start_period=duration(90),
            ),
            wait=True,
            wait_timeout=120,
            restart="unless-stopped",
            stop_signal="SIGTERM",
            stop_timeout=_DRAIN_SECONDS + 5,
            destroy_grace_seconds=_DRAIN_SECONDS + 5,
            **confined(
                logs=args.logs,
                memory=512,
                capabilities=_MASTER,
                tmpfs={
                    "/run": "size=16m",
                    "/tmp": "size=16m",  # noqa: S108
                    args.config.state_dir: "size=128m",
                },
            ),
            opts=after_the_old(self, depends_on=[files]),
        )

        taken = Task(
            f"{name}-proxy-reload",
            TaskArgs(
                image=image.image_id,
                entrypoint=["sh", "-c", _AWAIT.read_text(encoding="utf-8")],
                command=[
                    _AWAIT.name,
                    rendered.apply(lambda each: each.version),
                    f"{_status(args.config)}version",
                    str(_TAKES_SECONDS),
                ],
                network_mode=pulumi.Output.concat("container:", container.id),
                memory=32,
                starts_after=[files],
                logs=args.logs,
            ),
            opts=child,
        )
        if args.letsencrypt and certbot:
            self._certbot(name, args.letsencrypt, certbot, args, container)

        self.container = container.name
        self.client = client.name
        self.register_outputs({"container": taken.gate(container.name)})

    def _script(self, name: str, image: docker.RemoteImage, script: Path) -> Files:
        """Carry in a script; another one replaces the container that runs it."""
        content = {script.name: script.read_text(encoding="utf-8")}
        return Files(
            name,
            FilesArgs(image=image.image_id, files=content),
            opts=pulumi.ResourceOptions(parent=self),
        )

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

    def _certbot_volumes(self, name: str) -> _CertbotVolumes:
        child = pulumi.ResourceOptions(parent=self)
        certificates = docker.Volume(
            f"{name}-letsencrypt", name=f"{name}-letsencrypt", opts=child
        )
        answers = docker.Volume(f"{name}-acme", name=f"{name}-acme", opts=child)
        return _CertbotVolumes(certificates=certificates.name, answers=answers.name)

    def _certbot(
        self,
        name: str,
        wanted: LetsEncrypt,
        volumes: _CertbotVolumes,
        args: ProxyArgs,
        proxy: docker.Container,
    ) -> None:
        """Make what gets certificates, once the proxy can tell Let's Encrypt so."""
        image = docker.RemoteImage(
            f"{name}-certbot",
            name=wanted.image,
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        scripts = self._script(f"{name}-certbot-script", image, _CERTBOT)
        script = f"{_SCRIPTS}/{_CERTBOT.name}"
        docker.Container(
            f"{name}-certbot",
            name=f"{name}-certbot",
            image=image.image_id,
            entrypoints=["sh", script],
            command=["run"],
            envs=[
                f"DOMAINS={','.join(args.config.hosts)}",
                f"EMAIL={wanted.email or ''}",
                f"WEBROOT={ACME}",
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network)],
            volumes=[
                mount(scripts.volume, _SCRIPTS, read_only=True),
                *volumes.mounts(),
            ],
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD", "sh", script, "status"],
                interval=duration(3600),
                timeout="30s",
                retries=1,
                start_period=duration(600),
            ),
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
            opts=after_the_old(self, depends_on=[proxy]),
        )


@dataclass(frozen=True, kw_only=True)
class _CertbotVolumes:
    """Names of the volumes that certbot writes to and the proxy reads."""

    certificates: pulumi.Output[str]
    answers: pulumi.Output[str]

    def mounts(self, *, read_only: bool = False) -> list[docker.ContainerVolumeArgs]:
        return [
            mount(volume, path, read_only=read_only)
            for volume, path in (
                (self.certificates, _LETSENCRYPT),
                (self.answers, ACME),
            )
        ]


@dataclass(frozen=True)
class _Rendered:
    text: str
    version: str


def _rendered(config: ProxyConfig, upstream: str, chain: str) -> _Rendered:
    complete = replace(config, upstream_host=upstream)
    return _Rendered(render(complete, chain), version(complete, chain))


def _live(args: ProxyArgs) -> str:
    """Return where certbot puts the certificate that is current."""
    return f"{_LETSENCRYPT}/live/{args.config.hosts[0]}"


def _status(config: ProxyConfig) -> str:
    return f"http://127.0.0.1:{config.status_port}/"


def _answers(config: ProxyConfig) -> str:
    """Return a check by whichever program the variant of the image has."""
    url = _status(config)
    return f"curl -fsS -o /dev/null {url} || wget -q -O /dev/null {url}"

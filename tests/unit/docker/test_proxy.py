"""The proxy: published alone, reloaded rather than replaced, keys kept to itself."""

from __future__ import annotations

from components.docker.confinement import LogRotation
from components.docker.proxy import Certificate, LetsEncrypt, Proxy, ProxyArgs
from components.docker.proxy_config import ProxyConfig
from tests.graph import UNKNOWN

CERTIFICATE = "tls:index/selfSignedCert:SelfSignedCert"
CONTAINER = "docker:index/container:Container"
KEY = "tls:index/privateKey:PrivateKey"
LETSENCRYPT = LetsEncrypt(email="ops@stromhaltig.de", image="certbot/certbot:v5")
HOSTS = ("stromhaltig.de", "www.stromhaltig.de")


def proxy(**args):
    defaults = {
        "image": "nginx:1.28",
        "network": "edge",
        "upstream": "app-1a2b3c4d",
        "config": ProxyConfig(),
        "certificate": None,
        "letsencrypt": None,
        "bind": "127.0.0.1",
        "http_port": 8080,
        "https_port": 8443,
        "logs": LogRotation(),
    }
    return Proxy("app", ProxyArgs(**(defaults | args)))


def server(graph):
    return graph.one(CONTAINER, "app-proxy")


def files(graph, carrier="app-proxy-files"):
    uploads = graph.one(CONTAINER, carrier)["uploads"]
    return {u["file"].rpartition("/")[2]: u for u in uploads}


def test_both_ports_are_published_on_the_address_alone(graph):
    graph.build(proxy)

    assert server(graph)["ports"] == [
        {"internal": 80, "external": 8080, "ip": "127.0.0.1"},
        {"internal": 443, "external": 8443, "ip": "127.0.0.1"},
    ]
    assert server(graph)["networksAdvanced"] == [{"name": "edge"}]


def test_another_configuration_changes_files_and_not_the_container(graph):
    graph.build(proxy)
    before = server(graph).inputs
    graph.build(lambda: proxy(config=ProxyConfig(api_per_second=99)))

    assert server(graph).inputs == before
    assert "rate=99r/s" in files(graph)["nginx.conf"]["content"]


def test_a_preview_of_other_files_does_not_replace_the_container(graph):
    graph.build(proxy, preview=True)
    mounts = {m["containerPath"]: m for m in server(graph)["volumes"]}

    assert mounts["/etc/stromhaltig"]["volumeName"] != UNKNOWN
    assert mounts["/etc/stromhaltig"]["readOnly"] is True


def test_it_has_the_rights_to_open_ports_and_hand_over_to_workers_and_no_others(graph):
    graph.build(proxy)

    assert server(graph)["capabilities"] == {
        "drops": ["ALL"],
        "adds": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"],
    }
    assert server(graph)["readOnly"] is True


def test_two_never_share_the_ports(graph):
    graph.build(proxy)

    assert server(graph).delete_before_replace is True


def test_a_certificate_is_made_for_the_hosts_and_renewed_in_time(graph):
    graph.build(lambda: proxy(config=ProxyConfig(hosts=HOSTS)))
    made = graph.one(CERTIFICATE)

    assert made["dnsNames"] == list(HOSTS)
    assert made["subject"] == {"commonName": "stromhaltig.de"}
    assert made["earlyRenewalHours"] < made["validityPeriodHours"]
    assert files(graph)["fullchain.pem"]["content"] == made.outputs["certPem"]


def test_without_hosts_the_certificate_is_for_this_machine(graph):
    graph.build(proxy)

    assert graph.one(CERTIFICATE)["dnsNames"] == ["localhost"]
    assert graph.one(CERTIFICATE)["ipAddresses"] == ["127.0.0.1", "::1"]


def test_the_key_is_secret_and_for_root_only(graph):
    graph.build(proxy)
    key = files(graph)["privkey.pem"]

    assert key["content"] == graph.one(KEY).outputs["privateKeyPem"]
    assert key["permissions"] == "0400"
    assert graph.one(CONTAINER, "app-proxy-files").secrets


def test_a_certificate_from_elsewhere_is_taken_as_it_is(graph):
    graph.build(lambda: proxy(certificate=Certificate(chain="CHAIN", key="KEY")))

    assert graph.all(CERTIFICATE) == []
    assert files(graph)["fullchain.pem"]["content"] == "CHAIN"
    assert files(graph)["privkey.pem"]["content"] == "KEY"
    assert graph.one(CONTAINER, "app-proxy-files").secrets


def test_lets_encrypt_is_asked_for_every_host_and_the_proxy_takes_what_comes(graph):
    config = ProxyConfig(hosts=HOSTS, acme_dir="/var/www/acme")
    graph.build(lambda: proxy(config=config, letsencrypt=LETSENCRYPT))
    certbot = graph.one(CONTAINER, "app-certbot")
    mounts = {m["containerPath"]: m for m in server(graph)["volumes"]}

    assert set(certbot["envs"]) == {
        "DOMAINS=stromhaltig.de,www.stromhaltig.de",
        "EMAIL=ops@stromhaltig.de",
        "WEBROOT=/var/www/acme",
    }
    assert certbot["capabilities"] == {"drops": ["ALL"]}
    assert "ACME_LIVE=/etc/letsencrypt/live/stromhaltig.de" in server(graph)["envs"]
    assert mounts["/etc/letsencrypt"]["readOnly"] is True
    assert mounts["/var/www/acme"]["readOnly"] is True
    # Until there is an answer, one that is made here stands in.
    assert graph.one(CERTIFICATE)["dnsNames"] == list(HOSTS)


def test_certbot_asks_once_the_proxy_can_answer_and_its_health_tells_the_end(graph):
    config = ProxyConfig(hosts=HOSTS, acme_dir="/var/www/acme")
    graph.build(lambda: proxy(config=config, letsencrypt=LETSENCRYPT))
    certbot = graph.one(CONTAINER, "app-certbot")

    assert server(graph) in graph.dependencies(certbot)
    assert certbot["healthcheck"]["tests"][-1] == "status"


def test_another_release_is_turned_to_by_a_reload_that_is_waited_for(graph):
    graph.build(proxy)
    before, waits = server(graph).inputs, graph.one(CONTAINER, "app-proxy-reload")
    graph.build(lambda: proxy(upstream="app-5e6f7a8b"))
    again = graph.one(CONTAINER, "app-proxy-reload")

    assert server(graph).inputs == before
    assert "set $app app-5e6f7a8b:3001;" in files(graph)["nginx.conf"]["content"]
    assert again["command"] != waits["command"]
    assert again["networkMode"] == f"container:{server(graph).id}"
    assert graph.one(CONTAINER, "app-proxy-files") in graph.dependencies(again)


def test_the_version_that_is_waited_for_is_the_one_that_nginx_tells(graph):
    graph.build(lambda: proxy(certificate=Certificate(chain="ONE", key="KEY")))
    version = graph.one(CONTAINER, "app-proxy-reload")["command"][1]
    assert f'return 200 "{version}";' in files(graph)["nginx.conf"]["content"]

    graph.build(lambda: proxy(certificate=Certificate(chain="TWO", key="KEY")))
    assert graph.one(CONTAINER, "app-proxy-reload")["command"][1] != version


def test_without_lets_encrypt_nobody_asks(graph):
    graph.build(proxy)

    assert "ACME_LIVE=" in server(graph)["envs"]
    assert not [c for c in graph.all(CONTAINER) if "certbot" in c.name]

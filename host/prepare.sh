#!/bin/sh
# Makes this machine a Docker host. Safe to run again: sudo prepare-host
set -eu

# https://docs.docker.com/engine/install/debian/: the same key signs Debian's and
# Ubuntu's packages.
docker_key_fingerprint=9DC858229FC7DD38854AE2D88D81803C0EBFCD88
docker_key=/etc/apt/keyrings/docker.asc

main() {
  # shellcheck source=/dev/null
  . /etc/os-release
  case $ID-$VERSION_CODENAME in
    debian-bookworm | debian-trixie | ubuntu-noble) ;;
    *) fail "$PRETTY_NAME is neither Debian 12 or 13 nor Ubuntu 24.04" ;;
  esac
  sysctl --quiet --system
  systemctl restart systemd-journald
  restart_ssh
  # Before Docker, so that it never publishes a port that is not filtered.
  host-firewall setup
  systemctl enable host-firewall.service
  systemctl reload-or-restart host-firewall.service
  install_docker
}

restart_ssh() {
  # Where systemd listens, this is not there before the first connection.
  mkdir -p /run/sshd
  sshd -t
  # Ubuntu's systemd listens for sshd; it learns the port when units are reloaded.
  systemctl daemon-reload
  systemctl try-restart ssh.socket ssh.service
}

install_docker() {
  fetch_docker_key "https://download.docker.com/linux/$ID/gpg"
  cat >/etc/apt/sources.list.d/docker.sources <<SOURCE
Types: deb
URIs: https://download.docker.com/linux/$ID
Suites: $VERSION_CODENAME
Components: stable
Architectures: $(dpkg --print-architecture)
Signed-By: $docker_key
SOURCE
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=600 -qq update
  apt-get -o DPkg::Lock::Timeout=600 -qq install --no-install-recommends \
    docker-ce docker-ce-cli containerd.io docker-buildx-plugin
}

# The file may hold this key and no other: apt would trust them all.
fetch_docker_key() {
  scratch=$(mktemp -d)
  curl --fail --silent --show-error --location --retry 5 --max-time 60 \
    --output "$scratch/docker.asc" "$1"
  found=$(gpg --homedir "$scratch" --show-keys --with-colons "$scratch/docker.asc" |
    awk -F: '$1 == "pub" { main = 1 } $1 == "fpr" && main { print $10; main = 0 }')
  if [ "$found" != "$docker_key_fingerprint" ]; then
    rm -rf "$scratch"
    fail "$1 is not Docker's signing key, $docker_key_fingerprint"
  fi
  install -D --mode 0644 "$scratch/docker.asc" "$docker_key"
  rm -rf "$scratch"
}

fail() {
  echo "prepare-host: $*" >&2
  exit 1
}

main

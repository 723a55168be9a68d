#!/bin/sh
# Lets in ssh and the web and nothing else, also where Docker publishes ports.
#
#   host-firewall setup   tell ufw what may reach the host; ufw remembers it
#   host-firewall apply   add the rules that ufw has not; before each start of Docker
#
# Docker forwards a published port before ufw sees the packet; only the chain
# DOCKER-USER comes earlier. Docker leaves alone what it finds there, so the rules
# stand before the first container starts.
set -eu

settings=${HOST_FIREWALL_SETTINGS:-/etc/default/host-firewall}
# shellcheck source=/dev/null
. "$settings"

setup() {
  ufw default deny incoming
  ufw default allow outgoing
  for source in ${SSH_SOURCES:-any}; do
    ufw allow proto tcp from "$source" to any port "$SSH_PORT"
  done
  for port in $PUBLIC_PORTS; do
    ufw allow "$port/tcp"
  done
  ufw --force enable
}

apply() {
  apply_to iptables 32
  # A kernel without IPv6 has nothing to filter.
  if [ -e /proc/net/if_inet6 ]; then
    apply_to ip6tables 64
  fi
}

# Replaces our chains in one step; an open connection never meets half a rule set.
# Mask: what counts as one client; whoever has IPv6 has a /64 of addresses.
apply_to() {
  tables=$1 mask=$2
  chains "$mask" | "$tables-restore" --wait 30 --noflush
  "$tables" --wait 30 --new-chain DOCKER-USER 2>/dev/null || true
  jump INPUT --protocol tcp --dport "$SSH_PORT" -m conntrack --ctstate NEW -j HOST-SSH
  jump DOCKER-USER -j HOST-PUBLISHED
  jump FORWARD -j DOCKER-USER
}

# A packet on its way to a container already carries the container's address and
# port; what the client asked for is the connection's original destination.
# The kernel keeps a limit by its name, whatever becomes of the rule: a name a limit.
chains() {
  cat <<RULES
*filter
:HOST-SSH - [0:0]
-A HOST-SSH -m hashlimit --hashlimit-name host-ssh-$SSH_PER_MINUTE --hashlimit-mode srcip --hashlimit-srcmask $1 --hashlimit-above $SSH_PER_MINUTE/minute --hashlimit-burst $SSH_PER_MINUTE -j DROP
:HOST-PUBLISHED - [0:0]
-A HOST-PUBLISHED -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A HOST-PUBLISHED -i docker+ -j RETURN
-A HOST-PUBLISHED -i br-+ -j RETURN
RULES
  for port in $PUBLIC_PORTS; do
    echo "-A HOST-PUBLISHED -p tcp -m conntrack --ctstate DNAT --ctorigdstport $port -j RETURN"
  done
  cat <<RULES
-A HOST-PUBLISHED -m limit --limit 3/minute -j LOG --log-prefix "[host-firewall] "
-A HOST-PUBLISHED -j DROP
COMMIT
RULES
}

# First in its chain, and once.
jump() {
  "$tables" --wait 30 --check "$@" 2>/dev/null || "$tables" --wait 30 --insert "$@"
}

case ${1:-} in
  setup | apply) "$1" ;;
  *)
    echo "usage: host-firewall setup | apply" >&2
    exit 2
    ;;
esac

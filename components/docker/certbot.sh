#!/bin/sh
# Gets a certificate from Let's Encrypt and keeps it current. Runs in certbot's image,
# beside the proxy, which serves the challenges and takes up what is written.
#
#   certbot.sh run      for ever
#   certbot.sh status   whether there is a certificate that lasts: a health check
#
#   DOMAINS   the certificate's names, with commas; the first one names it
#   EMAIL     of the account at Let's Encrypt; empty for one without
#   WEBROOT   folder that the proxy serves /.well-known/acme-challenge from
#   INTERVAL  seconds between looks; 12 hours
#   RETRY     seconds until the next try after a failure; doubled each time, and never
#             more than INTERVAL: Let's Encrypt bars a host after five failures an hour
set -u

LIVE=${LIVE:-/etc/letsencrypt/live}
INTERVAL=${INTERVAL:-43200}
RETRY=${RETRY:-900}

log() { echo "certbot.sh: $*"; }

# Also renews: a certificate that is not near its end is kept.
obtain() {
  if [ -n "$EMAIL" ]; then
    set -- --email "$EMAIL"
  else
    set -- --register-unsafely-without-email
  fi
  certbot certonly --non-interactive --agree-tos "$@" \
    --webroot --webroot-path "$WEBROOT" --domains "$DOMAINS" \
    --cert-name "${DOMAINS%%,*}" --keep-until-expiring --expand
}

# A signal ends the sleep at once, not after it.
pause() {
  sleep "$1" &
  sleeper=$!
  wait "$sleeper"
}

run() {
  sleeper=
  trap 'kill $sleeper 2>/dev/null; exit 0' TERM INT
  wait_for=$RETRY
  while :; do
    if obtain; then
      wait_for=$RETRY
      pause "$INTERVAL"
    else
      log "no certificate for $DOMAINS. Next try in $wait_for s. Does each name lead" \
        "to this host, and port 80 to the proxy?"
      pause "$wait_for"
      wait_for=$((wait_for * 2 < INTERVAL ? wait_for * 2 : INTERVAL))
    fi
  done
}

# certbot renews 30 days before the end: with 20 left, something is wrong. Nobody else
# tells, for Let's Encrypt no longer writes. The image has no openssl, but a Python.
status() {
  python3 - "$LIVE/${DOMAINS%%,*}/fullchain.pem" <<'PYTHON'
import sys
from datetime import datetime, timedelta, timezone

from cryptography import x509

try:
    with open(sys.argv[1], "rb") as file:
        end = x509.load_pem_x509_certificate(file.read()).not_valid_after_utc
except (OSError, ValueError) as problem:
    sys.exit(f"no certificate: {problem}")
left = end - datetime.now(timezone.utc)
if left < timedelta(days=20):
    sys.exit(f"the certificate ends in {left.days} days")
PYTHON
}

case ${1:-} in
  run | status) "$1" ;;
  *)
    echo "usage: certbot.sh run|status" >&2
    exit 2
    ;;
esac

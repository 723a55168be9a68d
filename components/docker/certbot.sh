#!/bin/sh
# Gets a certificate from Let's Encrypt and keeps it current. Runs in certbot's image,
# beside the proxy, which serves the challenges and takes up what is written.
#
#   DOMAINS   the certificate's names, with commas; the first one names it
#   EMAIL     where Let's Encrypt writes when a certificate runs out
#   WEBROOT   folder that the proxy serves /.well-known/acme-challenge from
#   INTERVAL  seconds between looks; 12 hours
#   RETRY     seconds until the next try after a failure; doubled each time, and never
#             more than INTERVAL: Let's Encrypt bars a host after five failures an hour
set -u

INTERVAL=${INTERVAL:-43200}
RETRY=${RETRY:-900}

log() { echo "certbot.sh: $*"; }

# Also renews: a certificate that is not near its end is kept.
obtain() {
  certbot certonly --non-interactive --agree-tos --email "$EMAIL" \
    --webroot --webroot-path "$WEBROOT" --domains "$DOMAINS" \
    --cert-name "${DOMAINS%%,*}" --keep-until-expiring --expand
}

# A signal ends the sleep at once, not after it.
pause() {
  sleep "$1" &
  sleeper=$!
  wait "$sleeper"
}

sleeper=
trap 'kill $sleeper 2>/dev/null; exit 0' TERM INT

wait_for=$RETRY
while :; do
  if obtain; then
    wait_for=$RETRY
    pause "$INTERVAL"
  else
    log "no certificate for $DOMAINS. Next try in $wait_for s. Does each name lead to" \
      "this host, and port 80 to the proxy?"
    pause "$wait_for"
    wait_for=$((wait_for * 2 < INTERVAL ? wait_for * 2 : INTERVAL))
  fi
done

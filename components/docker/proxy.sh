#!/bin/sh
# Runs nginx, and takes up another configuration or certificate without losing a
# request. Runs in the official nginx image, Alpine's or Debian's.
#
#   FILES        folder of nginx.conf, fullchain.pem and privkey.pem
#   ACME_LIVE    folder of the certificate from Let's Encrypt, once there is one: it is
#                preferred; or empty
#   CERTIFICATE  where nginx.conf expects the folder of the certificate: a link
#   INTERVAL     seconds between looks at the files
#   PATIENCE     seconds to wait for the files at the start
#   DRAIN        seconds to finish requests in when asked to stop
set -u

FILES=${FILES:-/etc/stromhaltig}
ACME_LIVE=${ACME_LIVE:-}
CERTIFICATE=${CERTIFICATE:-/run/certificate}
INTERVAL=${INTERVAL:-2}
PATIENCE=${PATIENCE:-60}
DRAIN=${DRAIN:-10}

CONFIG=$FILES/nginx.conf

log() { echo "proxy.sh: $*" >&2; }

fail() {
  log "$*"
  exit 1
}

# A signal ends the sleep at once, not after it.
pause() {
  sleep "$1" &
  sleeper=$!
  wait "$sleeper"
}

# The folder with the best certificate there is; nothing when there is none.
certificate() {
  for folder in "$ACME_LIVE" "$FILES"; do
    if [ -n "$folder" ] && [ -s "$folder/fullchain.pem" ] && [ -s "$folder/privkey.pem" ]; then
      echo "$folder"
      return
    fi
  done
}

# What nginx would read now, in short.
state() {
  folder=$(certificate)
  {
    echo "$folder"
    cat "$CONFIG" "$folder/fullchain.pem" "$folder/privkey.pem" 2>/dev/null
  } | sha256sum
}

await_files() {
  waited=0
  while [ ! -s "$CONFIG" ] || [ -z "$(certificate)" ]; do
    [ "$waited" -lt "$PATIENCE" ] || fail "after $PATIENCE s there is still no $(missing)"
    [ "$waited" -gt 0 ] || log "waiting for $(missing)"
    pause 1
    waited=$((waited + 1))
  done
}

missing() {
  if [ -s "$CONFIG" ]; then
    echo "certificate: fullchain.pem and privkey.pem in $FILES${ACME_LIVE:+ or $ACME_LIVE}"
  else
    echo "$CONFIG"
  fi
}

reload() {
  old=$(readlink "$CERTIFICATE")
  ln -sfn "$(certificate)" "$CERTIFICATE"
  if said=$(nginx -t -q -e stderr -c "$CONFIG" 2>&1); then
    kill -HUP "$nginx"
    log "the files have changed: reloaded, with the certificate of $(readlink "$CERTIFICATE")"
  else
    ln -sfn "$old" "$CERTIFICATE"
    log "the files have changed, but nginx refuses them and goes on as it was: $said"
  fi
}

# shellcheck disable=SC2317 # a trap calls it
stop() {
  trap : TERM QUIT INT
  kill "$sleeper" 2>/dev/null
  log "stopping: finishing what is under way, for $DRAIN s at most"
  kill -QUIT "$nginx"
  {
    sleep "$DRAIN"
    kill -TERM "$nginx"
  } 2>/dev/null &
  limit=$!
  # A second signal ends the wait, but not nginx.
  while kill -0 "$nginx" 2>/dev/null; do wait "$nginx"; done
  kill "$limit" 2>/dev/null
  exit 0
}

# In a function, so that all of it is read before this file may change.
main() {
  sleeper=
  trap 'kill $sleeper 2>/dev/null; exit 0' TERM QUIT INT
  await_files
  ln -sfn "$(certificate)" "$CERTIFICATE"
  applied=$(state)
  seen=$applied

  nginx -e stderr -c "$CONFIG" -g 'daemon off;' &
  nginx=$!
  trap stop TERM QUIT INT

  while kill -0 "$nginx" 2>/dev/null; do
    pause "$INTERVAL"
    now=$(state)
    # Not while they are still being written.
    if [ "$now" != "$applied" ] && [ "$now" = "$seen" ]; then
      reload
      applied=$now
    fi
    seen=$now
  done
  wait "$nginx"
  fail "nginx has ended, with exit code $?"
}

main

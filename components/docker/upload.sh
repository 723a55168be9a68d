#!/bin/sh
# Copies what backup.sh has finished to another place, and marks what arrived there:
# only then is it ever removed here. Runs in rclone's image.
#
#   upload.sh run      look every INTERVAL_SECONDS for something new
#   upload.sh once     now
#   upload.sh status   whether anything waits for longer than LATE_SECONDS: a health check
#
#   REMOTE          SECTION:BUCKET/FOLDER, with a section of RCLONE_CONFIG
#   RCLONE_CONFIG   file with the service's address and keys. A file, because
#                   `docker inspect` shows everybody the environment.
#   BACKUP_DIR      as in backup.sh
set -u
umask 077

BACKUP_DIR=${BACKUP_DIR:-/backups}
RCLONE_CONFIG=${RCLONE_CONFIG:-/run/secrets/rclone.conf}
INTERVAL_SECONDS=${INTERVAL_SECONDS:-300}
LATE_SECONDS=${LATE_SECONDS:-21600}
export RCLONE_CONFIG

log() { echo "upload: $*"; }

fail() {
  echo "upload: $*" >&2
  exit 1
}

run() {
  while :; do
    once || log "next try in $INTERVAL_SECONDS s" >&2
    in_background sleep "$INTERVAL_SECONDS"
  done
}

# One that cannot be copied does not hold up the others.
once() {
  failed=0
  for path in $(waiting); do
    copy "$(basename "$(dirname "$path")")" "$(basename "$path")" || failed=1
  done
  return $failed
}

status() {
  for path in $(waiting); do
    age=$(($(date +%s) - $(stat -c %Y "$path")))
    if [ "$age" -gt "$LATE_SECONDS" ]; then
      fail "$path waits for $((age / 3600)) hours to be copied to $REMOTE"
    fi
  done
}

copy() {
  kind=$1 name=$2
  (cd "$BACKUP_DIR/$kind" && sha256sum -c "$name.sha256" >/dev/null 2>&1) || {
    log "$name was damaged since it was made, and is not copied" >&2
    return 1
  }
  # What is there already is never overwritten.
  transfer copy --immutable || {
    log "$name could not be copied to $REMOTE" >&2
    return 1
  }
  transfer check --one-way || {
    log "$name is not at $REMOTE as it is here" >&2
    return 1
  }
  touch "$BACKUP_DIR/$kind/$name.uploaded"
  log "copied $name to $REMOTE/$kind"
}

# Runs a command of rclone on this backup and its checksum. The key needs no right to
# make a bucket.
transfer() {
  in_background rclone "$@" --include "/$name" --include "/$name.sha256" \
    "$BACKUP_DIR/$kind" "$REMOTE/$kind" --s3-no-check-bucket \
    --log-level ERROR --retries 2 --low-level-retries 3 --contimeout 20s --timeout 2m
}

# Backups that are finished, and not there yet; the oldest first.
waiting() {
  for kind in database files; do
    for path in "$BACKUP_DIR/$kind"/*_*_*.gz; do
      if [ -f "$path.sha256" ] && [ -f "$path" ] && [ ! -e "$path.uploaded" ]; then
        echo "$path"
      fi
    done
  done
}

in_background() {
  "$@" &
  job=$!
  wait "$job"
}

stop() {
  log "asked to stop"
  kill "$job" 2>/dev/null
  exit 143
}

check_settings() {
  problems=
  section=${REMOTE%%:*}
  case $REMOTE in
    ?*:?*) ;;
    *) problem "REMOTE: \"$REMOTE\" is not like offsite:bucket/folder" ;;
  esac
  if [ ! -r "$RCLONE_CONFIG" ]; then
    problem "RCLONE_CONFIG: $RCLONE_CONFIG cannot be read"
  elif ! rclone listremotes 2>/dev/null | grep -qxF "$section:"; then
    problem "RCLONE_CONFIG: $RCLONE_CONFIG has no section [$section]"
  fi
  [ -d "$BACKUP_DIR" ] || problem "BACKUP_DIR: there is no directory $BACKUP_DIR"
  for seconds in "$INTERVAL_SECONDS" "$LATE_SECONDS"; do
    case $seconds in
      '' | 0* | *[!0-9]*) problem "\"$seconds\" is no number of seconds from 1" ;;
    esac
  done
  [ -z "$problems" ] || fail "cannot start:$problems"
}

problem() {
  problems="$problems
$1"
}

job=
REMOTE=${REMOTE:-}
case ${1:-} in
  run | once)
    check_settings
    trap stop TERM INT
    "$1"
    ;;
  status) status ;;
  *)
    echo "usage: upload.sh run | once | status" >&2
    exit 2
    ;;
esac

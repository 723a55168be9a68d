#!/bin/sh
# Copies what backup.sh and `stromhaltig` have finished to another place, and marks what
# arrived there: only then does backup.sh ever remove it here. Runs in rclone's image.
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
  kind=$1 name=$2 proof=$(proof_of "$BACKUP_DIR/$1/$2")
  [ "$(sum_of "$BACKUP_DIR/$kind/$name")" = "$(noted_sum "$BACKUP_DIR/$kind/$proof")" ] || {
    log "$name was damaged since it was made, and is not copied" >&2
    return 1
  }
  # What is there already is never overwritten, but for a manifest: it notes when the
  # backup was last read back.
  { transfer copy "$name" --immutable && transfer copy "$proof"; } || {
    log "$name could not be copied to $REMOTE" >&2
    return 1
  }
  { transfer check "$name" --one-way && transfer check "$proof" --one-way; } || {
    log "$name is not at $REMOTE as it is here" >&2
    return 1
  }
  touch "$BACKUP_DIR/$kind/$name.uploaded"
  log "copied $name to $REMOTE/$kind"
}

# Runs a command of rclone on one file of this kind. The key needs no right to make a
# bucket.
transfer() {
  command=$1 file=$2
  shift 2
  in_background rclone "$command" "$@" --include "/$file" \
    "$BACKUP_DIR/$kind" "$REMOTE/$kind" --s3-no-check-bucket \
    --log-level ERROR --retries 2 --low-level-retries 3 --contimeout 20s --timeout 2m
}

# Backups that are finished, and not there yet; the oldest of a kind first.
waiting() {
  for path in "$BACKUP_DIR"/*/*.gz; do
    if [ -f "$path" ] && [ "$(proof_of "$path")" ] && [ ! -e "$path.uploaded" ]; then
      echo "$path"
    fi
  done
}

# Name of what notes the sum of a finished backup: backup.sh writes a checksum beside its
# own, and `stromhaltig` a manifest, each once the backup is whole.
proof_of() {
  for proof in "$1.sha256" "$1.manifest.json"; do
    if [ -f "$proof" ]; then
      basename "$proof"
      return
    fi
  done
}

noted_sum() {
  case $1 in
    *.sha256) cut -d ' ' -f 1 "$1" ;;
    *) sed -n 's/^  "sha256": "\([0-9a-f]*\)".*/\1/p' "$1" ;;
  esac
}

sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }

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

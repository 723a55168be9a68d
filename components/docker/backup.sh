#!/usr/bin/env bash
# Backs up database and uploads, every day. Runs in PostgreSQL's image, beside the
# database. Nothing gets its final name before it was checked, and nothing old goes
# before something newer has.
#
#   backup.sh run            every day at BACKUP_TIME; first at once, if one is missing
#   backup.sh once           now
#   backup.sh list           what there is
#   backup.sh verify FILE    whether a backup is whole
#   backup.sh status         whether there are backups of the last day: a health check
#
#   PGHOST PGUSER PGDATABASE PGPASSFILE   the database, as every PostgreSQL program
#   UPLOAD_DIR      the uploads
#   BACKUP_DIR      database/stromhaltig_DATE_TIME.sql.gz, files/uploads_DATE_TIME.tar.gz
#   BACKUP_TIME     HH:MM, in UTC
#   DATABASE_DAYS   UPLOADS_DAYS   how long they are kept
#   OFFSITE         true: kept until upload.sh says that a copy is elsewhere
#   RETRY_SECONDS   until the next try after a failure
#   RESERVE_MB      what a backup leaves free on the disk
#   GRACE_SECONDS   after its start, in which no backup is no fault yet
set -euo pipefail
umask 077
export LC_ALL=C TZ=UTC

BACKUP_DIR=${BACKUP_DIR:-/backups}
UPLOAD_DIR=${UPLOAD_DIR:-/app/uploads}
BACKUP_TIME=${BACKUP_TIME:-02:30}
DATABASE_DAYS=${DATABASE_DAYS:-30}
UPLOADS_DAYS=${UPLOADS_DAYS:-7}
OFFSITE=${OFFSITE:-false}
RETRY_SECONDS=${RETRY_SECONDS:-900}
RESERVE_MB=${RESERVE_MB:-200}
GRACE_SECONDS=${GRACE_SECONDS:-3600}

KINDS='database files'
DAY=86400
# A day, and two hours for a backup that takes long.
TOO_OLD=$((26 * 3600))

log() { echo "backup: $*"; }

fail() {
  echo "backup: $*" >&2
  exit 1
}

run() {
  check_settings
  trap stop TERM INT
  # Jobs get process groups of their own: a signal reaches what they started, too.
  set -m
  touch "$BACKUP_DIR/.started"
  local due kinds kind failed
  kinds=$(missing)
  due=0
  [[ $kinds ]] || due=$(until_next)
  while :; do
    [[ $due == 0 ]] || log "next backup in $due s"
    in_background sleep "$due"
    failed=
    for kind in ${kinds:-$KINDS}; do
      in_background back_up "$kind"
      ((result == 0)) || failed+=" $kind"
    done
    # A failure of one is no reason to make the other again.
    kinds=$failed
    due=$(until_next)
    if [[ $failed && $RETRY_SECONDS -lt $due ]]; then
      log "failed:$failed. Next try in $RETRY_SECONDS s" >&2
      due=$RETRY_SECONDS
    else
      kinds=
    fi
  done
}

once() {
  check_settings
  trap stop TERM INT
  set -m
  local kind all=0
  for kind in $KINDS; do
    in_background back_up "$kind"
    ((result == 0)) || all=1
  done
  return "$all"
}

list() {
  local kind file
  for kind in $KINDS; do
    for file in $(finished "$kind"); do
      printf '%s\t%s bytes\t%s\n' "$kind/$file" "$(size "$BACKUP_DIR/$kind/$file")" \
        "$([[ -e $BACKUP_DIR/$kind/$file.uploaded ]] && echo uploaded || echo here)"
    done
  done
}

verify() {
  local file=${1:-}
  [[ $file ]] || fail "which file? See: backup.sh list"
  [[ -e $file ]] || file=$BACKUP_DIR/$file
  [[ -f $file ]] || fail "$1: there is no such file. See: backup.sh list"
  [[ -f $file.sha256 ]] || fail "$1 has no checksum, $1.sha256: it was never finished"
  (cd "$(dirname "$file")" && sha256sum -c "$(basename "$file").sha256" >/dev/null 2>&1) ||
    fail "$1 has another checksum than when it was made: it is damaged"
  case $file in
    *.sql.gz) check_dump "$file" ;;
    *.tar.gz) archived "$file" >/dev/null ;;
    *) fail "$1 is neither a dump nor an archive" ;;
  esac || fail "$1 cannot be read to its end"
  log "$1 is whole"
}

status() {
  local kinds
  kinds=$(missing "$TOO_OLD")
  [[ $kinds ]] || return 0
  if [[ -e $BACKUP_DIR/.started && $(age "$BACKUP_DIR/.started") -lt $GRACE_SECONDS ]]; then
    return 0
  fi
  fail "no backup of the last $((TOO_OLD / 3600)) hours: $kinds"
}

# Makes a backup of one kind. In a process of its own, which cleans up after itself.
back_up() {
  local kind=$1
  exec 9>"$BACKUP_DIR/.lock"
  flock -n 9 || fail "another backup is being made"
  mkdir -p "$BACKUP_DIR/$kind"
  cd "$BACKUP_DIR/$kind"
  rm -f .partial.*
  trap 'rm -f .partial.*' EXIT
  trap 'exit 143' TERM INT
  local stamp
  stamp=$(date +%Y%m%d_%H%M%S)
  case $kind in
    database) make_dump "stromhaltig_$stamp.sql.gz" ;;
    files) make_archive "uploads_$stamp.tar.gz" ;;
  esac
  remove_old "$kind"
}

make_dump() {
  local tables
  tables=$(tables_of_database) || fail "the database $PGDATABASE at $PGHOST does not answer"
  [[ $tables ]] || fail "the database $PGDATABASE holds no table. Did the migrations run?"
  check_space database "$(expected_dump_size)"
  # Waits for a migration's locks, but not for ever.
  pg_dump --no-password --format=plain --lock-wait-timeout=300000 | gzip >.partial.data ||
    fail "pg_dump failed"
  check_dump .partial.data "$tables" || fail "the dump is not whole"
  finish "$1"
}

make_archive() {
  [[ -d $UPLOAD_DIR ]] || fail "UPLOAD_DIR: there is no directory $UPLOAD_DIR"
  check_space files "$(($(du -sk "$UPLOAD_DIR" | cut -f1) * 1024))"
  local before after inside result=0
  before=$(count_files)
  tar -czf .partial.data -C "$UPLOAD_DIR" . || result=$?
  # 1: a file changed meanwhile. Somebody is uploading; tomorrow it will be whole.
  ((result <= 1)) || fail "tar failed"
  after=$(count_files)
  inside=$(archived .partial.data) || fail "the archive is not whole"
  if ((inside < (before < after ? before : after))) || ((inside > (before > after ? before : after))); then
    fail "the archive holds $inside files, and $UPLOAD_DIR $after"
  fi
  finish "$1"
}

# The checksum comes first: whatever has its final name has been checked.
finish() {
  local name=$1
  sync .partial.data
  sha256sum .partial.data | sed "s/ .*/  $name/" >.partial.sum
  sync .partial.sum
  mv .partial.sum "$name.sha256"
  mv .partial.data "$name"
  sync .
  log "made $name, $(size "$name") bytes"
}

# Only backups that were checked count. The newest one stays, however old it is.
remove_old() {
  local kind=$1 days oldest file
  days=$DATABASE_DAYS
  [[ $kind == files ]] && days=$UPLOADS_DAYS
  oldest=$(date -d "@$(($(date +%s) - days * DAY))" +%Y%m%d%H%M%S)
  for file in $(finished "$kind" | sed '$d'); do
    (($(stamp_of "$file") < oldest)) || continue
    if [[ $OFFSITE == true && ! -e $file.uploaded ]]; then
      log "kept $file, which is older than $days days: it was not uploaded yet"
      continue
    fi
    # `stromhaltig db backups --verify` leaves a manifest.
    rm -f "$file" "$file.sha256" "$file.manifest.json" "$file.uploaded"
    log "removed $file, older than $days days"
  done
}

# Ordinary tables, as pg_dump names them; those of extensions come with these.
tables_of_database() {
  psql --no-psqlrc --no-password --tuples-only --no-align --set ON_ERROR_STOP=1 <<'SQL'
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
SQL
}

# Reads a dump to its end: whole, with the data of these tables, or of any.
check_dump() {
  gzip -dc "$1" | TABLES=${2:-} awk '
    BEGIN { count = split(ENVIRON["TABLES"], tables, "\n") }
    /^COPY / {
      any = 1
      for (i = 1; i <= count; i++) if (index($0, "COPY " tables[i] " ") == 1) found[i] = 1
    }
    { last[NR % 10] = $0 }
    END {
      for (line in last) if (last[line] == "-- PostgreSQL database dump complete") complete = 1
      if (!complete) problem = "it does not come to an end"
      else if (!any) problem = "it holds no data"
      for (i = 1; i <= count; i++) if (complete && !found[i]) problem = "it lacks the table " tables[i]
      if (!problem) exit
      print "backup: " problem > "/dev/stderr"
      exit 1
    }'
}

# How many files an archive holds; reads it to its end. By their permissions: a name
# may have more than one line.
archived() {
  gzip -dc "$1" | tar -tvf - |
    awk '/^[-lhbcp][-r][-w][-xsS][-r][-w][-xsS][-r][-w][-xtT] / { n++ } END { print n + 0 }'
}

count_files() {
  find "$UPLOAD_DIR" ! -type d -print0 | tr -dc '\0' | wc -c
}

# Twice the last one; for the first, what the database takes on its disk.
expected_dump_size() {
  local last
  last=$(finished database | tail -n 1)
  if [[ $last ]]; then
    echo $(($(size "$last") * 2))
  else
    psql --no-psqlrc --no-password --tuples-only --no-align \
      --command 'SELECT pg_database_size(current_database())'
  fi
}

check_space() {
  local needed=$((($2 + 1048575) / 1048576 + RESERVE_MB)) free
  free=$(df -Pk "$BACKUP_DIR" | awk 'NR == 2 { print int($4 / 1024) }')
  ((free >= needed)) ||
    fail "no room for a backup of $1: $BACKUP_DIR has $free MB left, and $needed are" \
      "needed. Old backups are kept. Make room, or lower DATABASE_DAYS or UPLOADS_DAYS"
}

# Names of checked backups of a kind, the oldest first.
finished() {
  local path
  for path in "$BACKUP_DIR/$1"/*_[0-9]*_[0-9]*.gz; do
    if [[ -f $path && -f $path.sha256 ]]; then basename "$path"; fi
  done
}

# Kinds that have no backup, or none younger than so many seconds.
missing() {
  local kind last oldest=${1:-$DAY} kinds=
  for kind in $KINDS; do
    last=$(finished "$kind" | tail -n 1)
    if [[ ! $last || $(age "$BACKUP_DIR/$kind/$last") -ge $oldest ]]; then kinds+=" $kind"; fi
  done
  echo "${kinds# }"
}

until_next() {
  local now=$(($(date +%s) % DAY)) due
  due=$((10#${BACKUP_TIME%:*} * 3600 + 10#${BACKUP_TIME#*:} * 60))
  # In a second that has begun, the next one is tomorrow's.
  echo $(((due - now + DAY - 1) % DAY + 1))
}

age() { echo $(($(date +%s) - $(stat -c %Y "$1"))); }
size() { stat -c %s "$1"; }

# 20261122023000 of stromhaltig_20261122_023000.sql.gz
stamp_of() { sed -E 's/.*_([0-9]{8})_([0-9]{6})\..*/\1\2/' <<<"$1"; }

# Leaves in `result` how it ended. Never part of a condition: there, what it runs would
# go on after an error.
in_background() {
  "$@" &
  job=$!
  result=0
  wait "$job" || result=$?
}

# Also ends what is being made; it removes what it began.
stop() {
  trap - TERM INT
  log "asked to stop"
  kill -TERM -- "-$job" 2>/dev/null || true
  wait "$job" 2>/dev/null || true
  exit 143
}

check_settings() {
  local name problems=
  for name in PGHOST PGUSER PGDATABASE; do
    [[ ${!name:-} ]] || problems+="$name is not set"$'\n'
  done
  for name in DATABASE_DAYS UPLOADS_DAYS RETRY_SECONDS RESERVE_MB GRACE_SECONDS; do
    [[ ${!name} =~ ^[1-9][0-9]{0,8}$ ]] || problems+="$name: \"${!name}\" is no number from 1"$'\n'
  done
  [[ $BACKUP_TIME =~ ^([01][0-9]|2[0-3]):[0-5][0-9]$ ]] ||
    problems+="BACKUP_TIME: \"$BACKUP_TIME\" is no time of day like 02:30"$'\n'
  [[ $OFFSITE == true || $OFFSITE == false ]] ||
    problems+="OFFSITE: \"$OFFSITE\" is neither true nor false"$'\n'
  [[ ! ${PGPASSFILE:-} || -r $PGPASSFILE ]] ||
    problems+="PGPASSFILE: $PGPASSFILE cannot be read"$'\n'
  mkdir -p "$BACKUP_DIR" 2>/dev/null && [[ -w $BACKUP_DIR ]] ||
    problems+="BACKUP_DIR: $BACKUP_DIR cannot be written to"$'\n'
  [[ ! $problems ]] || fail "cannot start:"$'\n'"${problems%$'\n'}"
}

job=
case ${1:-} in
  run | once | list | status) "$1" ;;
  verify) verify "${2:-}" ;;
  *)
    echo "usage: backup.sh run | once | list | verify FILE | status" >&2
    exit 2
    ;;
esac

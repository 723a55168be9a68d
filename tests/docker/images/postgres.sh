#!/bin/bash
# Does what the official image's entrypoint does, as far as our stack relies on it: the
# server runs as postgres; an empty data directory is initialised, with a password from
# POSTGRES_PASSWORD_FILE, POSTGRES_DB, and the scripts of /docker-entrypoint-initdb.d.
set -Eeuo pipefail

initialise() {
  local user=${POSTGRES_USER:-postgres}
  local database=${POSTGRES_DB:-$user}
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
  fi
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    echo "Error: Database is uninitialized and superuser password is not specified." >&2
    exit 1
  fi
  # shellcheck disable=SC2086 - it is a list of options
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
    ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"

  export PGPASSWORD=$POSTGRES_PASSWORD
  pg_ctl --wait -o "-c listen_addresses='' -p 5432" start -o "${*@Q}"
  if [ "$database" != postgres ]; then
    createdb --username="$user" --no-password --maintenance-db=postgres "$database"
  fi
  local script
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
      *.sql) psql --set ON_ERROR_STOP=1 --username="$user" --dbname="$database" \
        --file="$script" ;;
    esac
  done
  pg_ctl --wait --mode=fast stop
  unset PGPASSWORD
}

if [ "${1:-}" = postgres ]; then
  if [ "$(id -u)" = 0 ]; then
    install --directory --owner=postgres --mode=700 "$PGDATA"
    chown -R postgres "$PGDATA" /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  install --directory --mode=700 "$PGDATA" 2>/dev/null || true
  chmod 700 "$PGDATA" || true
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initialise "${@:2}"
  fi
fi
exec "$@"

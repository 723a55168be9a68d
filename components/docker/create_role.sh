#!/bin/sh
# Run once by the PostgreSQL image, when it makes the data directory: the app's role
# and database. The app is no superuser: it could run programs on the server.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
  --set role="$ROLE" <<'SQL'
\set password `cat "$ROLE_PASSWORD_FILE"`
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role";
\connect :"role"
CREATE EXTENSION pg_stat_statements;
GRANT pg_read_all_stats TO :"role";
SQL

#!/bin/sh
# Run once by the PostgreSQL image, when it makes the data directory: the app's role
# and database. The app is no superuser: it could run programs on the server.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
  --set role="$ROLE" <<'SQL'
\set password `cat "$ROLE_PASSWORD_FILE"`
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role";
GRANT pg_read_all_stats TO :"role";
-- Not in the app's database, although it shows that one too: a dump that holds a
-- superuser's extension cannot be restored by its owner.
CREATE EXTENSION pg_stat_statements;
SQL

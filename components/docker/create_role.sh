#!/bin/sh
# Sees to the app's role, its password and its database. Run beside the server, as often
# as need be. The app is no superuser: it could run programs on the server.
set -eu

PGPASSWORD=$(cat "$ADMIN_PASSWORD_FILE")
export PGPASSWORD

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
  --set role="$ROLE" <<'SQL'
-- Nowhere may the password be written down.
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
SET pg_stat_statements.track = none;
\set password `cat "$ROLE_PASSWORD_FILE"`

SELECT format('CREATE ROLE %I LOGIN', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'role', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'role') \gexec
GRANT pg_read_all_stats TO :"role";
-- Not in the app's database, although it shows that one too: a dump that holds a
-- superuser's extension cannot be restored by its owner.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
SQL
echo "Role and database $ROLE are there."

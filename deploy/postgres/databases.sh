#!/bin/sh
# A role and a database for each app; safe to run again. As PostgreSQL's superuser; passwords come from files.
#   SECRETS=deploy/secrets PGHOST=… PGUSER=postgres deploy/postgres/databases.sh
set -eu
secrets=${SECRETS:-/run/secrets}

for app in registry network outcomes gateway; do
  psql --quiet --set ON_ERROR_STOP=1 --dbname postgres \
    --set role="hedgerow_$app" --set password="$(cat "$secrets/${app}_password")" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'role', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'role') \gexec
REVOKE ALL ON DATABASE :"role" FROM PUBLIC;
SQL
done

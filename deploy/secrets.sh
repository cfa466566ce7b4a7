#!/bin/sh
# Make what compose.yaml and the manifests refer to: a password for PostgreSQL and for each app's role, and each
# app's database address with it.  deploy/secrets.sh [FOLDER] [HOST OF THE DATABASE]   What is there is kept.
set -eu
folder=${1:-"$(dirname "$0")/secrets"}
host=${2:-postgres}
umask 077
mkdir -p "$folder"

secret() {
  [ -s "$folder/$1" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$folder/$1"
}

secret postgres_password
for app in registry network outcomes gateway; do
  secret "${app}_password"
  printf 'postgresql://hedgerow_%s:%s@%s/hedgerow_%s' "$app" "$(cat "$folder/${app}_password")" "$host" "$app" \
    > "$folder/.new"
  # In its place: what was made before may be read only.
  mv -f "$folder/.new" "$folder/hedgerow_${app}_database_url"
done
# The containers run as a user of their own, who must be able to read what is mounted.
chmod 0444 "$folder"/*
echo "secrets are in $folder"

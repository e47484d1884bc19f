#!/usr/bin/env bash
# Makes the secrets that compose.yaml names, each where it is missing: a certificate that is signed by itself, the tokens'
# secret, Grafana's password, and the folder for the file of keys.
#
#   docker/secrets.sh [NAME…]    names and addresses that the certificate is for; localhost always is
#
# SECRETS is the folder (default: secrets beside this file). Only its owner can look into it; its files are open to others,
# since containers see them by themselves and run as other users.
set -euo pipefail
folder=${SECRETS:-$(dirname "${BASH_SOURCE[0]}")/secrets}
umask 022
mkdir -p "$folder/keys"
chmod 700 "$folder"
cd "$folder"

names=DNS:localhost,IP:127.0.0.1,IP:::1
for name in "$@"; do
    [[ $name =~ ^[0-9.]+$|: ]] && names+=,IP:$name || names+=,DNS:$name
done
[[ -e tls_key && -e tls_certificate ]] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 \
    -subj "/CN=${1:-localhost}" -addext "subjectAltName=$names" -keyout tls_key -out tls_certificate 2>/dev/null
[[ -e token_secret ]] || openssl rand -hex 32 >token_secret
[[ -e grafana_password ]] || openssl rand -hex 12 >grafana_password
[[ -e keys/keys.toml ]] || : >keys/keys.toml
chmod 644 tls_key tls_certificate token_secret grafana_password keys/keys.toml
echo "$PWD"

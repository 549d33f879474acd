#!/usr/bin/env bash
# Tests how a program, here curl, handles a 429 with Retry-After, and how an API responds to an
# expired token.
#
#     bash retry_and_expiry.sh
#
# It requires bash and curl 7.76 or later. It starts an emulator (`entra` in PATH, or the program in
# the variable ENTRA), unless the environment has the settings that a running
# `entra emulator --control PORT` printed.
set -euo pipefail

if [ -z "${ENTRA_EMULATOR_CONTROL:-}" ]; then
    lines=$(mktemp)
    "${ENTRA:-entra}" emulator --control 0 >"$lines" &
    emulator=$!
    trap 'kill "$emulator" 2>/dev/null || true; rm -f "$lines"' EXIT
    # The line with the key is the last one.
    until grep -q '^export ENTRA_EMULATOR_CONTROL_KEY=.' "$lines"; do
        kill -0 "$emulator" 2>/dev/null || { echo "the emulator did not start"; exit 1; }
        sleep 0.1
    done
    . "$lines"
fi

# A proxy cannot reach loopback addresses. Other users can read a command line, so no key is in it.
http() { curl --silent --show-error --noproxy '*' "$@"; }
control() { http --fail-with-body -H @<(printf 'Authorization: Bearer %s\n' "$ENTRA_EMULATOR_CONTROL_KEY") "${@:2}" "$ENTRA_EMULATOR_CONTROL$1"; }
post() { control "$1" -H 'Content-Type: application/json' -d "$2"; }

# The program under test.
token() {
    http --retry 3 -d grant_type=client_credentials -d "client_id=$AZURE_CLIENT_ID" \
        --data-urlencode client_secret@<(printf '%s' "$AZURE_CLIENT_SECRET") \
        -d scope=https://graph.microsoft.com/.default \
        "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p'
}
users() {
    http -o /dev/null -w '%{http_code}' -H @<(printf 'Authorization: Bearer %s\n' "$1") "$AZURE_AUTHORITY_HOST/v1.0/users"
}

failures=0
check() {
    if [ "$2" = "$3" ]; then
        echo "ok   $1: $2"
    else
        echo "FAIL $1: $2, not $3"
        failures=1
    fi
}

post /v1/reset '{}' >/dev/null

# A 429: the program waits as long as Retry-After requires, and tries again.
post /v1/faults '{"path": "/oauth2/v2.0/token", "status": 429, "retry_after": 1}' >/dev/null
start=$SECONDS
old=$(token)
check 'a token despite a 429' "$([ -n "$old" ] && echo yes)" yes
check 'the program waited for a second' "$([ $((SECONDS - start)) -ge 1 ] && echo yes)" yes
statuses=$(control /v1/requests | grep -o '"status":[0-9]*' | tr '\n' ' ')
check 'requests' "$statuses" '"status":429 "status":200 '

# An expiry: the emulator's clock advances, and the API rejects the old token.
check 'users' "$(users "$old")" 200
post /v1/clock '{"advance_seconds": 7200}'
check 'users with the expired token' "$(users "$old")" 401
new=$(token)
check 'users with a new token' "$(users "$new")" 200
exit "$failures"

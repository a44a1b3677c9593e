#!/usr/bin/env bash
# Runs `powerinfer serve` on the embedded model and asks it as its users do: the examples of docs/server.md, real clients from PyPI, the chat
# page in headless Chromium, a parser of its metrics, a fuzzer of its description, TLS, signals. What cannot be installed is skipped with a sentence.
#
#   Scripts/test-server.sh [PROGRAM]        (default: .build/release/powerinfer)
set -euo pipefail
cd "$(dirname "$0")/.."

program="${1:-.build/release/powerinfer}"
work="$(mktemp -d)"
server=
trap '[[ -n "$server" ]] && kill -9 "$server" 2>/dev/null; rm -rf "$work"' EXIT

command -v python3 >/dev/null || { echo "Skipped: python3 is not here."; exit 0; }
command -v curl >/dev/null || { echo "Skipped: curl is not here."; exit 0; }

# Starts a server with some flags; its address is in $address once it can answer.
start() {
  "$program" serve --port 0 --log-level warning "$@" 2>"$work/log" &
  server=$!
  for _ in $(seq 600); do
    address="$(sed -n 's/^Listening on //p' "$work/log")"
    [[ -n "$address" ]] && curl -skf "$address/health" >/dev/null && return
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  echo "Expected a server, found:" >&2
  cat "$work/log" >&2
  exit 1
}

# Asks it to end, as systems do.
stop() {
  kill -TERM "$server"
  wait "$server" || { echo "Expected the server to end with status 0 after SIGTERM, found $?." >&2; exit 1; }
  server=
}

python3 -m venv "$work/venv" 2>/dev/null || { echo "Skipped: python3 makes no virtual environment."; exit 0; }
for package in openai anthropic ollama langchain-openai prometheus-client schemathesis playwright axe-core-python markdown-it-py; do
  timeout 120 "$work/venv/bin/pip" install -q --disable-pip-version-check "$package" >"$work/pip" 2>&1 ||
    echo "Skipped: $package cannot be installed here."
done

# The same seed gives the same answer in any company only so.
start --deterministic --parallel 8 --max-body 4MiB --read-timeout 5
"$work/venv/bin/python" Scripts/test_server.py "${address##*:}" "$server"
stop

# Whatever a model says is thought, unless it ends that itself or is asked not to think.
start --chat-template "{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is not defined or enable_thinking %}<think>
{% endif %}{% endif %}"
"$work/venv/bin/python" Scripts/test_server.py "${address##*:}" "$server" think_
stop

# The chat page, in a browser.
if ! command -v chromium chromium-browser google-chrome >/dev/null; then
  echo "Skipped: no Chromium."
elif "$work/venv/bin/python" -c "import playwright" 2>/dev/null; then
  start
  timeout 300 "$work/venv/bin/python" Scripts/test_page.py "$address"
  stop
fi

if [[ -x "$work/venv/bin/schemathesis" ]]; then
  # Answers of a few tokens; what is looked at is their form.
  start --predict 4
  # It leaves a folder of its own where it runs. A stream that never ends is nothing for it.
  (cd "$work" && timeout 300 "$work/venv/bin/schemathesis" run "$address/openapi.json" --max-examples "${EXAMPLES:-15}" --phases fuzzing --exclude-path /v1/activity \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --request-timeout 60 --seed 1 --suppress-health-check all --no-color) >"$work/fuzz" 2>&1 ||
    { tail -n 150 "$work/fuzz"; exit 1; }
  grep -E "generated, " "$work/fuzz" || true
  stop
fi

if command -v openssl >/dev/null; then
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 1 -subj /CN=localhost \
    2>/dev/null
  start --tls-cert "$work/cert.pem" --tls-key "$work/key.pem" --api-key secret
  reply="$(curl -sk -H 'Authorization: Bearer secret' "$address/v1/models")"
  [[ "$address" == https:* && "$reply" == *'"object":"list"'* ]] ||
    { echo "Expected models over TLS, found: $reply" >&2; exit 1; }
  [[ "$(curl -sk -o "$work/refused" -w '%{http_code}' "$address/v1/models")" == 401 ]] ||
    { echo "Expected the status 401 without a key." >&2; exit 1; }
  # In the middle of an answer, without a warning: the next start works all the same.
  curl -skN -H 'Authorization: Bearer secret' "$address/completion" \
    -d '{"prompt": "Once", "stream": true, "ignore_eos": true, "n_predict": 7000}' >"$work/stream" || true &
  sleep 0.5
  kill -KILL "$server"
  wait "$server" 2>/dev/null || true
  start
  stop
  echo "TLS, keys and signals"
fi
echo "The server holds."

#!/bin/bash
# The customer's page with nothing but curl: "Basic Verification", and the session-based flow with a phone that
# has no API key. Against a running API:
#
#   tests/contract/seed_flow.sh ADDRESS API_KEY FOLDER_OF_A_SPECIMEN
set -euo pipefail

if ! command -v curl >/dev/null; then echo "curl is missing: the customer's page was not tried"; exit 0; fi

address=$1 key=$2 folder=$3
front=$(ls "$folder"/*.document_front.jpg) back=$(ls "$folder"/*.document_back.jpg) selfie=$(ls "$folder"/*.selfie.jpg)
authorized=(--silent --show-error --fail-with-body --header "Authorization: Bearer $key")

# member NAME…: of the JSON object on standard input.
member() {
    "${PYTHON:-python3}" -c 'import functools, json, sys; print(functools.reduce(lambda o, k: o[k], sys.argv[1:], json.load(sys.stdin)))' "$@"
}
is() { if [ "$2" != "$3" ]; then echo "$1 is $2, not $3" >&2; exit 1; fi; }

# Basic Verification: pictures as base64 in JSON, as the page encodes them.
answer=$("${PYTHON:-python3}" - "$front" "$back" "$selfie" <<'PYTHON' | curl "${authorized[@]}" --json @- "$address/v1/identity/verify"
import base64, json, sys
front, back, selfie = (base64.b64encode(open(name, "rb").read()).decode() for name in sys.argv[1:])
print(json.dumps({"document_front": front, "document_back": back, "selfie": selfie, "country": "MA",
                  "document_type": "national_id", "checks": ["ocr", "face_match", "liveness", "fraud"],
                  "metadata": {"user_id": "user-1", "source": "mobile_app"}}))
PYTHON
)
is status "$(member status <<<"$answer")" verified
is metadata "$(member metadata source <<<"$answer")" mobile_app
for field in full_name date_of_birth document_number nationality expiry_date; do
    member extracted_data "$field" <<<"$answer" >/dev/null
done

# 1. Create a session. 2. Get its id for the app.
session=$(curl "${authorized[@]}" --json '{"country": "MA", "document_type": "national_id",
    "checks": ["ocr", "face_match", "liveness"], "expires_in": 900}' "$address/v1/identity/sessions")
id=$(member id <<<"$session")
# 3. The app uploads, and hears at once whether the picture will do.
for side in document_front document_back selfie; do
    uploaded=$(curl --silent --show-error --fail-with-body --upload-file "$(ls "$folder"/*."$side".jpg)" \
        "$(member upload_urls "$side" <<<"$session")")
    is "quality of $side" "$(member quality valid <<<"$uploaded")" True
done
# 4. Complete the session.
verification=$(curl "${authorized[@]}" --request POST "$address/v1/identity/sessions/$id/complete")
is 'status of the session'\''s verification' "$(member status <<<"$verification")" verified
echo 'the page of the customer: verified by curl, at once and by a session'

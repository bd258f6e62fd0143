"""The loop through the client that openapi-python-client makes: from a person to an outcome."""

import base64
import json
import pathlib
import sys
import urllib.request

from kith_client import AuthenticatedClient
from kith_client.api.consents import create_consent
from kith_client.api.follow_ups import complete_follow_up, list_follow_ups
from kith_client.api.patients import create_patient, get_patient
from kith_client.api.referrals import create_referral, create_referral_transition, get_referral
from kith_client.api.services import list_services
from kith_client.models import (
    ConsentInput,
    FollowUpResult,
    PatientInput,
    Problem,
    ReferralInput,
    TransitionInput,
)

demo = json.loads(pathlib.Path(sys.argv[1]).read_text())


def login(role):
    client = next(client for client in demo["clients"] if client["role"] == role)
    pair = f"{client['client_id']}:{client['client_secret']}".encode()
    headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    request = urllib.request.Request(demo["base_url"] + "/oauth/token", b"grant_type=client_credentials", headers)
    token = json.load(urllib.request.urlopen(request))["access_token"]
    return AuthenticatedClient(demo["base_url"], token), client["organization_id"]


def the(answer):
    assert answer is not None and not isinstance(answer, Problem), answer
    return answer


clinic, _ = login("clinic")
program, program_id = login("link_worker_program")

patient = the(create_patient.sync(client=clinic, body=PatientInput.from_dict({"names": [{"given": "Mina", "family": "Park"}], "birth_date": "1957-08-30"})))
consent = {
    "patient_id": str(patient.id),
    "grantee_id": program_id,
    "purposes": ["referral", "care_coordination"],
    "categories": ["summary", "referrals", "follow_ups"],
    "form": "verbal",
}
the(create_consent.sync(client=clinic, body=ConsentInput.from_dict(consent)))
found = the(list_services.sync(client=clinic, q="social prescribing"))
service = next(item for item in found.items if item.kind == "program")
wanted = {"patient_id": str(patient.id), "kind": "navigation", "service_id": str(service.id), "source_type": "family_physician"}
referral = the(create_referral.sync(client=clinic, body=ReferralInput.from_dict(wanted)))
the(create_referral_transition.sync(referral.id, client=program, body=TransitionInput.from_dict({"status": "accepted"})))
due = the(list_follow_ups.sync(client=program, referral_id=referral.id)).items[0]
result = {"utilisation": "regular", "attended": True, "change": "better", "need_met": "yes"}
assert the(complete_follow_up.sync(due.id, client=program, body=FollowUpResult.from_dict(result))).status == "completed"
closing = {"status": "completed", "outcome": "need_met"}
the(create_referral_transition.sync(referral.id, client=program, body=TransitionInput.from_dict(closing)))
outcome = the(get_referral.sync(referral.id, client=clinic))
assert (outcome.status, outcome.outcome) == ("completed", "need_met"), outcome
unknown = get_patient.sync("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", client=clinic)
assert isinstance(unknown, Problem) and unknown.code == "not_found", unknown
print("the loop was walked with openapi-python-client")

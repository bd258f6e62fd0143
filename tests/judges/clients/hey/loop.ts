// The loop through the client that @hey-api/openapi-ts makes: from a person to an outcome.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createClient, createConfig, type Client } from "./api/client/index.js";
import {
  completeFollowUp,
  createConsent,
  createPatient,
  createReferral,
  createReferralTransition,
  createToken,
  getReferral,
  listFollowUps,
  listServices,
} from "./api/sdk.gen.js";

const demo = JSON.parse(readFileSync(process.argv[2]!, "utf8"));

async function login(role: string): Promise<{ client: Client; organization_id: string }> {
  const { client_id, client_secret, organization_id } = demo.clients.find((client: { role: string }) => client.role === role);
  const stranger = createClient(createConfig({ baseUrl: demo.base_url }));
  const { data } = await createToken({ client: stranger, body: { grant_type: "client_credentials", client_id, client_secret }, throwOnError: true });
  const headers = { Authorization: `Bearer ${data.access_token}` };
  return { client: createClient(createConfig({ baseUrl: demo.base_url, headers })), organization_id };
}

const clinic = await login("clinic");
const program = await login("link_worker_program");
const asClinic = { client: clinic.client, throwOnError: true } as const;
const asProgram = { client: program.client, throwOnError: true } as const;

const patient = await createPatient({ ...asClinic, body: { names: [{ given: "Yusuf", family: "Demir" }], birth_year: 1961 } });
const patient_id = patient.data.id;
await createConsent({
  ...asClinic,
  body: {
    patient_id,
    grantee_id: program.organization_id,
    purposes: ["referral", "care_coordination"],
    categories: ["summary", "referrals", "follow_ups"],
    form: "verbal",
  },
});
const found = await listServices({ ...asClinic, query: { q: "social prescribing", kind: ["program"] } });
const referral = await createReferral({
  ...asClinic,
  body: { patient_id, kind: "navigation", service_id: found.data.items[0]!.id, source_type: "family_physician" },
});
const path = { id: referral.data.id };
await createReferralTransition({ ...asProgram, path, body: { status: "accepted" } });
const due = await listFollowUps({ ...asProgram, query: { referral_id: path.id, status: ["open"] } });
const done = await completeFollowUp({
  ...asProgram,
  path: { id: due.data.items[0]!.id },
  body: { utilisation: "regular", attended: true, change: "better", need_met: "yes" },
});
assert.equal(done.data.status, "completed");
await createReferralTransition({ ...asProgram, path, body: { status: "completed", outcome: "need_met" } });
const outcome = await getReferral({ ...asClinic, path });
assert.deepEqual([outcome.data.status, outcome.data.outcome], ["completed", "need_met"]);
console.log("the loop was walked with hey-api");

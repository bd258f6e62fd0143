// The loop through openapi-fetch, typed by openapi-typescript: from a person to an outcome.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { paths } from "./api.d.ts";

const demo = JSON.parse(readFileSync(process.argv[2]!, "utf8"));

async function login(role: string) {
  const { client_id, client_secret, organization_id } = demo.clients.find((client: { role: string }) => client.role === role);
  const answer = await fetch(`${demo.base_url}/oauth/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret }),
  });
  const { access_token } = await answer.json();
  const client = createClient<paths>({ baseUrl: demo.base_url, headers: { Authorization: `Bearer ${access_token}` } });
  return { client, organization_id: organization_id as string };
}

function the<T>(answer: { data?: T; error?: unknown }): T {
  assert.ok(answer.data !== undefined, JSON.stringify(answer.error));
  return answer.data;
}

const clinic = await login("clinic");
const program = await login("link_worker_program");

const patient = the(
  await clinic.client.POST("/v1/patients", {
    body: { names: [{ given: "Odette", family: "Lavallée" }], birth_date: "1949-02-11", languages: [{ language: "fr", preferred: true }] },
  }),
);
const patient_id = patient.id;
the(
  await clinic.client.POST("/v1/consents", {
    body: {
      patient_id,
      grantee_id: program.organization_id,
      purposes: ["referral", "care_coordination"],
      categories: ["summary", "contact", "needs", "referrals", "follow_ups"],
      form: "verbal",
    },
  }),
);
const screening = the(
  await clinic.client.POST("/v1/screenings", {
    params: { query: { suggest: 5 } },
    body: {
      patient_id,
      instrument: "ons-loneliness-direct",
      status: "completed",
      completed_by: "interview",
      answers: [{ link_id: "lonely", codes: ["often-always"] }],
    },
  }),
);
assert.equal(screening.status, "completed");
const match = the(await clinic.client.POST("/v1/matches", { body: { patient_id, limit: 5 } }));
assert.ok(match.results.length > 0);
const found = the(await clinic.client.GET("/v1/services", { params: { query: { q: "social prescribing", kind: ["program"] } } }));
assert.ok("items" in found, "JSON unless GeoJSON is asked for");
const referral = the(
  await clinic.client.POST("/v1/referrals", {
    params: { header: { "Idempotency-Key": `fetch-${patient_id}` } },
    body: { patient_id, kind: "navigation", service_id: found.items[0]!.id, source_type: "family_physician", match_id: match.id },
  }),
);
const path = { id: referral.id };
for (const status of ["received", "accepted"] as const) {
  the(await program.client.POST("/v1/referrals/{id}/transitions", { params: { path }, body: { status } }));
}
const due = the(await program.client.GET("/v1/follow-ups", { params: { query: { referral_id: referral.id, status: ["open"] } } }));
the(
  await program.client.POST("/v1/follow-ups/{id}/attempts", {
    params: { path: { id: due.items[0]!.id } },
    body: { mode: "home_visit", outcome: "reached", minutes: 45 },
  }),
);
the(await program.client.POST("/v1/referrals/{id}/transitions", { params: { path }, body: { status: "completed", outcome: "need_met" } }));
const outcome = the(await clinic.client.GET("/v1/referrals/{id}", { params: { path } }));
assert.deepEqual([outcome.status, outcome.outcome], ["completed", "need_met"]);

const changed = await clinic.client.PATCH("/v1/patients/{id}", {
  params: { path: { id: patient_id }, header: { "If-Match": '"999"' } },
  body: { what_matters_to_me: "Singing" },
});
assert.equal(changed.error?.code, "version_mismatch");
console.log("the loop was walked with openapi-fetch");

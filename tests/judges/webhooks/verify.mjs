// Verifies what was received, one JSON object a line, with the JavaScript library of Standard Webhooks.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, file] = process.argv.slice(2);
const { Webhook } = createRequire(`${folder}/`)("standardwebhooks");
const lines = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
for (const { secrets, headers, body } of lines) {
  for (const secret of secrets) {
    new Webhook(secret).verify(body, headers);
    let isRefused = false;
    try {
      new Webhook(secret).verify(`${body} `, headers);
    } catch {
      isRefused = true;
    }
    if (!isRefused) throw new Error(`a changed body was taken for ${headers["webhook-id"]}`);
  }
}
console.log(`${lines.length} requests verified in JavaScript`);

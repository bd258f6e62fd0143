// The page on which a referral is answered by a link, in a real browser: on a narrow phone, without scripts, by keyboard alone, in both
// languages, and before axe-core. Arguments: the folder of modules, the server, a token, the browser, and where screenshots go.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";

const [modules, server, token, executablePath, pictures] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(pictures, { recursive: true });

async function call(method, path, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(server + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert(answer.ok, `${method} ${path} answered ${answer.status}: ${text}`);
  return text && JSON.parse(text);
}

const agency = await call("POST", "/v1/organizations", {
  name: "Alder Falls Supper Club", kind: "agency", time_zone: "America/Vancouver",
  translations: [{ language: "fr", name: "Club des soupers d’Alder Falls" }],
});
const service = await call("POST", "/v1/services", { name: "Community Supper", provider_id: agency.id });
const patient = await call("POST", "/v1/patients", {
  names: [{ given: "Odette", family: "Lavallée" }], birth_date: "1949-02-11",
  languages: [{ language: "fr", preferred: true }, { language: "en" }],
  contact_points: [{ kind: "phone", value: "778-555-0134" }, { kind: "email", value: "odette.lavallee.a.very.long.address@example.ca" }],
  safe_contact: { no_voicemail: true, code_word: "marigold" },
  address: { line1: "12 Mill Street", city: "Alder Falls", region: "BC", postal_code: "V0X 3A0", country: "CA" },
});

/** A new referral of her to the club, and the page of a link to it. */
async function referral() {
  const made = await call("POST", "/v1/referrals", {
    patient_id: patient.id, kind: "service", service_id: service.id, source_type: "family_physician", chosen_by: "person",
    reason: "Alone since the autumn; would like a hot meal with others.\nWalks with a cane.",
    plain_language_purpose: [{ language: "fr", text: "Quelqu’un du club vous appellera cette semaine." }],
    consent: { form: "verbal", categories: ["summary", "contact"] },
  });
  const link = await call("POST", `/v1/referrals/${made.id}/links`, {});
  return { id: made.id, url: new URL(link.url, server).href };
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, javaScriptEnabled: false };
const strayed = [];

async function open(url, options) {
  const context = await browser.newContext({ locale: "en-CA", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("request", (request) => request.url().startsWith(server) || strayed.push(request.url()));
  page.on("console", (message) => message.type() === "error" && /policy/i.test(message.text()) && strayed.push(message.text()));
  const answer = await page.goto(url);
  return { page, answer };
}

async function judged(page, name) {
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert(width[0] <= width[1], `${name} is wider than its window: ${width}`);
  // A page without scripts runs none of axe's either, so axe looks at the same HTML in a window of the same size that does.
  const context = await browser.newContext({ viewport: page.viewportSize() });
  const twin = await context.newPage();
  await twin.setContent(await page.content());
  const { violations, passes } = await twin.evaluate(`${axe}; axe.run(document, { resultTypes: ["violations"] })`);
  await context.close();
  const found = violations.map((rule) => `${rule.id}: ${rule.help} (${rule.nodes.map((node) => node.html).join("; ")})`);
  assert.deepEqual(found, [], name);
  const small = await page.evaluate(() => [...document.querySelectorAll("a, button, input:not([type=hidden]), textarea")]
    .filter((element) => (element.closest(".choice") ?? element).getBoundingClientRect().height < 44).map((element) => element.outerHTML));
  assert.deepEqual(small, [], `${name} has targets that fingers miss`);
  console.log(`${name}: ${passes.length} rules of axe passed`);
}

const status = async (id) => (await call("GET", `/v1/referrals/${id}`)).status;

// On a phone, without scripts, in both languages: what is missing is told, what was filled in stays, and it is declined.
{
  const { id, url } = await referral();
  const { page } = await open(url, phone);
  await judged(page, "phone-en");
  await page.getByRole("link", { name: "Français" }).tap();
  await page.locator("html[lang=fr]").waitFor();
  await judged(page, "phone-fr");
  await page.getByRole("button", { name: "Refuser la demande" }).tap();
  await page.getByRole("alert").filter({ hasText: /Veuillez choisir une raison/ }).waitFor();
  await judged(page, "phone-fr-faults");
  const decline = page.getByRole("region", { name: "Refuser" });
  await decline.getByLabel("Votre nom").fill("Mina Patel");
  await decline.getByLabel("Nous n’avons pas de place").check();
  await decline.getByRole("button").tap();
  await page.locator(".standing", { hasText: /est refusée/ }).waitFor();
  assert.equal(await status(id), "rejected");
  await judged(page, "phone-fr-declined");
  await page.reload();
  await page.locator(".standing", { hasText: /est refusée/ }).waitFor();
}

// By keyboard alone, at a desk: everything is reached in its order, and where one is can be seen.
{
  const { id, url } = await referral();
  const { page } = await open(url, { viewport: { width: 1280, height: 900 }, javaScriptEnabled: false });
  await judged(page, "desk-en");
  const reached = [];
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      return { name: element.id || element.innerText, tag: element.tagName, shown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
    });
    if (at.tag === "BODY") break;
    assert(at.shown, `the focus cannot be seen at ${at.name}`);
    reached.push(at.name);
    if (at.name === "accept-name") {
      await page.keyboard.type("Mina Patel");
      await page.keyboard.press("Tab");
      await page.keyboard.type("She is welcome on Tuesday.");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.waitForURL(/lang=en/);
      break;
    }
  }
  assert.deepEqual(reached.slice(0, 1).concat(reached.slice(-1)), ["Français", "accept-name"], reached.join(", "));
  await page.locator(".standing", { hasText: /is accepted/ }).waitFor();
  assert.equal(await status(id), "accepted");
  await judged(page, "desk-en-accepted");
  await page.goBack();
  await page.getByRole("region", { name: "Accept" }).getByRole("button").press("Enter").catch(() => {});
  assert.equal(await status(id), "accepted", "sent once more, it is as it was");

  await page.goto(url);
  await page.locator("#room-status").focus();
  await page.keyboard.press("ArrowDown");
  await page.locator("#room-wait").fill("21");
  await page.locator("#room-name").fill("Mina Patel");
  await page.keyboard.press("Enter");
  await page.getByText("Last said on").waitFor();
  const { capacity } = await call("GET", `/v1/services/${service.id}`);
  assert.deepEqual([capacity.status, capacity.expected_wait_days], ["waitlist", 21]);
  await judged(page, "desk-en-room");
}

// What somebody else did meanwhile, and a link that was taken back.
{
  const { id, url } = await referral();
  const { page } = await open(url, phone);
  await call("POST", `/v1/referrals/${id}/transitions`, { status: "received" });
  const accept = page.getByRole("region", { name: "Accept" });
  await accept.getByLabel("Your name").fill("Mina Patel");
  await accept.getByRole("button").tap();
  await page.getByRole("alert").filter({ hasText: /Somebody else changed this/ }).waitFor();
  assert.equal(await status(id), "received");
  await judged(page, "phone-en-meanwhile");
  await call("DELETE", `/v1/referrals/${id}/links`);
  const answer = await page.goto(url);
  assert.equal(answer.status(), 410);
  await judged(page, "phone-en-revoked");
  assert.doesNotMatch(await page.content(), /Lavallée|supper/i);
}

assert.deepEqual(strayed, [], "the page asked for what it should not");
await browser.close();
console.log(`all well; pictures are in ${pictures}`);

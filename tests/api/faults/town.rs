//! A clinic and a link-worker program that call servers on one database.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::server::kith;
use crate::socket::Http;

/// Who calls: its secret, and the token it last had.
#[derive(Clone)]
pub struct Client {
    pub organization_id: String,
    pub id: String,
    pub secret: String,
    pub token: String,
}

impl Client {
    /// An organization with a client, made at the command line.
    pub fn add(url: &str, organization: &str, kind: &str) -> Self {
        let organization = format!("--organization={organization}");
        let arguments = ["client", "add", &organization, &format!("--kind={kind}"), "--name=faults", "--scopes=all", "--json"];
        let output = kith(url, &arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let added: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |name: &str| added[name].as_str().unwrap().to_owned();
        Self { organization_id: text("organization_id"), id: text("client_id"), secret: text("client_secret"), token: String::new() }
    }

    /// Asks for a token.
    pub fn ask_for_token(&self, address: &str) -> Answer {
        let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", self.id, self.secret);
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let ask = || Http::to(address).call("POST", "/oauth/token", &headers, Some(&form));
        ask().or_else(|_| ask()).unwrap()
    }

    /// A token to go on with.
    pub fn log_in(&mut self, address: &str) {
        self.token = self.ask_for_token(address).expect(200)["access_token"].as_str().unwrap().to_owned();
    }

    /// What the header of that name says.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Calls once, with these headers besides the usual ones.
    pub fn try_call(
        &self,
        http: &mut Http,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&Value>,
    ) -> std::io::Result<Answer> {
        let authorization = self.authorization();
        let media_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let mut headers = vec![("Authorization", authorization.as_str()), ("Content-Type", media_type)];
        headers.extend(more);
        http.call(method, path, &headers, body.map(Value::to_string).as_deref())
    }

    /// Reads from a server that is well.
    #[track_caller]
    pub fn get(&self, http: &mut Http, path: &str) -> Value {
        let answer = self.try_call(http, "GET", path, &[], None);
        // The connection may have rested too long.
        answer.or_else(|_| self.try_call(http, "GET", path, &[], None)).unwrap().expect(200)
    }

    /// Every item of a list.
    pub fn list(&self, http: &mut Http, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let separator = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(http, &format!("{path}{separator}limit=200{cursor}"));
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

/// Both, and where their data are.
#[derive(Clone)]
pub struct Town {
    pub clinic: Client,
    pub program: Client,
}

impl Town {
    pub fn on(url: &str) -> Self {
        Self { clinic: Client::add(url, "Alder Clinic", "clinic"), program: Client::add(url, "Alder Link Workers", "program") }
    }

    pub fn log_in(&mut self, address: &str) {
        self.clinic.log_in(address);
        self.program.log_in(address);
    }

    /// A person known by a key.
    pub fn person(key: &str) -> Value {
        json!({ "names": [{ "given": "Faults", "family": key }], "identifiers": [{ "system": "urn:kith:faults", "value": key }] })
    }

    /// A referral to the program, with the consent it needs.
    pub fn navigation(&self, patient: &str) -> Value {
        json!({
            "patient_id": patient, "kind": "navigation", "performer_organization_id": self.program.organization_id,
            "source_type": "family_physician", "reason": "Would like company.", "consent": { "form": "verbal" },
        })
    }
}

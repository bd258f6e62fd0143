//! Signatures as the Standard Webhooks specification has them: HMAC-SHA256 over id, moment and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use standardwebhooks::Webhook;

use crate::auth::secrets::random_bytes;
use crate::error::{Error, Result};

/// A new secret: `whsec_` and 32 random bytes in base64.
pub fn new_secret() -> Result<String> {
    Ok(format!("whsec_{}", STANDARD.encode(random_bytes::<32>()?)))
}

/// The value of `webhook-signature`: one signature for each secret, separated by spaces.
pub fn signatures<'a>(secrets: impl IntoIterator<Item = &'a str>, id: &str, timestamp: i64, body: &str) -> Result<String> {
    let sign = |secret: &str| Webhook::new(secret)?.sign(id, timestamp, body.as_bytes());
    let signatures: Result<Vec<String>, _> = secrets.into_iter().map(sign).collect();
    // The error may quote the secret.
    signatures.map(|signatures| signatures.join(" ")).map_err(|_| Error::internal("a webhook secret cannot be used"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_bits_and_is_another_every_time() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(STANDARD.decode(one.strip_prefix("whsec_").unwrap()).unwrap().len(), 32);
    }

    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = signatures([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        let signed = signatures([one.as_str(), other.as_str()], "a", 1, "{}").unwrap();
        let each = [&one, &other].map(|secret| signatures([secret.as_str()], "a", 1, "{}").unwrap());
        assert_eq!(signed, each.join(" "));
    }
}

//! Two signature sets over exactly the bytes that are sent: TXCloud's own and Standard Webhooks.
//!
//! While a rotation overlaps, `webhook-signature` holds one signature by each secret, and
//! `X-TXCloud-Signature`, which has room for one, stays with the secret before: a receiver knows that one
//! when the rotation begins, and has until its end to accept both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use txid_shared::store::Secrets;

/// `X-TXCloud-Signature` of a delivery.
pub fn txcloud_by(secrets: &Secrets, body: &[u8]) -> String {
    txcloud(secrets.previous.as_ref().unwrap_or(&secrets.current).reveal(), body)
}

/// `webhook-signature` of a delivery, the current secret's first.
pub fn standard_by(secrets: &Secrets, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let all = std::iter::once(&secrets.current).chain(&secrets.previous);
    all.map(|secret| standard(secret.reveal(), id, timestamp_s, body)).collect::<Vec<_>>().join(" ")
}

/// `X-TXCloud-Signature`: hex HMAC-SHA256(secret as text, raw body).
pub fn txcloud(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    txid_shared::hex(hmac::sign(&key, body).as_ref())
}

/// `webhook-signature`: `v1,` and base64 HMAC-SHA256 over `id.timestamp.body`; the key is what
/// follows `whsec_`, base64-decoded.
pub fn standard(secret: &str, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(encoded).unwrap_or_else(|_| secret.as_bytes().to_vec());
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    context.update(format!("{id}.{timestamp_s}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks reference libraries.
        let signature = standard(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn txcloud_signature_is_hmac_sha256_of_the_body() {
        // RFC 4231, test case 2.
        assert_eq!(
            txcloud("Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}

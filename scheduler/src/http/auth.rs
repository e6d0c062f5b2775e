//! Who calls, and from where. Keys are looked up on every call: a revoked key stops working at once,
//! everywhere.

use super::Api;
use super::envelope::Refusal;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::http::request::Parts;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::ids::AccountId;
use txid_shared::ids::KeyId;
use txid_shared::network::Network;
use txid_shared::store::{AuthenticatedKey, Simulation};
use txid_shared::words::{KeyMode, Permission, Plan};

/// How every key begins, test keys included.
const KEYS_BEGIN: &str = "txc_";
const FORWARDED_FOR: &str = "x-forwarded-for";

#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) account_id: AccountId,
    pub(super) key_id: KeyId,
    pub(super) mode: KeyMode,
    pub(super) plan: Plan,
    pub(super) rate_limit: Option<u32>,
    /// Faults that its account asked for and that have not ended.
    pub(super) simulation: Option<Simulation>,
    permissions: Vec<Permission>,
}

/// What a request says about its caller.
pub(super) enum Authentication {
    Caller(Caller),
    /// The key is known, and opens nothing now or from here.
    Refused(AuthenticatedKey, ApiError),
    /// No key, or nobody's.
    Nobody(Refusal),
}

/// The outcome, left with the request for whichever handler asks for its caller.
#[derive(Clone)]
pub(super) struct Identity(pub(super) Result<Caller, Refusal>);

impl Caller {
    pub(super) fn require(&self, permission: Permission) -> Result<(), ApiError> {
        if self.permissions.contains(&permission) {
            return Ok(());
        }
        let message = format!("this API key lacks the permission `{permission}`");
        Err(ApiError::new(ErrorCode::Forbidden, message))
    }

    /// A key hands on what it has, and no more.
    pub(super) fn may_grant(&self, permissions: &[Permission]) -> Result<(), ApiError> {
        permissions.iter().try_for_each(|permission| self.require(*permission))
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Refusal> {
        match parts.extensions.get::<Identity>() {
            Some(Identity(identity)) => identity.clone(),
            None => Err(nobody("this address takes no API key")),
        }
    }
}

fn nobody(message: &str) -> Refusal {
    ApiError::new(ErrorCode::Unauthorized, message).into()
}

pub(super) async fn authenticate(api: &Api, headers: &HeaderMap, address: Option<IpAddr>) -> Authentication {
    let presented = match presented(headers) {
        Ok(presented) => presented,
        Err(refusal) => return Authentication::Nobody(refusal),
    };
    let key = match api.store.api_key(presented).await {
        Ok(Some(key)) => key,
        Ok(None) => return Authentication::Nobody(nobody("no such API key")),
        Err(error) => {
            return Authentication::Nobody(Refusal::unavailable("an API key cannot be looked up", &error));
        }
    };
    let refused = |code, message: &str| Some(ApiError::new(code, message));
    let refusal = if key.revoked_at.is_some() {
        refused(ErrorCode::KeyRevoked, "this API key was revoked")
    } else if key.expires_at.is_some_and(|expiry| expiry <= api.clock.now()) {
        refused(ErrorCode::KeyExpired, "this API key has expired")
    } else if !may_come_from(&key.allowed_ips, address) {
        refused(ErrorCode::IpNotAllowed, "this API key may not be used from this address")
    } else {
        None
    };
    if let Some(refusal) = refusal {
        return Authentication::Refused(key, refusal);
    }
    let AuthenticatedKey { id, account_id, permissions, rate_limit, plan, mode, simulation, .. } = key;
    let simulation = simulation.filter(|simulation| api.clock.now() < simulation.until);
    Authentication::Caller(Caller { account_id, key_id: id, mode, plan, rate_limit, simulation, permissions })
}

/// Only what looks like a key is looked up: there are other tokens than keys.
fn presented(headers: &HeaderMap) -> Result<&str, Refusal> {
    if !headers.contains_key(AUTHORIZATION) {
        return Err(nobody("send `Authorization: Bearer txc_…`"));
    }
    let key = bearer(headers).ok_or_else(|| nobody("`Authorization` must be `Bearer txc_…`"))?;
    Some(key).filter(|key| key.starts_with(KEYS_BEGIN)).ok_or_else(|| nobody("no such API key"))
}

/// What stands behind `Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A caller without an address comes from nowhere that a list could name.
fn may_come_from(allowed: &[Network], address: Option<IpAddr>) -> bool {
    allowed.is_empty()
        || address.is_some_and(|address| allowed.iter().any(|network| network.contains(address)))
}

/// Who holds the connection or, where that is a proxy of ours, the nearest address before it that is none.
/// What stands further left in `X-Forwarded-For` anybody may have written.
pub(super) fn caller_address(peer: SocketAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut caller = peer.ip().to_canonical();
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    for hop in lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',')) {
        match forwarded(hop.trim()) {
            Some(before) if is_proxy(caller) => caller = before.to_canonical(),
            _ => break,
        }
    }
    caller
}

/// With or without a port.
fn forwarded(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(peer: &str, forwarded_for: &[&str]) -> String {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded_for {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        caller_address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn without_a_proxy_of_ours_the_connection_tells() {
        assert_eq!(caller("203.0.113.9:1000", &[]), "203.0.113.9");
        assert_eq!(caller("203.0.113.9:1000", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(caller("[::ffff:203.0.113.9]:1000", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_proxies_of_ours_the_nearest_stranger_calls() {
        assert_eq!(caller("10.0.0.1:1000", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(caller("10.0.0.1:1000", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(caller("10.0.0.1:1000", &["1.1.1.1", "198.51.100.1, 10.9.9.9"]), "198.51.100.1");
        assert_eq!(caller("[fd00::1]:1000", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(caller("10.0.0.1:1000", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(caller("10.0.0.1:1000", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(caller("10.0.0.1:1000", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        assert_eq!(caller("10.0.0.1:1000", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(caller("10.0.0.1:1000", &["198.51.100.1, , 10.0.0.2"]), "10.0.0.2");
        assert_eq!(caller("10.0.0.1:1000", &[""]), "10.0.0.1");
        assert_eq!(caller("10.0.0.1:1000", &["10.0.0.3"]), "10.0.0.3", "all of it is ours");
    }
}

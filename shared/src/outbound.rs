//! Requests to addresses that customers name, and against server-side request forgery: where they may not go.
//! Checked on every attempt, on the address that is really connected to, because a name may resolve differently
//! each time.

use crate::network::{MalformedNetwork, Network};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address {0} is not allowed")]
pub struct Forbidden(IpAddr);

/// Decides about addresses and resolves names to allowed ones.
#[derive(Debug, Default)]
pub struct Guard {
    allowed: Vec<Network>,
}

impl Guard {
    pub fn allowing(networks: &[String]) -> Result<Self, MalformedNetwork> {
        Ok(Self { allowed: networks.iter().map(|text| text.parse()).collect::<Result<_, _>>()? })
    }

    /// Public unicast addresses pass, and what the operator opened.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        // ::ffff:127.0.0.1 is 127.0.0.1.
        let address = address.to_canonical();
        if self.allowed.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        let public = match address {
            IpAddr::V4(v4) => is_public_v4(v4),
            IpAddr::V6(v6) => is_public_v6(v6),
        };
        if public { Ok(()) } else { Err(Forbidden(address)) }
    }
}

/// A client that connects to nothing else, and follows no redirects.
pub fn client(guard: Arc<Guard>, timeout: Duration) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("TXCloud-Identity/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        .pool_idle_timeout(Duration::from_secs(30))
        .dns_resolver(Arc::new(GuardedResolver(guard)))
        .build()
}

/// A literal address never meets the resolver, so it is checked here.
pub fn allowed_url(text: &str, guard: &Guard) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http and https are allowed".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        guard.check(address).map_err(|error| error.to_string())?;
    }
    Ok(url)
}

/// The special-purpose registries of RFC 6890 and its successors.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 168)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [first, second, ..] = segments;
    // Translation prefixes carry an IPv4 address that the translator would reach for us.
    let nat64 = first == 0x64 && second == 0xff9b;
    let sixtofour = first == 0x2002;
    let teredo_or_special = first == 0x2001 && second < 0x0200;
    let documentation = (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    // Global unicast is 2000::/3 alone.
    (0x2000..0x4000).contains(&first) && !nat64 && !sixtofour && !teredo_or_special && !documentation
}

/// Resolves, and hands on only addresses that may be connected to: the client connects to one of these.
#[derive(Clone)]
struct GuardedResolver(Arc<Guard>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut allowed = Vec::with_capacity(found.len());
            for address in found {
                // One forbidden address spoils the name: it is a rebinding attempt or a mistake.
                guard.check(address.ip())?;
                allowed.push(address);
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> bool {
        Guard::default().check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn each_special_range_is_refused() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(refused(address), "{address} passed");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(!refused(address), "{address} refused");
        }
    }

    #[test]
    fn the_operator_opens_named_networks_only() {
        let guard = Guard::allowing(&["127.0.0.0/8".to_owned(), "fd00::/8".to_owned()]).unwrap();
        assert!(guard.check("127.0.0.1".parse().unwrap()).is_ok());
        assert!(guard.check("::ffff:127.0.0.1".parse().unwrap()).is_ok());
        assert!(guard.check("fd00::1".parse().unwrap()).is_ok());
        assert!(guard.check("10.0.0.1".parse().unwrap()).is_err());
        assert!(Guard::allowing(&["10.0.0.0/33".to_owned()]).is_err());
        assert!(Guard::allowing(&["10.0.0.0".to_owned()]).is_err());
        let everything = Guard::allowing(&["0.0.0.0/0".to_owned()]).unwrap();
        assert!(everything.check("10.0.0.1".parse().unwrap()).is_ok());
    }
}

//! Ranges of addresses, as in settings and in the allow-lists of keys.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 10.0.0.0/8")]
pub struct MalformedNetwork(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// A single address counts as a network of one.
    pub fn of_address_or_network(text: &str) -> Result<Self, MalformedNetwork> {
        match text.parse::<IpAddr>() {
            Ok(base) => Ok(Self { base, prefix: longest(base) }),
            Err(_) => text.parse(),
        }
    }

    /// An IPv4 address that comes mapped into IPv6 is the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                // A mapped base counts its prefix from the start of the IPv6 address.
                let prefix = if self.base.is_ipv6() { self.prefix.saturating_sub(96) } else { self.prefix };
                let shift = 32 - u32::from(prefix);
                (u64::from(u32::from(base)) >> shift) == (u64::from(u32::from(address)) >> shift)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                cut(u128::from(base)) == cut(u128::from(address))
            }
            _ => false,
        }
    }
}

fn longest(base: IpAddr) -> u8 {
    if base.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Network {
    type Err = MalformedNetwork;

    fn from_str(text: &str) -> Result<Self, MalformedNetwork> {
        let malformed = || MalformedNetwork(text.chars().take(64).collect());
        let (base, prefix) = text.split_once('/').ok_or_else(malformed)?;
        let base: IpAddr = base.parse().map_err(|_| malformed())?;
        let prefix: u8 = prefix.parse().map_err(|_| malformed())?;
        if prefix > longest(base) { Err(malformed()) } else { Ok(Self { base, prefix }) }
    }
}

/// A network of one is written as its address.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == longest(self.base) {
            return write!(f, "{}", self.base);
        }
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_address_or_network(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::of_address_or_network(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.1.2.3/8", "10.9.9.9", "9.255.255.255"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("::ffff:192.0.2.0/120", "192.0.2.200", "192.0.3.1"),
            ("0.0.0.0/0", "255.1.1.1", "::1"),
            ("::/0", "2001::", "1.1.1.1"),
        ] {
            assert!(contains(network, inside), "{inside} is not in {network}");
            assert!(!contains(network, outside), "{outside} is in {network}");
        }
        assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "host/8", "10.0.0.0/"] {
            assert!(Network::of_address_or_network(text).is_err(), "{text}");
        }
        assert!("10.0.0.1".parse::<Network>().is_err(), "without its length a network is a guess");
    }
}

//! Spellings of addresses and ranges that are accepted where they always were, but should be written otherwise.

use std::net::{IpAddr, Ipv4Addr};

use super::Found;
use crate::{field::Field, rules::net};

/// One warning for an address with leading zeros, of IPv4 within IPv6, or of IPv6 in a long spelling.
pub(super) fn ip(field: &Field<'_>, found: &mut Found) {
    let text = field.text();
    let Some((address, standard)) = address_somehow(text) else { return };
    if !standard {
        found.at(field, format_args!("the address {text:?} is not of a standard form: use {:?}", plain(address)));
    } else if address.is_ipv6() && address.to_string() != text {
        found.at(field, format_args!("the IPv6 address {text:?} should be in canonical form ({address})"));
    }
}

/// One warning for host bits, one for a form that is not standard; if neither, one for IPv6 in a long spelling.
pub(super) fn cidr(field: &Field<'_>, found: &mut Found) {
    let text = field.text();
    let Some(range) = Range::parse(text) else { return };
    let Some(network) = net::network(range.address, range.bits) else { return };
    let preferred = format!("{network}/{}", range.bits);
    let has_host_bits = network != range.address;
    if has_host_bits {
        let single = format!("{}/{}", range.address, if range.address.is_ipv4() { 32 } else { 128 });
        found.at(field, format_args!("the range {text:?} is ambiguous here (is it {preferred:?} or {single:?}?)"));
    }
    if !range.standard {
        found.at(field, format_args!("the range {text:?} is not of a standard form: use {preferred:?}"));
    } else if !has_host_bits && range.address.is_ipv6() && preferred != text {
        found.at(field, format_args!("the IPv6 range {text:?} should be in canonical form ({preferred:?})"));
    }
}

struct Range {
    address: IpAddr,
    bits: u8,
    standard: bool,
}

impl Range {
    /// An address of IPv4 within IPv6 counts its bits as IPv6 does.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, standard) = address_somehow(address)?;
        let zeros = bits.len() > 1 && bits.starts_with('0');
        let bits = Some(bits).filter(|bits| bits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        Some(Self { address, bits, standard: standard && !zeros })
    }
}

/// The address that a text stands for, and whether it is written as one today: without leading zeros, and IPv4 as IPv4.
fn address_somehow(text: &str) -> Option<(IpAddr, bool)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        return Some((address, !mapped));
    }
    if !net::is_address_somehow(text) {
        return None;
    }
    let mut parts = text.split('.').map(|part| part.parse::<u8>().ok());
    let mut part = || parts.next().flatten();
    Some((Ipv4Addr::new(part()?, part()?, part()?, part()?).into(), false))
}

/// IPv4 within IPv6 is better written as IPv4.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

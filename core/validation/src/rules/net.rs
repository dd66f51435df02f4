//! Addresses and ranges, in the strict form that new objects need: no leading zeros, no host bits, IPv6 in its canonical
//! spelling.

use std::net::{IpAddr, Ipv6Addr};

use crate::field::{Causes, Field};

/// Parses an address as new objects spell it.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.parse().ok()?;
    match ip {
        IpAddr::V4(_) => Some(ip),
        IpAddr::V6(v6) => (v6.to_ipv4_mapped().is_none()).then_some(ip),
    }
}

/// True for an address in any spelling that anything takes for one: with leading zeros, or of IPv4 within IPv6.
pub fn is_address_somehow(text: &str) -> bool {
    parse_somehow(text).is_some()
}

fn parse_somehow(text: &str) -> Option<IpAddr> {
    let number = |part: &str| {
        let digits = (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<u32>().ok()?.try_into().ok()).flatten()
    };
    let numbers = || text.split('.').map(number).collect::<Option<Vec<u8>>>();
    text.parse().ok().or_else(|| Some(IpAddr::from(<[u8; 4]>::try_from(numbers()?).ok()?)))
}

/// [`Causes::invalid`] unless the text is an address. Spellings of IPv6 are free here, as in all older fields.
pub fn ip(field: &Field<'_>, causes: &mut Causes) -> Option<IpAddr> {
    let ip = parse_ip(field.text());
    if ip.is_none() {
        causes.invalid(field, "must be a valid IP address");
    }
    ip
}

/// [`Causes::invalid`] unless the text is a canonical range.
pub fn cidr(field: &Field<'_>, causes: &mut Causes) -> Option<(IpAddr, u8)> {
    let range = parse_cidr(field.text());
    if range.is_none() {
        causes.invalid(field, "must be a valid CIDR value without bits set below its prefix");
    }
    range
}

/// As [`cidr`], of a range that is a part of the field's text.
pub fn cidr_in(range: &str, field: &Field<'_>, causes: &mut Causes) {
    if parse_cidr(range).is_none() {
        causes.invalid(field, "must be a valid CIDR value without bits set below its prefix");
    }
}

/// Parses `ADDRESS/BITS` of an interface: host bits are what it is about.
pub fn parse_interface_address(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits) = (parse_ip(address)?, bits.parse::<u8>().ok()?);
    network(address, bits).map(|_| (address, bits))
}

/// Parses `ADDRESS/BITS` as the range that the address is in, spelled in any way: with leading zeros, or of IPv4 within IPv6. The latter is one of IPv4, with
/// the prefix as it is written, which is how the reference compares it.
pub fn parse_range_somehow(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    let bits = bits.parse::<u8>().ok().filter(|_| digits)?;
    let first = network(parse_somehow(address)?, bits)?;
    Some((first.to_canonical(), bits))
}

/// Whether a range, spelled in any way, is one of IPv4, also where it is written within IPv6. `None` if it is no range.
pub fn is_ipv4_range(text: &str) -> Option<bool> {
    let (address, bits) = text.split_once('/')?;
    let (ip, bits) = (parse_somehow(address)?, bits.parse::<u8>().ok()?);
    let is_ipv4 = match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    network(ip, bits).map(|_| is_ipv4)
}

/// [`cidr`], whose address is in the canonical spelling as well.
pub fn canonical_cidr(field: &Field<'_>, causes: &mut Causes) {
    if let Some((address, bits)) = cidr(field, causes)
        && field.text() != format!("{address}/{bits}")
    {
        causes.invalid(field, "must be in canonical form");
    }
}

/// Parses `ADDRESS/BITS` without host bits.
pub fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let canonical_bits = bits == "0" || !bits.starts_with('0');
    let (address, bits) = (parse_ip(address)?, bits.bytes().all(|b| b.is_ascii_digit()).then(|| bits.parse::<u8>())?);
    let bits = bits.ok().filter(|_| canonical_bits)?;
    (network(address, bits)? == address).then_some((address, bits))
}

/// The first address of a range; `None` if the prefix is too long.
pub fn network(address: IpAddr, bits: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => {
            let host = 32u32.checked_sub(bits.into())?;
            IpAddr::V4((u32::from(v4) & u32::MAX.checked_shl(host).unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            let host = 128u32.checked_sub(bits.into())?;
            IpAddr::V6((u128::from(v6) & u128::MAX.checked_shl(host).unwrap_or(0)).into())
        }
    })
}

/// True if `inner` lies within `outer` and is smaller.
pub fn strictly_contains(outer: (IpAddr, u8), inner: (IpAddr, u8)) -> bool {
    // A prefix of IPv4 within IPv6 counts the 96 bits before it.
    let shared = if outer.0.is_ipv4() && outer.1 > 32 { outer.1.saturating_sub(96) } else { outer.1 };
    inner.1 > outer.1 && inner.0.is_ipv4() == outer.0.is_ipv4() && network(inner.0, shared) == network(outer.0, shared)
}

/// An address, spelled in any way, that traffic may be sent to from outside: not unspecified, loopback or link-local.
pub fn non_special_ip(field: &Field<'_>, causes: &mut Causes) {
    let Some(ip) = parse_somehow(field.text()) else {
        return causes.invalid(field, "must be a valid IP address");
    };
    let link_local = |v6: Ipv6Addr| (v6.segments()[0] & 0xffc0) == 0xfe80;
    if ip.is_unspecified() {
        causes.invalid(field, "may not be unspecified (0.0.0.0 or ::)");
    }
    if ip.is_loopback() {
        causes.invalid(field, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (local, multicast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (link_local(v6), v6.segments()[0] == 0xff02),
    };
    if local {
        causes.invalid(field, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        causes.invalid(field, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/16)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_no_host_bits_and_no_leading_zeros() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "10.1.2.3/32"] {
            assert!(parse_cidr(good).is_some(), "{good}");
        }
        for bad in ["10.1.2.3/8", "10.0.0.0/33", "10.0.0.0/08", "010.0.0.0/8", "10.0.0.0", "10.0.0.0/+8", "x/8"] {
            assert!(parse_cidr(bad).is_none(), "{bad}");
        }
        let range = |text| parse_cidr(text).unwrap();
        assert!(strictly_contains(range("10.0.0.0/8"), range("10.1.0.0/16")));
        assert!(!strictly_contains(range("10.0.0.0/8"), range("10.0.0.0/8")));
    }
}

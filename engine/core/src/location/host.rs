//! One spelling of a host, so that two ways to write one machine are seen to be one.
//!
//! Copying a place onto itself and then deleting its originals would lose everything, so this errs on the side of *the same*. Names
//! that only DNS knows to be one machine stay two.

use core::net::{IpAddr, Ipv4Addr};

/// The host in one spelling: lower case, no dot at its end, an address in its usual form. Whatever reaches this machine itself is
/// `127.0.0.1`.
pub fn one_host(host: &str) -> String {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let address = match host.as_str() {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        _ => host.parse::<IpAddr>().ok().or_else(|| numeric(&host).map(IpAddr::V4)),
    };
    match address.map(|address| address.to_canonical()) {
        Some(address) if address.is_loopback() || address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Some(address) => address.to_string(),
        None => host,
    }
}

/// Addresses as `inet_aton` reads them, and with it every resolver: one to four numbers, decimal, octal (`0177`) or hexadecimal
/// (`0x7f`), of which the last fills all bytes that are left.
fn numeric(host: &str) -> Option<Ipv4Addr> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    };
    let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last().filter(|(_, first)| first.len() < 4)?;
    let mut address: u32 = 0;
    for (part, shift) in first.iter().zip([24_u32, 16, 8]) {
        address |= u32::from(u8::try_from(*part).ok()?) << shift;
    }
    let left = 32 - 8 * u32::try_from(first.len()).ok()?;
    (left == 32 || *last >> left == 0).then(|| Ipv4Addr::from_bits(address | last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_has_one_spelling() {
        let here = "localhost LOCALHOST. 127.0.0.1 127.0.0.1. 127.9.9.9 0.0.0.0 [::1] ::1 [::] [::ffff:127.0.0.1] 127.1 127.0.1 2130706433";
        for here in here.split(' ').chain(["0x7f.0.0.1", "0x7f000001", "0177.0.0.1", "0", "017700000001"]) {
            assert_eq!(one_host(here), "127.0.0.1", "{here}");
        }
        assert_eq!(one_host("10.1"), "10.0.0.1");
        assert_eq!(one_host("[2001:DB8:0:0::1]"), "2001:db8::1");
        assert_eq!(one_host("S3.Example."), "s3.example");
        for name in ["256.0.0.1", "1.2.3.4.5", "127.0.0.0x1g", "08", "s3.0x", "4294967296", "1.16777216", "", "a.1"] {
            assert_eq!(one_host(name), name, "{name}");
        }
    }
}

//! Endpoints as people write them, and what they reach.

use std::net::IpAddr;

use brigade_core::location::one_host;

/// An endpoint as the backends can use it: a scheme and a host.
///
/// # Errors
/// What to write instead.
pub(crate) fn parse_endpoint(text: &str) -> Result<(), &'static str> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let is_fit = |host: &str| !host.is_empty() && !host.starts_with(['/', ':']);
    let is_clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if !host.is_some_and(is_fit) || !is_clean {
        return Err("write http://HOST[:PORT] or https://HOST[:PORT]");
    }
    match authority(text) {
        Some((_, host, _)) if is_no_address(&host) => Err("a host that ends in a number is an address: write four decimal numbers"),
        _ => Ok(()),
    }
}

/// Whether an endpoint is a scheme, a host and perhaps a port, and nothing that could lead elsewhere: no user, path, query or fragment.
pub(crate) fn is_bare_endpoint(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| !rest.strip_suffix('/').unwrap_or(rest).contains(['/', '?', '#', '@', '\\', '%']))
}

/// A host in its one spelling that ends in a number is taken for an address by every resolver. One that is none may name no place.
fn is_no_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let is_hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (is_number || is_hexadecimal) && host.parse::<IpAddr>().is_err()
}

/// Scheme, host and port of a URL. Another spelling of the same machine is the same text.
pub(crate) fn authority(url: &str) -> Option<(String, String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?.to_ascii_lowercase();
    let default = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.to_owned(), port.parse().ok()?),
        _ => (authority, default),
    };
    Some((scheme.to_owned(), one_host(&host), port))
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    one_host(host).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_machine_has_one_spelling() {
        for here in ["LOCALHOST.", "127.0.0.1", "127.1", "0x7f.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"] {
            assert_eq!(authority(&format!("http://{here}:9000/x")).unwrap().1, "127.0.0.1", "{here}");
            assert!(parse_endpoint(&format!("http://{here}:9000")).is_ok(), "{here}");
        }
        assert_eq!(authority("https://[2001:DB8:0:0::1]").unwrap(), ("https".into(), "2001:db8::1".into(), 443));
        assert_eq!(authority("https://S3.Example.:443").unwrap(), ("https".into(), "s3.example".into(), 443));
        for odd in ["256.0.0.1", "1.2.3.4.5", "a.1", "a.0x1"] {
            assert!(parse_endpoint(&format!("http://{odd}:9000")).is_err(), "{odd}");
        }
        assert!(parse_endpoint("https://s3.0x.example").is_ok());
    }

    #[test]
    fn a_bare_endpoint_leads_nowhere_else() {
        for bare in ["http://h", "https://h:1/", "http://[::1]:9000"] {
            assert!(is_bare_endpoint(bare), "{bare}");
        }
        for other in ["http://h/b", "http://h//", "http://u@h", "http://h?x", "http://h/#x", "h", "http://h%2Fb"] {
            assert!(!is_bare_endpoint(other), "{other}");
        }
    }
}

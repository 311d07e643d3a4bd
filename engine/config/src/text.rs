//! Endpoints as people write them, and what they reach.

/// An endpoint as the backends can use it: a scheme and a host.
///
/// # Errors
/// What to write instead.
pub(crate) fn parse_endpoint(text: &str) -> Result<(), &'static str> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let is_fit = |host: &str| !host.is_empty() && !host.starts_with(['/', ':']);
    let is_clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if host.is_some_and(is_fit) && is_clean { Ok(()) } else { Err("write http://HOST[:PORT] or https://HOST[:PORT]") }
}

/// Scheme, host and port of a URL, in lower case. Another spelling of the same machine is the same text.
pub(crate) fn authority(url: &str) -> Option<(String, String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?.to_ascii_lowercase();
    let default = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.to_owned(), port.parse().ok()?),
        _ => (authority, default),
    };
    let host = host.trim_end_matches('.').to_owned();
    Some((scheme.to_owned(), if is_loopback(&host) { "127.0.0.1".to_owned() } else { host }, port))
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

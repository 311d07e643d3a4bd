//! AWS Signature Version 4 for the hot path ("Signature Calculations for the Authorization Header", Amazon S3 API reference).
//!
//! The arithmetic is the `aws-sigv4` crate's; written here is only the canonical request, because the crate derives the
//! signing key anew for every request. S3 signs the path as it is sent: nothing is normalised and nothing encoded twice.
//! The tests compare every signature with the one the crate itself makes.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::credentials::Snapshot;

/// Stands for the body's hash where the body is not hashed.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The hash of no bytes.
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Headers that proxies change or that the transport sets: they stay out of the signature.
const UNSIGNED_HEADERS: [&str; 7] =
    ["authorization", "user-agent", "accept-encoding", "content-length", "connection", "expect", "transfer-encoding"];

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The hexadecimal SHA-256 of a body in chunks.
pub(crate) fn sha256_hex<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for chunk in chunks {
        hasher.update(chunk);
    }
    let mut text = [0; 64];
    hex::encode_to_slice(hasher.finalize(), &mut text).expect("64 digits for 32 bytes");
    std::str::from_utf8(&text).expect("digits are text").to_owned()
}

/// What of a request is signed, beside its headers.
pub(crate) struct Subject<'a> {
    /// `GET`, `PUT`, ...
    pub(crate) method: &'a str,
    /// The percent-encoded path exactly as sent.
    pub(crate) path: &'a str,
    /// The query exactly as sent: names in order, both sides percent-encoded, `name=` where there is no value.
    pub(crate) query: &'a str,
    /// Hexadecimal hash of the body, or [`UNSIGNED_PAYLOAD`].
    pub(crate) payload: &'a str,
}

/// Signs requests for one region, and keeps the derived key while day and credentials stay.
#[derive(Debug)]
pub(crate) struct Signer {
    region: String,
    service: String,
    key: Mutex<Option<Arc<DerivedKey>>>,
}

struct DerivedKey {
    day: String,
    /// `DAY/REGION/SERVICE/aws4_request`.
    scope: String,
    generation: u64,
    key: Vec<u8>,
}

impl std::fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DerivedKey").field("day", &self.day).finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer for one region and service name (`s3`, `s3-object-lambda`, ...).
    pub(crate) fn new(region: impl Into<String>, service: impl Into<String>) -> Self {
        Self { region: region.into(), service: service.into(), key: Mutex::new(None) }
    }

    /// Adds date, token, payload hash and signature. `host` must be among the headers already.
    pub(crate) fn sign(&self, subject: &Subject<'_>, headers: &mut HeaderMap, credentials: &Snapshot, now: SystemTime) {
        let moment = timestamp(now);
        let moment = std::str::from_utf8(&moment).expect("digits and letters are text");
        headers.insert(X_AMZ_DATE, value(moment));
        headers.insert(X_AMZ_CONTENT_SHA256, payload_header(subject.payload));
        if let Some(token) = credentials.credentials.session_token() {
            let mut token = value(token);
            token.set_sensitive(true);
            headers.insert(X_AMZ_SECURITY_TOKEN, token);
        }
        let (canonical, names) = canonical_request(subject, headers);
        let key = self.key(credentials, &moment[..8], now);
        let digest = sha256_hex([canonical.as_slice()]);
        let text = ["AWS4-HMAC-SHA256", moment, &key.scope, &digest].join("\n");
        let signature = calculate_signature(&key.key, text.as_bytes());
        let id = credentials.credentials.access_key_id();
        let header = ["AWS4-HMAC-SHA256 Credential=", id, "/", &key.scope, ", SignedHeaders=", &names, ", Signature=", &signature].concat();
        let mut header = HeaderValue::try_from(header).unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        headers.insert(AUTHORIZATION, header);
    }

    fn key(&self, credentials: &Snapshot, day: &str, now: SystemTime) -> Arc<DerivedKey> {
        let mut cached = self.key.lock();
        if let Some(key) = cached.as_ref().filter(|key| key.day == day && key.generation == credentials.generation) {
            return key.clone();
        }
        let key = generate_signing_key(credentials.credentials.secret_access_key(), now, &self.region, &self.service);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let key = Arc::new(DerivedKey { day: day.to_owned(), scope, generation: credentials.generation, key: key.as_ref().to_vec() });
        *cached = Some(key.clone());
        key
    }
}

/// The canonical request, and the names of the headers in it.
fn canonical_request(subject: &Subject<'_>, headers: &HeaderMap) -> (Vec<u8>, String) {
    let mut signed: Vec<(&str, &HeaderValue)> =
        headers.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !UNSIGNED_HEADERS.contains(name)).collect();
    signed.sort_by_key(|(name, _)| *name);
    let mut text = Vec::with_capacity(1024);
    for line in [subject.method, subject.path, subject.query] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    let mut names = String::with_capacity(128);
    for (name, value) in &signed {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        push_collapsed(&mut text, value.as_bytes());
        text.push(b'\n');
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    text.push(b'\n');
    text.extend_from_slice(names.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(subject.payload.as_bytes());
    (text, names)
}

/// A header's value as it is signed: trimmed, runs of spaces collapsed to one.
fn push_collapsed(text: &mut Vec<u8>, value: &[u8]) {
    let value = value.trim_ascii();
    if !value.contains(&b' ') {
        text.extend_from_slice(value);
        return;
    }
    let mut space = false;
    for byte in value {
        let is_space = *byte == b' ';
        if !(is_space && space) {
            text.push(*byte);
        }
        space = is_space;
    }
}

/// `20150830T123600Z`.
fn timestamp(now: SystemTime) -> [u8; 16] {
    let moment = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let civil = jiff::tz::Offset::UTC.to_datetime(moment);
    let mut text = *b"00000000T000000Z";
    let mut write = |at: usize, digits: usize, mut number: u16| {
        for place in text[at..at + digits].iter_mut().rev() {
            *place = b'0' + u8::try_from(number % 10).expect("a digit");
            number /= 10;
        }
    };
    write(0, 4, civil.year().unsigned_abs());
    let pairs = [(4, civil.month()), (6, civil.day()), (9, civil.hour()), (11, civil.minute()), (13, civil.second())];
    for (at, number) in pairs {
        write(at, 2, u16::from(number.unsigned_abs()));
    }
    text
}

/// The hashes that nearly every request carries are constants.
fn payload_header(payload: &str) -> HeaderValue {
    match payload {
        UNSIGNED_PAYLOAD => HeaderValue::from_static(UNSIGNED_PAYLOAD),
        EMPTY_SHA256 => HeaderValue::from_static(EMPTY_SHA256),
        hash => value(hash),
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;
    use proptest::prelude::*;
    use std::time::Duration;

    fn snapshot(id: &str, secret: &str, token: Option<&str>) -> Snapshot {
        Snapshot { credentials: Credentials::new(id, secret, token.map(str::to_owned), None, "test"), generation: 1 }
    }

    fn authorization(headers: &HeaderMap) -> String {
        headers[AUTHORIZATION].to_str().expect("text").to_owned()
    }

    /// Friday, 24 May 2013, 00:00:00 UTC, of the documentation's examples.
    fn documented_moment() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600)
    }

    /// "Examples: Signature Calculations" of the Amazon S3 API reference.
    #[test]
    fn the_documented_examples_come_out() {
        let credentials = snapshot("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
        let signer = Signer::new("us-east-1", "s3");
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        headers.insert("range", HeaderValue::from_static("bytes=0-9"));
        let subject = Subject { method: "GET", path: "/test.txt", query: "", payload: EMPTY_SHA256 };
        signer.sign(&subject, &mut headers, &credentials, documented_moment());
        assert!(authorization(&headers).ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));

        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        headers.insert("date", HeaderValue::from_static("Fri, 24 May 2013 00:00:00 GMT"));
        headers.insert("x-amz-storage-class", HeaderValue::from_static("REDUCED_REDUNDANCY"));
        let payload = sha256_hex([b"Welcome to Amazon S3.".as_slice()]);
        let subject = Subject { method: "PUT", path: "/test%24file.text", query: "", payload: &payload };
        signer.sign(&subject, &mut headers, &credentials, documented_moment());
        assert!(authorization(&headers).ends_with("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));

        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        let subject = Subject { method: "GET", path: "/", query: "max-keys=2&prefix=J", payload: EMPTY_SHA256 };
        signer.sign(&subject, &mut headers, &credentials, documented_moment());
        assert!(authorization(&headers).ends_with("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
    }

    /// What the `aws-sigv4` crate makes of the same request.
    fn by_the_crate(subject: &Subject<'_>, headers: &[(String, String)], credentials: &Snapshot, now: SystemTime) -> String {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .expect("complete")
            .into();
        let query = if subject.query.is_empty() { String::new() } else { format!("?{}", subject.query) };
        let uri = format!("http://127.0.0.1:9000{}{query}", subject.path);
        let body = match subject.payload {
            UNSIGNED_PAYLOAD => SignableBody::UnsignedPayload,
            hash => SignableBody::Precomputed(hash.to_owned()),
        };
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(subject.method, uri, pairs, body).expect("valid");
        let (instructions, _) = sign(request, &params).expect("signed").into_parts();
        instructions.headers().find(|(name, _)| *name == "authorization").expect("signed").1.to_owned()
    }

    proptest! {
        #[test]
        fn any_key_signs_as_the_crate_signs_it(
            key in prop_oneof![
                proptest::collection::vec(any::<u8>(), 1..40),
                "(\\.\\.?/|//|[a-z +%&#?]|/){1,12}".prop_map(String::into_bytes),
            ],
            number in 1..100_u32,
            meta in "[ -~]{0,20}",
            token in proptest::option::of("[a-zA-Z0-9]{1,20}"),
            unsigned in any::<bool>(),
        ) {
            let path = format!("/bucket/{}", crate::endpoint::encode_path(&key));
            let query = format!("partNumber={number}&uploadId=a%2Fb");
            let payload = if unsigned { UNSIGNED_PAYLOAD } else { EMPTY_SHA256 };
            let subject = Subject { method: "PUT", path: &path, query: &query, payload };
            let credentials = snapshot("AKID", "secret", token.as_deref());
            let now = documented_moment() + Duration::from_secs(u64::from(number) * 86_000);
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1:9000"));
            headers.insert("x-amz-meta-a", HeaderValue::from_str(&meta).expect("printable"));
            Signer::new("eu-west-1", "s3").sign(&subject, &mut headers, &credentials, now);
            let given = [("x-amz-meta-a".to_owned(), meta)];
            prop_assert_eq!(authorization(&headers), by_the_crate(&subject, &given, &credentials, now));
        }
    }

    #[test]
    fn the_key_is_derived_once_a_day_and_anew_for_new_credentials() {
        let signer = Signer::new("us-east-1", "s3");
        let old = snapshot("id", "one", None);
        let new = Snapshot { generation: 2, ..snapshot("id", "two", None) };
        let now = documented_moment();
        let first = signer.key(&old, "20130524", now);
        assert!(Arc::ptr_eq(&first, &signer.key(&old, "20130524", now)));
        assert_ne!(first.key, signer.key(&new, "20130524", now).key);
        assert_ne!(first.key, signer.key(&old, "20130525", now + Duration::from_secs(86_400)).key);
    }
}

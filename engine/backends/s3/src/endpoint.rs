//! From bucket, region and endpoint to the URL that is asked, by the AWS SDK's own endpoint rules.

use std::net::IpAddr;

use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_smithy_types::Document;
use brigade_core::ErrorKind;
use brigade_core::location::one_host;
use brigade_store::{Result, StoreError};
use http::Uri;
use http::uri::{Authority, Scheme};

pub(crate) use brigade_http::uri::encode_path;

use crate::options::PathStyle;

/// Where the bucket is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `http` or `https`.
    pub(crate) scheme: Scheme,
    /// Host and port.
    pub(crate) authority: Authority,
    /// What comes before the key's slash: empty, or `/bucket`.
    pub(crate) base_path: String,
    /// The region that signatures name.
    pub(crate) signing_region: String,
    /// The service that signatures name.
    pub(crate) signing_name: String,
}

/// What decides where a bucket is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The bucket.
    pub(crate) bucket: String,
    /// A custom endpoint.
    pub(crate) endpoint_url: Option<String>,
    /// Where the bucket's name stands.
    pub(crate) path_style: PathStyle,
    /// Use FIPS endpoints (`AWS_USE_FIPS_ENDPOINT`).
    pub(crate) fips: bool,
    /// Use dual-stack endpoints (`AWS_USE_DUALSTACK_ENDPOINT`).
    pub(crate) dual_stack: bool,
}

impl Address {
    /// Whether the bucket's name stands in the path.
    pub(crate) fn force_path_style(&self) -> bool {
        match self.path_style {
            PathStyle::Auto => self.endpoint_url.is_some(),
            PathStyle::Always => true,
            PathStyle::Never => false,
        }
    }

    /// Applies the rules for one region.
    pub(crate) async fn resolve(&self, region: &str) -> Result<Endpoint> {
        let invalid = |reason: &dyn std::fmt::Display| {
            StoreError::new(ErrorKind::Invalid, format!("no endpoint for bucket {} in region {region}: {reason}", self.bucket))
        };
        let params = Params::builder()
            .bucket(&self.bucket)
            .region(region)
            .set_endpoint(self.endpoint_url.clone())
            .force_path_style(self.force_path_style())
            .use_fips(self.fips)
            .use_dual_stack(self.dual_stack)
            .accelerate(false)
            .build()
            .map_err(|error| invalid(&error))?;
        let resolver = DefaultResolver::new();
        let found = ResolveEndpoint::resolve_endpoint(&resolver, &params).await.map_err(|error| invalid(&error))?;
        let uri: Uri = found.url().parse().map_err(|error: http::uri::InvalidUri| invalid(&error))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(invalid(&"it is no absolute URL"));
        };
        let base_path = parts.path_and_query.map(|path| path.path().trim_end_matches('/').to_owned()).unwrap_or_default();
        let (signing_name, signing_region) = signing(&found, region).ok_or_else(|| invalid(&"its signature is not SigV4"))?;
        Ok(Endpoint { scheme, authority, base_path, signing_region, signing_name })
    }

    /// One spelling for all ways to name one endpoint; the region is no part of it.
    pub(crate) fn id(&self) -> String {
        let Some(uri) = self.endpoint_url.as_deref().and_then(|url| url.parse::<Uri>().ok()) else {
            return "s3 aws".into();
        };
        let host = uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        if host.ends_with(".amazonaws.com") {
            return "s3 aws".into();
        }
        if host.ends_with(".amazonaws.com.cn") {
            return "s3 aws-cn".into();
        }
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        format!("s3 {}:{port}{}", one_host(&host), uri.path().trim_end_matches('/'))
    }
}

impl Endpoint {
    /// The encoded path of a key, or of the bucket itself.
    pub(crate) fn path(&self, key: Option<&str>) -> String {
        match key {
            Some(key) => format!("{}/{}", self.base_path, encode_path(key.as_bytes())),
            None if self.base_path.is_empty() => "/".into(),
            None => self.base_path.clone(),
        }
    }

    /// The `Host` header, which the signature covers: the port only where it is not the scheme's own.
    pub(crate) fn host_header(&self) -> String {
        let default = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        match self.authority.port_u16() {
            Some(port) if port != default => format!("{}:{port}", self.authority.host()),
            _ => self.authority.host().to_owned(),
        }
    }

    /// Whether nobody on the way can read or change a body: TLS, or this machine itself.
    pub(crate) fn is_private(&self) -> bool {
        let host = self.authority.host().trim_matches(['[', ']']);
        self.scheme == Scheme::HTTPS || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Name and region of the signature, as the rules say; `None` where they want another scheme than SigV4.
fn signing(endpoint: &aws_smithy_types::endpoint::Endpoint, region: &str) -> Option<(String, String)> {
    let text = |value: Option<&Document>| value.and_then(Document::as_string).map(str::to_owned);
    let mut schemes: Vec<[Option<String>; 3]> = endpoint
        .auth_schemes()
        .iter()
        .map(|scheme| [Some(scheme.name().to_owned()), text(scheme.get("signingName")), text(scheme.get("signingRegion"))])
        .collect();
    if let Some(Document::Array(listed)) = endpoint.properties().get("authSchemes") {
        let objects = listed.iter().filter_map(Document::as_object);
        schemes.extend(objects.map(|object| ["name", "signingName", "signingRegion"].map(|name| text(object.get(name)))));
    }
    if schemes.is_empty() {
        return Some(("s3".into(), region.to_owned()));
    }
    let [_, name, region_named] = schemes.into_iter().find(|[name, ..]| name.as_deref() == Some("sigv4"))?;
    Some((name.unwrap_or_else(|| "s3".into()), region_named.unwrap_or_else(|| region.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(bucket: &str, endpoint_url: Option<&str>, path_style: PathStyle) -> Address {
        let endpoint_url = endpoint_url.map(str::to_owned);
        Address { bucket: bucket.into(), endpoint_url, path_style, fips: false, dual_stack: false }
    }

    async fn resolved(bucket: &str, endpoint_url: Option<&str>, path_style: PathStyle, region: &str) -> (String, String) {
        let endpoint = address(bucket, endpoint_url, path_style).resolve(region).await.expect("resolves");
        (format!("{}://{}{}", endpoint.scheme, endpoint.host_header(), endpoint.path(Some("a//b"))), endpoint.signing_region)
    }

    #[tokio::test]
    async fn buckets_are_found_where_aws_keeps_them() {
        let (url, region) = resolved("bucket", None, PathStyle::Auto, "eu-west-1").await;
        assert_eq!((url.as_str(), region.as_str()), ("https://bucket.s3.eu-west-1.amazonaws.com/a//b", "eu-west-1"));
        let (url, _) = resolved("a.b", None, PathStyle::Auto, "cn-north-1").await;
        assert_eq!(url, "https://s3.cn-north-1.amazonaws.com.cn/a.b/a//b");
        let (url, _) = resolved("bucket", None, PathStyle::Always, "us-east-1").await;
        assert_eq!(url, "https://s3.us-east-1.amazonaws.com/bucket/a//b");
    }

    #[tokio::test]
    async fn a_custom_endpoint_means_path_style_unless_told_otherwise() {
        let (url, region) = resolved("bucket", Some("http://127.0.0.1:9000"), PathStyle::Auto, "garage").await;
        assert_eq!((url.as_str(), region.as_str()), ("http://127.0.0.1:9000/bucket/a//b", "garage"));
        let (url, _) = resolved("bucket", Some("https://s3.example.org:443/"), PathStyle::Never, "x").await;
        assert_eq!(url, "https://bucket.s3.example.org/a//b");
        assert!(address("bucket", Some("nonsense"), PathStyle::Auto).resolve("x").await.is_err());
    }

    #[tokio::test]
    async fn bodies_are_private_over_tls_and_on_loopback_only() {
        for (url, private) in
            [("https://s3.example.org", true), ("http://127.0.0.1:9", true), ("http://localhost:9", true), ("http://10.0.0.1:9", false)]
        {
            let endpoint = address("b", Some(url), PathStyle::Auto).resolve("r").await.expect("resolves");
            assert_eq!(endpoint.is_private(), private, "{url}");
        }
    }

    #[test]
    fn an_endpoint_has_one_name() {
        let id = |url: Option<&str>| address("b", url, PathStyle::Auto).id();
        assert_eq!(id(None), "s3 aws");
        assert_eq!(id(Some("https://s3.eu-west-1.amazonaws.com")), "s3 aws");
        assert_eq!(id(Some("http://LocalHost:9000/")), id(Some("http://127.0.0.1:9000")));
        assert_eq!(id(Some("http://0.0.0.0:9000")), id(Some("http://127.1:9000")));
        assert_eq!(id(Some("https://minio.example.org")), "s3 minio.example.org:443");
        assert_ne!(id(Some("http://127.0.0.1:9000")), id(Some("http://127.0.0.1:9001")));
    }
}

//! What a caller says about an S3 location: plain values, not yet resolved against environment, profile or network.

use secrecy::SecretString;

/// Where a bucket is and how it is talked to.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The bucket (or an access point's ARN).
    pub bucket: String,
    /// The key prefix of the location, empty or ending in `/`; keys at the seam are relative to it.
    pub prefix: String,
    /// A custom endpoint; else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` and the profile; else AWS itself.
    pub endpoint_url: Option<String>,
    /// The region; else environment and profile; else `us-east-1`, and the endpoint corrects it.
    pub region: Option<String>,
    /// A profile of the shared AWS configuration; else `AWS_PROFILE`.
    pub profile: Option<String>,
    /// `NAME`: credentials are read from `NAME_AWS_ACCESS_KEY_ID`, `NAME_AWS_SECRET_ACCESS_KEY` and `NAME_AWS_SESSION_TOKEN`.
    pub credentials_env: Option<String>,
    /// Exactly these credentials, before any other source: for servers that this process itself started.
    pub credentials: Option<StaticCredentials>,
    /// Requests are not signed.
    pub anonymous: bool,
    /// Where the bucket's name stands in the URL.
    pub path_style: PathStyle,
    /// Whether bodies are hashed for the signature.
    pub payload_signing: PayloadSigning,
    /// Who does the hot operations.
    pub engine: Engine,
}

impl S3Options {
    /// A bucket and prefix, everything else by default.
    pub fn new(bucket: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: prefix.into(),
            endpoint_url: None,
            region: None,
            profile: None,
            credentials_env: None,
            credentials: None,
            anonymous: false,
            path_style: PathStyle::Auto,
            payload_signing: PayloadSigning::Auto,
            engine: Engine::Lean,
        }
    }
}

/// Credentials as values. Their `Debug` hides the secrets.
#[derive(Clone, Debug)]
pub struct StaticCredentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// The token of temporary credentials.
    pub session_token: Option<SecretString>,
}

/// `https://endpoint/bucket/key` or `https://bucket.endpoint/key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStyle {
    /// Path style for a custom endpoint, virtual hosts at AWS.
    #[default]
    Auto,
    /// Always in the path.
    Always,
    /// Always in the host name.
    Never,
}

/// `--payload-signing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadSigning {
    /// Unsigned over TLS and on loopback, where the signed checksum header binds the body; signed on plain HTTP elsewhere.
    #[default]
    Auto,
    /// Every body is hashed and signed.
    Always,
    /// No body is.
    Never,
}

/// `--s3-engine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Our own requests on our own transport.
    #[default]
    Lean,
    /// The AWS SDK for everything, on the same transport.
    Sdk,
}

//! How locations are reached: endpoints, credentials and the pace of requests.

use std::time::Duration;

use brigade_core::limiter::AtOnce;
use brigade_core::units::{Timetable, parse_duration};
use clap::{Args, ValueEnum};

/// How two locations are reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Endpoints and credentials")]
pub struct SideArgs {
    /// The source's endpoint
    #[arg(long, value_name = "URL", value_parser = parse_endpoint)]
    pub source_endpoint_url: Option<String>,
    /// The source's region
    #[arg(long, value_name = "REGION")]
    pub source_region: Option<String>,
    /// The source's profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    pub source_profile: Option<String>,
    /// Read the source without credentials
    #[arg(long)]
    pub source_anonymous: bool,
    /// The target's endpoint
    #[arg(long, value_name = "URL", value_parser = parse_endpoint)]
    pub target_endpoint_url: Option<String>,
    /// The target's region
    #[arg(long, value_name = "REGION")]
    pub target_region: Option<String>,
    /// The target's profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    pub target_profile: Option<String>,
    /// Write the target without credentials
    #[arg(long)]
    pub target_anonymous: bool,
    /// How S3 and GCS requests are made.
    #[command(flatten)]
    pub requests: RequestArgs,
}

/// How one location is reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Endpoint and credentials")]
pub struct OneSideArgs {
    /// The endpoint
    #[arg(long, value_name = "URL", value_parser = parse_endpoint)]
    pub endpoint_url: Option<String>,
    /// The region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Use no credentials
    #[arg(long)]
    pub anonymous: bool,
    /// How requests are made.
    #[command(flatten)]
    pub requests: RequestArgs,
}

/// How requests are made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Requests")]
pub struct RequestArgs {
    /// Requests at once at each endpoint: a number, or auto, which finds out what it takes (32 at first, at most 256)
    #[arg(long, value_name = "N", default_value = "auto", value_parser = parse_concurrency)]
    pub concurrency: AtOnce,
    /// Body bytes in a second at each endpoint (100M), or a timetable ("08:00,512k 18:00,off", "Mon-08:00,1M Sat-00:00,off")
    #[arg(long, value_name = "RATE", value_parser = Timetable::parse)]
    pub bandwidth: Option<Timetable>,
    /// Requests in a second at each endpoint
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub requests_per_second: Option<f64>,
    /// No byte for so long ends an attempt
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub stall_timeout: Duration,
    /// Attempts of one request
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub attempts: u32,
    /// Whether S3 bodies are hashed for the signature; auto does so on plain HTTP that leaves this machine
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub payload_signing: PayloadSigningArg,
    /// Who makes the hot S3 requests: our own transport or the AWS SDK
    #[arg(long, value_name = "ENGINE", default_value = "lean")]
    pub s3_engine: S3Engine,
}

impl Default for RequestArgs {
    fn default() -> Self {
        Self {
            concurrency: AtOnce::Auto,
            bandwidth: None,
            requests_per_second: None,
            stall_timeout: Duration::from_secs(30),
            attempts: 10,
            payload_signing: PayloadSigningArg::Auto,
            s3_engine: S3Engine::Lean,
        }
    }
}

/// `--payload-signing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PayloadSigningArg {
    /// As safe as needed.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `--s3-engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum S3Engine {
    /// Our own.
    Lean,
    /// The AWS SDK.
    Sdk,
}

/// An endpoint as the backends can use it: a scheme and a host.
pub fn parse_endpoint(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host)
            if !host.is_empty() && !host.starts_with(['/', ':']) && !text.contains(|c: char| c.is_whitespace() || c.is_control()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("write http://HOST[:PORT] or https://HOST[:PORT]".into()),
    }
}

fn parse_concurrency(text: &str) -> Result<AtOnce, String> {
    match text {
        "auto" => Ok(AtOnce::Auto),
        number => match number.parse() {
            Ok(count @ 1..=10_000) => Ok(AtOnce::Fixed(count)),
            _ => Err("write `auto` or a number from 1 to 10000".into()),
        },
    }
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("write a number above 0".into()),
    }
}

//! The command line: ports, shaping, and a small language for buckets.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;

use crate::keys::{Layout, Recipe};
use crate::service::Dialect;

/// A very cheap synthetic S3 and GCS server. It listens on loopback only, verifies no signature, and keeps no bytes.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench-server", version)]
pub struct Options {
    /// Ports as DIALECT=PORT, comma-separated; 0 picks one. DIALECT is s3, gcs, s3+tls or gcs+tls. A line `DIALECT URL` is printed for each.
    #[arg(long, value_delimiter = ',', default_value = "s3=0,gcs=0")]
    pub ports: Vec<PortSpec>,
    /// A bucket: NAME, NAME=LAYOUT with any of `,objects=N`, `,size=SIZE..SIZE`, `,prefix=P`, `,bundles=N`, `,bundle=SIZE`, `,seed=N`, or
    /// NAME=copy-of:OTHER[,changed=PERCENT%]. LAYOUT is flat, hashed, deep or mix.
    #[arg(long = "bucket", value_name = "SPEC", required = true)]
    pub buckets: Vec<BucketSpec>,
    /// From the end of a request to the first byte of its answer, as 50ms or 1s.
    #[arg(long, default_value = "0ms", value_parser = duration)]
    pub latency: Duration,
    /// Bytes a second of bodies, all connections and both directions together.
    #[arg(long, value_parser = size)]
    pub bandwidth: Option<u64>,
    /// Writes a second that are accepted; others get 503 (S3) or 429 (GCS).
    #[arg(long)]
    pub throttle_writes: Option<u64>,
    /// Reads and listings a second that are accepted.
    #[arg(long)]
    pub throttle_reads: Option<u64>,
    /// Uploads of unknown content up to this size get a real MD5; larger ones an ETag that is none.
    #[arg(long, default_value = "64KiB", value_parser = size)]
    pub md5_up_to: u64,
    /// Where the certificate of the TLS ports is written, for clients to trust; it is made anew at each start.
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Threads that serve connections.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

/// Whether a port speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Plain HTTP.
    Plain,
    /// HTTPS.
    Tls,
}

/// A port and its language.
#[derive(Clone, Copy, Debug)]
pub struct PortSpec {
    /// What is spoken there.
    pub dialect: Dialect,
    /// Whether within TLS.
    pub security: Security,
    /// 0 for any.
    pub port: u16,
}

impl FromStr for PortSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (dialect, port) = text.split_once('=').ok_or_else(|| format!("`{text}` is not DIALECT=PORT"))?;
        let (dialect, security) = match dialect {
            "s3" => (Dialect::S3, Security::Plain),
            "gcs" => (Dialect::Gcs, Security::Plain),
            "s3+tls" => (Dialect::S3, Security::Tls),
            "gcs+tls" => (Dialect::Gcs, Security::Tls),
            other => return Err(format!("`{other}` is none of s3, gcs, s3+tls, gcs+tls")),
        };
        Ok(Self { dialect, security, port: port.parse().map_err(|_| format!("`{port}` is no port"))? })
    }
}

/// A bucket to make.
#[derive(Clone, Debug)]
pub struct BucketSpec {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub filling: Filling,
}

/// What a bucket holds at first.
#[derive(Clone, Debug)]
pub enum Filling {
    /// Nothing.
    Empty,
    /// Generated objects.
    Generated(Recipe),
    /// What another bucket holds, except for some.
    CopyOf {
        /// The other bucket.
        original: String,
        /// How many of a million objects are outdated.
        stale_per_million: u64,
    },
}

impl FromStr for BucketSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, rest)) = text.split_once('=') else {
            return Ok(Self { name: text.to_owned(), filling: Filling::Empty });
        };
        let (kind, rest) = rest.split_once(',').unwrap_or((rest, ""));
        let settings = rest.split(',').filter(|setting| !setting.is_empty());
        let filling = match kind.strip_prefix("copy-of:") {
            Some(original) => copy(original, settings)?,
            None => generated(kind, settings)?,
        };
        Ok(Self { name: name.to_owned(), filling })
    }
}

fn setting(text: &str) -> Result<(&str, &str), String> {
    text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is no number"))
}

fn copy<'a>(original: &str, settings: impl Iterator<Item = &'a str>) -> Result<Filling, String> {
    let mut stale_per_million = 0;
    for text in settings {
        match setting(text)? {
            ("changed", percent) => stale_per_million = per_million(percent)?,
            (other, _) => return Err(format!("a copy has no setting `{other}`")),
        }
    }
    Ok(Filling::CopyOf { original: original.to_owned(), stale_per_million })
}

/// `1%` or `0.1%`, to four places.
fn per_million(percent: &str) -> Result<u64, String> {
    let wrong = || format!("`{percent}` is no percentage");
    let (whole, fraction) = percent.strip_suffix('%').map(|text| text.split_once('.').unwrap_or((text, ""))).ok_or_else(wrong)?;
    if fraction.len() > 4 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let fraction: u64 = format!("{fraction:0<4}").parse().map_err(|_| wrong())?;
    Ok(whole * 10_000 + fraction)
}

fn generated<'a>(kind: &str, settings: impl Iterator<Item = &'a str>) -> Result<Filling, String> {
    let layout = match kind {
        "flat" => Layout::Flat,
        "hashed" => Layout::Hashed,
        "deep" => Layout::Deep,
        "mix" => Layout::Registry,
        other => return Err(format!("there is no layout `{other}`")),
    };
    let mut recipe =
        Recipe { layout, objects: 1_000, prefix: String::new(), size: (4_096, 4_096), bundles: 2, bundle_bytes: 1 << 30, seed: 1 };
    for text in settings {
        match setting(text)? {
            ("objects", value) => recipe.objects = number(value)?,
            ("prefix", value) => value.clone_into(&mut recipe.prefix),
            ("bundles", value) => recipe.bundles = number(value)?,
            ("bundle", value) => recipe.bundle_bytes = size(value)?,
            ("seed", value) => recipe.seed = number(value)?,
            ("size", value) => {
                let (small, large) = value.split_once("..").unwrap_or((value, value));
                recipe.size = (size(small)?, size(large)?);
            }
            (other, _) => return Err(format!("a bucket has no setting `{other}`")),
        }
    }
    if recipe.size.0 > recipe.size.1 || recipe.objects > 1_000_000_000 {
        return Err("the sizes descend, or there are more than a billion objects".to_owned());
    }
    Ok(Filling::Generated(recipe))
}

/// `4KiB`, `1GiB`, `512`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1 << 40,
        other => return Err(format!("there is no unit `{other}`")),
    };
    number::<u64>(digits)?.checked_mul(unit).ok_or_else(|| format!("`{text}` is too much"))
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Some(millis) = text.strip_suffix("ms") {
        return number(millis).map(Duration::from_millis);
    }
    text.strip_suffix('s').map_or_else(|| Err(format!("`{text}` is neither ms nor s")), number).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_described_in_words() {
        let spec: BucketSpec = "source=flat,objects=10_000,size=4KiB..1MiB,prefix=obj/".parse().expect("a bucket");
        let Filling::Generated(recipe) = spec.filling else { panic!("generated") };
        assert_eq!((spec.name.as_str(), recipe.objects, recipe.size, recipe.prefix.as_str()), ("source", 10_000, (4_096, 1 << 20), "obj/"));
        let spec: BucketSpec = "target=copy-of:source,changed=0.5%".parse().expect("a bucket");
        assert!(matches!(spec.filling, Filling::CopyOf { stale_per_million: 5_000, .. }));
        assert!(matches!("t".parse::<BucketSpec>().expect("a bucket").filling, Filling::Empty));
        for bad in ["a=round", "a=flat,size=1XB", "a=flat,size=2..1", "a=copy-of:b,changed=1", "a=flat,objects=x", "a=flat,colour=red"] {
            assert!(bad.parse::<BucketSpec>().is_err(), "{bad}");
        }
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert!(duration("50").is_err());
        let port: PortSpec = "s3+tls=9000".parse().expect("a port");
        assert_eq!((port.dialect, port.security, port.port), (Dialect::S3, Security::Tls, 9_000));
    }
}

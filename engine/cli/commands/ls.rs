//! `ls`: a location in key order, page by page, so that it begins at once and needs no memory.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

use brigade_core::digest::crc32c_to_base64;
use brigade_core::event::{Side, Silent};
use brigade_core::{Entry, KeyRange};
use jiff::Timestamp;
use serde_json::json;

use crate::args::{Global, LsArgs};
use crate::config::Config;
use crate::error::CliError;
use crate::open::{Opener, Reach};
use crate::{commands, entries, job};

/// Lists the location.
pub async fn run(args: &LsArgs, global: &Global) -> Result<ExitCode, CliError> {
    let filter = job::filter(&args.filter, Timestamp::now())?;
    let location = commands::location(&args.location)?;
    let mut opener = Opener::new(Config::load(global.config.as_deref())?, args.side.requests.clone(), Arc::new(Silent))?;
    let opened = opener.open(&location, &Reach::one(&args.side), Side::Source).await?;
    let opened = entries::of_filter(&filter, opened, Side::Source).await;
    let mut pages = opened.reading.list(&KeyRange::all());
    let mut output = BufWriter::new(io::stdout());
    while let Some(page) = pages.next().await.map_err(|error| CliError::store(format!("cannot list {}", opened.shown), &error))? {
        for entry in page.iter().filter(|entry| filter.includes(entry.key.as_bytes(), entry.size, entry.modified)) {
            let line = if global.json { json_line(entry) } else { text_line(entry) };
            match writeln!(output, "{line}") {
                Ok(()) => {}
                // Whoever reads has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                Err(error) => return Err(CliError::new("cannot print the listing", error)),
            }
        }
    }
    output.flush().map_err(|error| CliError::new("cannot print the listing", error))?;
    Ok(ExitCode::SUCCESS)
}

fn json_line(entry: &Entry) -> String {
    let mut line = json!({"key": entry.key, "size": entry.size});
    if let Some(modified) = entry.modified {
        line["modified"] = json!(modified.to_string());
    }
    if let Some(etag) = entry.identity.as_etag() {
        line["etag"] = json!(etag);
    }
    if let Some(generation) = entry.identity.as_generation() {
        line["generation"] = json!(generation.to_string());
    }
    if let Some(crc32c) = entry.digests.crc32c {
        line["crc32c"] = json!(crc32c_to_base64(crc32c));
    }
    if let Some(class) = &entry.storage_class {
        line["storage_class"] = json!(class);
    }
    line.to_string()
}

fn text_line(entry: &Entry) -> String {
    let modified = entry.modified.map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default();
    format!("{:>14}  {modified:19}  {}", entry.size, entry.key)
}

//! Measures how an inventory is read: with `DIRECTORY ROWS FILES` it writes one, of a bucket that is not there, into the
//! directory; with `DIRECTORY` alone it reads that, and prints how long it took and the peak of memory.
#![allow(clippy::print_stdout, reason = "a tool for measuring")]

#[path = "../../../tests/support/inventory.rs"]
mod inventory;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use brigade_core::{Entry, Identity, Key, KeyRange};
use brigade_inventory::Entries;
use brigade_inventory::s3::{Files, Wanted};
use brigade_local::LocalStore;

/// A prime that is larger than the numbers of rows that are measured: steps of it meet every row once.
const STEP: u64 = 2_147_483_647;

fn row(number: u64) -> inventory::Row {
    let key = format!("blobs/sha256/{:02x}/{number:040x}", number % 251);
    let mut entry = Entry::new(Key::from(key.as_str()), number, Identity::etag(&format!("{number:032x}")));
    entry.modified = i64::try_from(number).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    entry.storage_class = Some("STANDARD".into());
    inventory::Row::current("", &entry)
}

fn write(directory: &Path, rows: u64, files: u64) -> Result<(), Box<dyn Error>> {
    let each = rows.div_ceil(files);
    let file = |file: u64| {
        let numbers = (file * each)..rows.min((file + 1) * each);
        let rows: Vec<_> = numbers.map(|number| row(number * STEP % rows)).collect();
        (format!("data/{file}.csv.gz"), inventory::csv("data", &rows))
    };
    std::fs::create_dir_all(directory.join("data"))?;
    let files: Vec<_> = (0..files).map(file).collect();
    for (key, bytes) in &files {
        std::fs::write(directory.join(key), bytes)?;
    }
    let text = inventory::manifest("data", ("CSV", inventory::SCHEMA), 0, &files);
    std::fs::write(directory.join("manifest.json"), text)?;
    Ok(())
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned()
}

async fn read(directory: &Path) -> Result<(), Box<dyn Error>> {
    let files = Files {
        store: Arc::new(LocalStore::new(directory)?),
        manifest: Key::from("manifest.json"),
        segments_left_out: 0,
        directory: directory.to_owned(),
    };
    let begun = Instant::now();
    let document = files.document("data").await?;
    let read = files.read(&document, &Wanted { bucket: "data".into(), prefix: Vec::new() }).await?;
    let sorted = begun.elapsed();
    let mut pages = read.entries.list(&KeyRange::all());
    let mut listed = 0;
    while let Some(page) = pages.next().await? {
        listed += page.len();
    }
    let rows = read.entries.rows();
    println!("{rows} rows: read and sorted in {sorted:.2?}, {listed} listed in {:.2?}; {}", begun.elapsed() - sorted, peak());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [directory, rows, files] => write(Path::new(directory), rows.parse()?, files.parse()?),
        [directory] => read(Path::new(directory)).await,
        _ => Err("DIRECTORY [ROWS FILES]".into()),
    }
}

//! One piece of pure work, done once, for `scripts/budgets.sh` to count its instructions.
//!
//! Only what runs inside [`measured`] is counted; making the input is not. The names are those of `bench/budgets.toml`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for a script, which reads its output")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use brigade_bench_work::{PAGE_KEYS, RULES, diff_rules, filtered_keys, join, listings, s3_page};
use brigade_core::filter::{Case, Filter};
use brigade_core::limiter::{AtOnce, Class, Controller, End, Settings};

/// Keys that are joined, and keys that are put to the filter.
const KEYS: u64 = 10_000;

/// Requests that are admitted and ended.
const REQUESTS: u64 = 10_000;

/// Work with its input ready; what it returns keeps the compiler from leaving it out.
type Work = Box<dyn FnOnce() -> usize>;

struct Piece {
    name: &'static str,
    /// How many keys, parts or requests the work has.
    units: u64,
    prepare: fn() -> Work,
}

const PIECES: [Piece; 5] = [
    Piece { name: "join", units: KEYS, prepare: joined },
    Piece { name: "filter", units: KEYS, prepare: filtered },
    Piece { name: "list-page-plain", units: PAGE_KEYS, prepare: plain_page },
    Piece { name: "list-page-any", units: PAGE_KEYS, prepare: any_page },
    Piece { name: "limiter", units: REQUESTS, prepare: admitted },
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == "--list" {
        PIECES.iter().for_each(|piece| println!("{} {}", piece.name, piece.units));
        return ExitCode::SUCCESS;
    }
    let Some(piece) = PIECES.iter().find(|piece| piece.name == wanted) else {
        eprintln!("no such work: `{wanted}`; `--list` names them");
        return ExitCode::from(2);
    };
    let result = measured((piece.prepare)());
    println!("{result}");
    ExitCode::SUCCESS
}

/// What callgrind counts: this function and everything below it. The name is asked for by the script.
#[inline(never)]
fn measured(work: Work) -> usize {
    black_box(work())
}

fn joined() -> Work {
    let ((source, target), rules) = (listings(KEYS), diff_rules());
    Box::new(move || join(source, target, &rules))
}

fn filtered() -> Work {
    let filter = Filter::from_rules("rules", RULES.as_bytes(), Case::Exact).expect("the rules are right");
    let keys = filtered_keys(KEYS);
    Box::new(move || keys.iter().filter(|key| filter.includes(black_box(key.as_bytes()), 1, None)).count())
}

fn plain_page() -> Work {
    let page = s3_page();
    Box::new(move || brigade_s3_xml::parse_list_page(page.as_bytes()).expect("a page").objects.len())
}

/// A comment is nothing that S3 writes, so the general reader has to do it all.
fn any_page() -> Work {
    let page = s3_page().replace("</ListBucketResult>", "<!-- any --></ListBucketResult>");
    Box::new(move || brigade_s3_xml::parse_list_page(page.as_bytes()).expect("a page").objects.len())
}

/// One request after the other, 20 ms each, a hundred under way.
fn admitted() -> Work {
    let mut controller = Controller::new(Settings { at_once: AtOnce::Fixed(128), ..Settings::default() });
    Box::new(move || {
        let mut changes = 0;
        for number in 0..REQUESTS {
            let started = Duration::from_micros(number * 200);
            black_box(controller.admit(Class::Read, 4096, started));
            if let Some(before) = number.checked_sub(100) {
                let begun = Duration::from_micros(before * 200);
                changes += usize::from(controller.ended(Class::Read, End::Good(4096), begun, started).is_some());
            }
        }
        changes
    })
}

//! What the engine does for every key and every part, without a network: the part of a run's cost that is ours alone.
//!
//! Each group states its throughput in the unit that grows with a job (keys, parts, bytes of a page), so that a figure can be
//! multiplied by the size of a bucket. Nothing here may touch a disk, a socket or the clock of the engine.

mod limit;
mod listing;
mod plan;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    plan::diff(&mut criterion);
    plan::filter(&mut criterion);
    plan::parts(&mut criterion);
    plan::digests(&mut criterion);
    listing::pages(&mut criterion);
    limit::permits(&mut criterion);
    criterion.final_summary();
}

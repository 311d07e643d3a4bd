//! From a seed to a scenario.

use std::collections::BTreeMap;

use brigade_core::compare::CompareMode;
use brigade_core::event::Side;
use brigade_core::job::{MetadataPolicy, Verify};
use brigade_lab::fault::{Action, Occurrence, Op, Rule};

use crate::dice::Dice;
use crate::scenario::{Directory, End, Fault, FaultKind, Form, Mutation, Pair, Placed, Scenario, Turn, Wanted};

/// Names that have hurt somebody.
pub const ODD_KEYS: [&str; 22] = [
    "a",
    "a/",
    "a//b",
    "/a",
    "a b",
    "a+b",
    "%41",
    "A",
    "e\u{301}",
    "\u{e9}",
    ".",
    "..",
    "a/../b",
    "x\ny",
    "\u{ffff}",
    "tmp/x.tmp",
    "a\u{1}b",
    "\u{1f600}",
    "a/b",
    "a/b/c",
    "z&<>\"'",
    "\u{7f}",
];

/// Sizes around every border: a part is 1,024 bytes.
const SIZES: [u64; 14] = [0, 1, 2, 100, 700, 1_023, 1_024, 1_025, 2_047, 2_048, 2_049, 5_000, 9_001, 17_409];

/// Keys that a scenario knows, whether they are there at first or not.
struct Universe {
    keys: Vec<Vec<u8>>,
    /// The last size of each key: a new version often has the same, as nothing but its bytes then tells the two apart.
    sizes: BTreeMap<Vec<u8>, u64>,
    version: u64,
    verify: Verify,
    /// Whether bits may flip on the wire: then every object has a digest, or nobody could notice.
    flips: bool,
}

impl Universe {
    fn placed(&mut self, dice: &mut Dice) -> Placed {
        let key = dice.pick(&self.keys).clone();
        self.of(key, dice)
    }

    fn of(&mut self, key: Vec<u8>, dice: &mut Dice) -> Placed {
        self.version += 1;
        let forms: &[Form] = if self.flips {
            &[Form::Whole, Form::Checksum, Form::Checksum64, Form::PartsChecksum, Form::PartsChecksum64]
        } else {
            &[Form::Whole, Form::Checksum, Form::Checksum64, Form::Parts, Form::PartsChecksum, Form::PartsChecksum64]
        };
        let before = self.sizes.get(&key).copied().filter(|_| dice.percent(60));
        let size = before.unwrap_or_else(|| *dice.pick(&SIZES));
        self.sizes.insert(key.clone(), size);
        Placed { key, version: self.version, size, form: *dice.pick(forms) }
    }
}

/// The scenario of a seed.
pub fn scenario(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed);
    let flips = dice.percent(35);
    let source_prefix = *dice.pick(&["", "data/", "deep/er/"]);
    let target_prefix = *dice.pick(&["", "", "copy/"]);
    let verify = *dice.pick(&[Verify::Stored, Verify::Stored, Verify::Stored, Verify::Content]);
    let version = seed.wrapping_mul(1_000_003) % 1_000_000_007;
    let mut universe = Universe { keys: keys(&mut dice, source_prefix), sizes: BTreeMap::new(), version, verify, flips };
    let there = dice.within(0, u64::try_from(universe.keys.len()).expect("few"));
    let mut source = Vec::new();
    let mut target = Vec::new();
    for key in universe.keys.clone() {
        if dice.below(u64::try_from(universe.keys.len()).expect("few")) < there {
            source.push(universe.of(key.clone(), &mut dice));
        }
        if dice.percent(20) {
            // Now and then the target holds the very same already, or something of the same size.
            let mut placed = universe.of(key.clone(), &mut dice);
            if let Some(original) = source.last().filter(|original| original.key == key) {
                match dice.below(3) {
                    0 => placed = original.clone(),
                    1 => placed.size = original.size,
                    _ => {}
                }
            }
            if placed.key.len() + target_prefix.len() <= 1_024 {
                target.push(placed);
            }
        }
    }
    let wanted = *dice.pick(&[Wanted::Copy, Wanted::SyncDelete, Wanted::SyncDelete, Wanted::Migrate, Wanted::Migrate]);
    let turns = (0..dice.within(1, 6)).map(|_| turn(wanted, &mut universe, &mut dice)).collect();
    let mut scenario = Scenario {
        seed,
        pair: *dice.pick(&[Pair::S3ToS3, Pair::S3ToGcs, Pair::GcsToS3]),
        source_prefix,
        target_prefix,
        verify,
        compare: *dice.pick(&[CompareMode::Auto, CompareMode::Auto, CompareMode::Auto, CompareMode::Checksum]),
        metadata: *dice.pick(&[MetadataPolicy::All, MetadataPolicy::All, MetadataPolicy::All, MetadataPolicy::None]),
        preserve_etag: false,
        part_bytes: *dice.pick(&[1_024, 1_024, 1_500, 4_096]),
        memory_bytes: *dice.pick(&[32 << 10, 64 << 10, 256 << 10]),
        concurrency: *dice.pick(&[1, 2, 4, 16]),
        attempts_max: *dice.pick(&[2, 4, 10]),
        page_items_max: *dice.pick(&[1, 3, 7, 1_000]),
        skew_seconds: *dice.pick(&[0, 0, 5, -5, 90_000, -90_000]),
        source,
        target,
        turns,
    };
    if dice.percent(35) {
        inside(&mut scenario, &mut dice);
    }
    scenario.preserve_etag = dice.percent(15);
    scenario
}

/// The same within one provider, whose copies go wrong at times.
fn inside(scenario: &mut Scenario, dice: &mut Dice) {
    scenario.pair = *dice.pick(&[Pair::S3Inside, Pair::S3Inside, Pair::GcsInside]);
    for turn in &mut scenario.turns {
        let spoilt = turn.faults.iter().any(|fault| fault.kind == FaultKind::Spoils);
        if spoilt || dice.percent(50) {
            continue;
        }
        let actions = [Action::ResetAfter, Action::ResetBefore, Action::ErrorIn200, Action::ACCESS_DENIED, Action::CONFLICT, Action::Stall];
        let occurrences = [Occurrence::PerMillion(300_000), Occurrence::Nth(1), Occurrence::Nth(3), Occurrence::FirstPerKey(1)];
        let rule = Rule::new(&[*dice.pick(&[Op::Copy, Op::Copy, Op::CopyPart])], dice.pick(&actions).clone());
        turn.faults.push(Fault { side: Side::Target, kind: FaultKind::Usual, rule: rule.when(*dice.pick(&occurrences)) });
    }
}

fn keys(dice: &mut Dice, source_prefix: &str) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for odd in ODD_KEYS {
        if dice.percent(25) {
            keys.push(odd.into());
        }
    }
    if dice.percent(10) {
        keys.push("l".repeat(1_024 - source_prefix.len()).into());
    }
    let most = *dice.pick(&[3, 10, 40]);
    for number in 0..dice.within(1, most) {
        let folder = *dice.pick(&["", "k/", "tmp/"]);
        keys.push(format!("{folder}k{number:02}").into());
    }
    keys
}

fn turn(usual: Wanted, universe: &mut Universe, dice: &mut Dice) -> Turn {
    let wanted = if dice.percent(85) { usual } else { *dice.pick(&[Wanted::Copy, Wanted::Sync, Wanted::SyncDelete, Wanted::Migrate]) };
    let before = (0..if dice.percent(60) { dice.within(1, 6) } else { 0 }).map(|_| mutation(universe, dice)).collect();
    let mut during: Vec<(u64, Mutation)> = Vec::new();
    if dice.percent(50) {
        for _ in 0..dice.within(1, 6) {
            during.push((dice.within(1, 300), mutation(universe, dice)));
        }
    }
    during.sort_by_key(|(step, _)| *step);
    let end = match dice.below(10) {
        0..=3 => End::Crash(dice.within(1, 400)),
        4 => End::Stop(dice.within(1, 300)),
        5 => End::DiskFull(dice.within(1, 60)),
        _ => End::Whole,
    };
    let faults = if dice.percent(60) { (0..dice.within(1, 3)).map(|_| fault(universe, dice)).collect() } else { Vec::new() };
    // What is spoilt under its digests can only be found by reading it back, and must be taken back before the run ends.
    let spoils = universe.verify == Verify::Content && dice.percent(10);
    let (faults, end) = if spoils { (vec![spoiling(dice)], End::Whole) } else { (faults, end) };
    Turn {
        wanted,
        exclude: if dice.percent(20) { vec![(*dice.pick(&["tmp/**", "a*", "*1"])).to_owned()] } else { Vec::new() },
        deletes_max: if dice.percent(15) { Some(dice.within(0, 10)) } else { None },
        percent_max: *dice.pick(&[50.0, 50.0, 10.0, 100.0]),
        before,
        during,
        faults,
        end,
        directory: match dice.below(20) {
            0 | 1 => Directory::Lost,
            2 => Directory::BaselineLost,
            3 => Directory::BaselineBroken(dice.index(3)),
            _ => Directory::Kept,
        },
        fresh: dice.percent(8),
        rival: !spoils && dice.percent(10),
    }
}

/// A target that stores other bytes than it checked.
pub fn spoiling(dice: &mut Dice) -> Fault {
    let often = *dice.pick(&[Occurrence::FirstPerKey(1), Occurrence::PerMillion(400_000), Occurrence::Every]);
    let rule = Rule::new(&[*dice.pick(&[Op::Put, Op::CompleteUpload])], Action::FlipStored { bit: dice.below(50_000) }).when(often);
    Fault { side: Side::Target, kind: FaultKind::Spoils, rule }
}

fn mutation(universe: &mut Universe, dice: &mut Dice) -> Mutation {
    match dice.below(20) {
        0..=8 => Mutation::Write(Side::Source, universe.placed(dice)),
        9 => Mutation::Thin(*dice.pick(&[Side::Source, Side::Source, Side::Source, Side::Target]), *dice.pick(&[2, 3, 10])),
        10..=12 => Mutation::Delete(Side::Source, dice.pick(&universe.keys).clone()),
        13..=15 => Mutation::Write(Side::Target, universe.placed(dice)),
        16 | 17 => Mutation::Delete(Side::Target, dice.pick(&universe.keys).clone()),
        18 => Mutation::ExpireUploads,
        _ => Mutation::Clock(*dice.pick(&[Side::Source, Side::Target]), *dice.pick(&[60, -60, 100_000])),
    }
}

fn fault(universe: &Universe, dice: &mut Dice) -> Fault {
    let side = *dice.pick(&[Side::Source, Side::Target]);
    let often = Occurrence::PerMillion(*dice.pick(&[20_000, 100_000, 300_000]));
    let some = |ops: &[Op], action: Action, dice: &mut Dice| {
        let when = *dice.pick(&[often, Occurrence::Nth(1), Occurrence::Nth(2), Occurrence::FirstPerKey(1), Occurrence::From(3)]);
        Rule::new(ops, action).when(when)
    };
    let writes = [Op::Put, Op::PutPart, Op::CompleteUpload, Op::CreateUpload, Op::AbortUpload, Op::DeleteBatch, Op::DeleteEntry];
    let mut kind = FaultKind::Usual;
    let rule = match dice.below(18) {
        0 => Rule::new(&[], Action::SLOW_DOWN).when(often),
        1 => Rule::new(&[], Action::INTERNAL_ERROR).when(often),
        2 => Rule::new(&[], Action::ResetBefore).when(often),
        3 | 4 => some(&[*dice.pick(&writes)], Action::ResetAfter, dice),
        5 => Rule::new(&[], Action::ResetAfter).when(often),
        6 if universe.flips => {
            kind = FaultKind::Flips;
            some(&[Op::Get], Action::FlipBit { bit: dice.below(100_000) }, dice)
        }
        6 | 7 => some(&[Op::Get], Action::Truncate { after_bytes: dice.below(3_000) }, dice),
        8 => some(&[Op::Get], Action::StallBody { after_bytes: dice.below(3_000) }, dice),
        9 => Rule::new(&[], Action::Stall).when(Occurrence::PerMillion(30_000)),
        10 => some(&[Op::Get], if dice.percent(50) { Action::IgnoreRange } else { Action::IgnoreConditions }, dice),
        11 => {
            let ops = [Op::Get, Op::Head, Op::Put, Op::PutPart, Op::CompleteUpload, Op::CreateUpload, Op::DeleteEntry, Op::ListParts];
            Rule::new(&[*dice.pick(&ops)], Action::ACCESS_DENIED).glob([b"*", dice.pick(&universe.keys).as_slice()].concat())
        }
        12 => Rule::new(&[Op::List], dice.pick(&[Action::SLOW_DOWN, Action::ACCESS_DENIED, Action::ResetBefore]).clone())
            .when(*dice.pick(&[Occurrence::From(1), Occurrence::From(2), Occurrence::From(4), Occurrence::Nth(3)])),
        13 => some(&[Op::CompleteUpload], Action::ErrorIn200, dice),
        16 => some(&[*dice.pick(&[Op::PutPart, Op::ListParts, Op::CompleteUpload])], Action::ExpireUpload, dice),
        17 => {
            kind = FaultKind::Stale;
            Rule::new(&[Op::List], Action::StaleList { behind: 1 + dice.index(5) })
                .when(*dice.pick(&[Occurrence::Every, Occurrence::Nth(1)]))
        }
        14 => some(&[Op::Put, Op::CompleteUpload], Action::CONFLICT, dice),
        _ => {
            let gone = Action::Status { status: 404, code: "NoSuchUpload", retry_after_seconds: None };
            some(&[*dice.pick(&[Op::PutPart, Op::CompleteUpload, Op::ListParts])], gone, dice)
        }
    };
    Fault { side, kind, rule }
}

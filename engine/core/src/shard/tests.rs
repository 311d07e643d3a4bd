//! Divisions of keyspaces of every shape, listed by a loop in which a page takes one round.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::point::{Span, Way, is_border};
use super::*;
use crate::event::Side;
use crate::{Entry, Identity};

const SIDES: [Side; 2] = [Side::Source, Side::Target];

#[test]
fn borders_are_exclusive_below_and_inclusive_above() {
    let range = KeyRange { after: Some(Key::from("b")), through: Some(Key::from("d")) };
    let inside: Vec<bool> = ["a", "b", "b\0", "c", "d", "d\0"].iter().map(|key| range.contains(&Key::from(*key))).collect();
    assert_eq!(inside, [false, false, true, true, true, false]);
    assert!(KeyRange::all().contains(&Key::from("")));
}

/// One side of a shard, as a client of a store lists it.
struct Listing {
    after: Option<Key>,
    ended: bool,
    /// What has arrived and is not decided.
    waiting: VecDeque<Key>,
}

/// What listing a keyspace came to.
#[derive(Debug, Default)]
struct Came {
    /// Pages that were waited for one after the other.
    rounds: u64,
    /// Pages of the source and of the target.
    pages: [u64; 2],
    shards: u64,
    decided: [Vec<Key>; 2],
}

struct World<'a> {
    sides: [&'a [Key]; 2],
    page: usize,
}

impl World<'_> {
    fn page(&self, side: usize, listing: &mut Listing) -> Vec<Entry> {
        let keys = self.sides[side];
        let start = listing.after.as_ref().map_or(0, |after| keys.partition_point(|key| key <= after));
        let page = &keys[start..(start + self.page).min(keys.len())];
        listing.after = page.last().cloned();
        listing.ended = start + page.len() == keys.len();
        page.iter().map(|key| Entry::new(key.clone(), 1, Identity::etag("e"))).collect()
    }

    /// Lists everything with so many runners. `order` says which sides of a running shard get a page next.
    fn list(&self, mut division: Division, runners: usize, mut order: impl FnMut() -> Step) -> Came {
        let mut came = Came::default();
        let mut running: BTreeMap<u32, [Listing; 2]> = BTreeMap::new();
        while !division.is_over() {
            while running.len() < runners
                && let Some(shard) = division.take()
            {
                let listing = || Listing { after: shard.range.after.clone(), ended: false, waiting: VecDeque::new() };
                running.insert(shard.id, [listing(), listing()]);
                came.shards += 1;
            }
            assert!(!running.is_empty(), "somebody must go on");
            came.rounds += 1;
            let ids: Vec<u32> = running.keys().copied().collect();
            for id in ids {
                let sides = running.get_mut(&id).expect("it runs");
                let step = order();
                for (number, side) in SIDES.into_iter().enumerate() {
                    if step.takes(number) {
                        came.pages[number] += self.step((id, side), &mut sides[number], &mut division);
                    }
                }
                if join(id, sides, &mut division, &mut came.decided) == Joined::All {
                    let _ = running.remove(&id);
                    let _ = division.seal(id);
                    division.ended(id);
                }
            }
        }
        assert!(division.is_whole());
        came
    }

    /// One side asks for its next page, unless it has one that waits.
    fn step(&self, (id, side): (u32, Side), listing: &mut Listing, division: &mut Division) -> u64 {
        if listing.ended || listing.waiting.len() > self.page {
            return 0;
        }
        if division.goes_on(id, side) == GoesOn::No {
            listing.ended = true;
            return 0;
        }
        let mut page = self.page(SIDES.iter().position(|one| *one == side).expect("one of two"), listing);
        if !page.is_empty() && division.arrived(id, side, &mut page) == GoesOn::No {
            listing.ended = true;
        }
        if listing.ended {
            division.side_ended(id, side);
        }
        listing.waiting.extend(page.into_iter().map(|entry| entry.key));
        1
    }
}

#[derive(PartialEq, Eq)]
enum Joined {
    All,
    Some,
}

/// Decides what can be decided: keys through the last one of the side that is behind.
fn join(id: u32, sides: &mut [Listing; 2], division: &mut Division, decided: &mut [Vec<Key>; 2]) -> Joined {
    loop {
        let waits = |side: &Listing| side.waiting.is_empty() && !side.ended;
        if sides.iter().any(waits) {
            return Joined::Some;
        }
        let Some(last) = sides.iter().filter_map(|side| side.waiting.back()).min().cloned() else { return Joined::All };
        let through = division.reserve(id, &last);
        for (side, decided) in sides.iter_mut().zip(decided.iter_mut()) {
            while let Some(key) = side.waiting.front().filter(|key| **key <= last) {
                if through.as_ref().is_none_or(|through| key <= through) {
                    decided.push(key.clone());
                }
                side.waiting.pop_front();
            }
            if through.as_ref().is_some_and(|through| last >= *through) {
                side.waiting.clear();
                side.ended = true;
            }
        }
    }
}

/// Which sides of a shard get a page in a round.
#[derive(Clone, Copy, Debug)]
enum Step {
    Both,
    One(usize),
    None,
}

impl Step {
    fn takes(self, side: usize) -> bool {
        match self {
            Self::Both => true,
            Self::One(one) => one == side,
            Self::None => false,
        }
    }
}

fn sorted(keys: impl Iterator<Item = String>) -> Vec<Key> {
    let mut keys: Vec<Key> = keys.map(|key| Key::from(key.as_str())).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A number that looks like chance.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn uuid(number: u64) -> String {
    let (one, two) = (format!("{:016x}", mixed(number)), format!("{:016x}", mixed(!number)));
    format!("{}-{}-4{}-a{}-{}", &one[..8], &one[8..12], &one[13..], &two[..3], &two[4..])
}

/// Pages of every keyspace, so that each is to one of a million keys in pages of a thousand what it is to its own page.
const PAGES: u64 = 1_000;

/// Keys of a page: few, as only the number of pages counts.
const PAGE: u64 = 40;

/// Runners that the pipeline has at most.
const RUNNERS: usize = 24;

/// Pages that dividing may cost beside a tenth of them.
const PAGES_MORE: u64 = 48;

/// A shape of a keyspace.
type Shape = (&'static str, fn(u64) -> String);

const SHAPES: [Shape; 13] = [
    ("zero-padded counters", |n| format!("registry/blobs/sha256/{n:012}")),
    ("zero-padded counters without a prefix", |n| format!("{n:07}")),
    ("hashes", |n| format!("{:016x}{:016x}", mixed(n), mixed(!n))),
    ("hashes below two of their own characters", |n| format!("sha256/{:02x}/{:016x}", mixed(n) >> 56, mixed(n))),
    ("upper-case hashes", |n| format!("objects/{:016X}.bin", mixed(n))),
    ("uuids", |n| format!("tenants/{}", uuid(n))),
    ("unpadded numbers", |n| format!("items/{n}")),
    ("a hundred characters before they differ", |n| format!("{}{n:08}", "long-common-".repeat(8))),
    ("dates of three years", date),
    ("deep paths", |n| format!("a/{}/b{}/{:03}/{}/data-{n:06}.parquet", n % 7, n / 7 % 10, n / 70 % 300, n % 3)),
    ("one hot prefix among a thousand", |n| if n < 1_000 { format!("t{n:03}/a") } else { format!("t500/{n:012}") }),
    ("words beyond ASCII", |n| format!("\u{6587}\u{66f8}/{}{:05}", ideograph(n % 500), n / 500)),
    ("base64", base64),
];

fn date(n: u64) -> String {
    let (day, rest) = (n / 37, n % 37);
    format!("logs/{}/{:02}/{:02}/{:02}/{:08x}.gz", 2023 + day / 365, day % 365 / 31 + 1, day % 31 + 1, rest % 24, mixed(n) >> 32)
}

fn ideograph(n: u64) -> char {
    char::from_u32(0x4e00 + u32::try_from(n).unwrap()).unwrap()
}

fn base64(n: u64) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([mixed(n).to_be_bytes(), mixed(!n).to_be_bytes()].concat())
}

fn pages(keys: &[Key]) -> u64 {
    u64::try_from(keys.len()).unwrap().div_ceil(PAGE)
}

fn divided(marks: Marks) -> Division {
    Division::new(DivisionLimits { keys_known_min: 8 * PAGE, ..DivisionLimits::default() }, marks)
}

fn list(sides: [&[Key]; 2], division: Division) -> Came {
    let world = World { sides, page: usize::try_from(PAGE).unwrap() };
    let came = world.list(division, RUNNERS, || Step::Both);
    for (side, mut decided) in came.decided.iter().cloned().enumerate() {
        decided.sort_unstable();
        assert!(decided == sides[side], "every key is decided once");
    }
    came
}

#[test]
fn a_thousand_pages_of_any_shape_are_listed_twelve_times_faster_than_by_one_stream() {
    for (name, shape) in SHAPES {
        let keys = sorted((0..PAGES * PAGE).map(shape));
        let came = list([&keys, &keys], divided(Marks::default()));
        let (serial, rounds, more) = (pages(&keys), came.rounds, came.pages[0] - pages(&keys));
        println!("{name}: {rounds} rounds for {serial} pages, {} shards, {more} pages more", came.shards);
        assert!(rounds * 12 <= serial, "{name}: {rounds} rounds for {serial} pages");
        assert!(more <= serial / 10 + PAGES_MORE, "{name}: {more} pages more than {serial}");
    }
}

#[test]
fn a_side_that_holds_little_or_other_keys_is_divided_with_the_other_one() {
    let counters = |from: u64, to: u64| sorted((from..to).map(|n| format!("k/{n:012}")));
    let all = counters(0, PAGES * PAGE);
    for other in [Vec::new(), counters(5, 20), counters(PAGES * PAGE / 2, PAGES * PAGE), sorted((0..PAGES * PAGE).map(uuid))] {
        for sides in [[&all[..], &other[..]], [&other[..], &all[..]]] {
            let came = list(sides, divided(Marks::default()));
            let serial = pages(&all).max(pages(&other));
            assert!(came.rounds * 9 <= serial, "{} rounds for {serial} pages", came.rounds);
        }
    }
}

#[test]
fn what_earlier_runs_knew_divides_a_keyspace_before_its_first_page() {
    for (name, shape) in SHAPES {
        let keys = sorted((0..PAGES * PAGE).map(shape));
        let each = usize::try_from(20 * PAGE).unwrap();
        let marks = Marks { keys: keys.chunks(each).map(|part| part[part.len() - 1].clone()).collect(), keys_each: 20 * PAGE };
        let came = list([&keys, &keys], divided(marks));
        let (serial, more) = (pages(&keys), came.pages[0] - pages(&keys));
        assert!(came.rounds * 17 <= serial, "{name}: {} rounds", came.rounds);
        assert!(more <= serial / 20, "{name}: {more} pages more than {serial}");
    }
}

#[test]
fn what_earlier_runs_knew_may_be_all_wrong() {
    let wrong = Marks { keys: (0..500).map(|n| Key::from(format!("zz/{n:05}").as_str())).collect(), keys_each: 10 * PAGE };
    let keys = sorted((0..PAGES * PAGE).map(|n| format!("k/{n:012}")));
    let came = list([&keys, &keys], divided(wrong));
    assert!(came.rounds * 6 <= pages(&keys), "{} rounds", came.rounds);
}

#[test]
fn few_pages_cost_no_request_more_and_some_pages_few() {
    for pages in 0..60 {
        let keys = sorted((0..pages * PAGE).map(|n| format!("k/{n:012}")));
        let came = list([&keys, &keys], divided(Marks::default()));
        let most = if pages <= 3 { pages.max(1) } else { pages + pages / 2 + 1 };
        assert!(came.pages[0] <= most, "{pages} pages took {}", came.pages[0]);
    }
}

#[test]
fn a_keyspace_that_cannot_be_divided_is_listed_in_one_piece() {
    let keys = sorted((0..PAGES * PAGE).map(|n| format!("k/{n:012}")));
    let came = list([&keys, &keys], Division::undivided());
    assert_eq!((came.shards, came.pages), (1, [PAGES; 2]));
}

#[test]
fn what_lies_outside_of_a_shard_is_taken_off_its_pages() {
    let mut division = Division::new(
        DivisionLimits { keys_known_min: 1, ..DivisionLimits::default() },
        Marks { keys: vec![Key::from("m")], keys_each: 10 },
    );
    let entries = |keys: &str| keys.chars().map(|key| Entry::new(Key::from(key.to_string().as_str()), 1, Identity::etag("e"))).collect();
    let shown = |page: &[Entry]| page.iter().map(|entry| entry.key.to_string()).collect::<String>();
    let [lower, upper] = [division.take().unwrap(), division.take().unwrap()];
    assert_eq!((lower.range.through.clone(), upper.range.after.clone()), (Some(Key::from("m")), Some(Key::from("m"))));
    let mut page: Vec<Entry> = entries("amz");
    assert_eq!((division.arrived(lower.id, Side::Source, &mut page), shown(&page)), (GoesOn::No, "am".into()));
    let mut page: Vec<Entry> = entries("amnz");
    assert_eq!((division.arrived(upper.id, Side::Source, &mut page), shown(&page)), (GoesOn::Yes, "nz".into()));
    assert!(!division.is_whole(), "nothing was dealt with yet");
    for shard in [lower, upper] {
        assert_eq!(division.lowest().map(|lowest| lowest.0), Some(shard.id));
        division.ended(shard.id);
    }
    assert!(division.is_whole() && division.lowest().is_none());
}

fn any_keys() -> impl Strategy<Value = Vec<Key>> {
    let key = prop_oneof![
        "[ab]{0,6}",
        "[0-9a-f]{4}",
        "k/[0-9]{1,4}",
        "(a/){0,3}[\u{0}-\u{20}~\u{e9}\u{10ffff}z]{0,3}",
        proptest::collection::vec(any::<char>(), 0..4).prop_map(|chars| chars.into_iter().collect()),
    ];
    proptest::collection::vec(key, 0..200).prop_map(|keys| sorted(keys.into_iter()))
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => Just(Step::Both), 2 => (0_usize..2).prop_map(Step::One), 1 => Just(Step::None)]
}

proptest! {
    #[test]
    fn p09_every_key_is_decided_by_one_shard_however_the_pages_come(
        source in any_keys(),
        target in any_keys(),
        marks in any_keys(),
        (page, runners) in (1_usize..6, 1_usize..9),
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        let limits = DivisionLimits { pages_before: 0, pages_ahead_min: 0, keys_known_min: 8, shards_first_max: 5 };
        let division = Division::new(limits, Marks { keys: marks, keys_each: 4 });
        let mut turns = steps.iter().cycle();
        let mut idle = 0;
        let order = || {
            // Whoever never gets a page would never end.
            idle += 1;
            if idle % 7 == 0 { Step::Both } else { *turns.next().expect("a cycle has no end") }
        };
        let came = World { sides: [&source, &target], page }.list(division, runners, order);
        for (side, keys) in [source, target].into_iter().enumerate() {
            let mut decided = came.decided[side].clone();
            decided.sort_unstable();
            prop_assert_eq!(decided, keys);
        }
    }
}

proptest! {
    #[test]
    fn a_point_lies_between_its_ends_and_is_a_name_that_every_store_takes(mut keys in any_keys(), open in any::<bool>()) {
        prop_assume!(keys.len() > 3);
        let high = keys.pop().filter(|_| !open);
        let low = keys.pop().expect("there are some");
        let span = Span::new(&low, high.as_ref(), &keys[0], &keys).expect("text");
        for way in [Way::Halve, Way::Depth] {
            if let Some(point) = span.point(way) {
                prop_assert!(low < point && high.as_ref().is_none_or(|high| point < *high), "{low:?} {point:?} {high:?}");
                prop_assert!(is_border(&point));
            }
        }
    }
}

#[test]
fn a_key_without_a_character_says_nothing() {
    let empty = Key::from("");
    let span = |high: Option<&Key>| Span::new(&empty, high, &empty, std::slice::from_ref(&empty)).expect("text");
    assert_eq!((span(None).ahead(1), span(Some(&Key::from("b"))).ahead(1)), (u64::MAX, u64::MAX));
    assert_eq!((span(None).point(Way::Depth), span(None).point(Way::Halve)), (None, None));
}

#[test]
fn no_border_is_longer_than_a_prefix_leaves_room_for_or_holds_what_a_store_refuses() {
    for odd in [&b""[..], &[b'x'; 257], b"a\nb", b"a\x7f", b"\xff", "a\u{ffff}".as_bytes(), "\u{85}".as_bytes()] {
        assert!(!is_border(&Key::new(odd)), "{odd:?}");
    }
    assert!(is_border(&Key::new([b'x'; 256])) && is_border(&Key::from("\u{10fffd}")));
}

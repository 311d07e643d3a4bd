//! Claims about the world that both dialects rely on.

#![allow(clippy::unwrap_used)]

mod stale;

use super::*;
use proptest::strategy::Strategy as _;

fn world() -> Arc<World> {
    let world = World::with(WorldOptions { limits: Limits { part_bytes_min: 4, ..Limits::default() }, ..WorldOptions::default() });
    world.create_bucket("b").unwrap();
    world
}

fn put(world: &World, key: &str, text: &str, conditions: &Conditions) -> Result<Arc<Object>, WorldError> {
    world.put("b", key.as_bytes(), NewObject::of(text.into()), conditions)
}

fn names(listing: &Listing) -> Vec<String> {
    listing.objects.iter().map(|listed| String::from_utf8(listed.key.clone()).unwrap()).collect()
}

#[test]
fn a_conditional_put_sees_what_is_there() {
    let world = world();
    let first = put(&world, "k", "one", &Conditions::if_absent()).unwrap();
    assert_eq!(put(&world, "k", "two", &Conditions::if_absent()).unwrap_err(), WorldError::PreconditionFailed("If-None-Match"));
    assert_eq!(put(&world, "k", "two", &Conditions::if_etag("\"0\"")).unwrap_err(), WorldError::PreconditionFailed("If-Match"));
    assert_eq!(put(&world, "absent", "x", &Conditions::if_etag("0")).unwrap_err(), WorldError::NoSuchKey);
    let second = put(&world, "k", "two", &Conditions::if_etag(&format!("\"{}\"", first.etag))).unwrap();
    assert!(second.generation > first.generation);
    assert!(put(&world, "k", "three", &Conditions::if_generation(0)).is_err());
    put(&world, "k", "three", &Conditions::if_generation(second.generation)).unwrap();
    assert_eq!(world.bytes("b", "k").unwrap(), "three");
}

#[test]
fn one_of_many_concurrent_creators_wins() {
    let world = world();
    let wins: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|number| {
                let world = &world;
                scope.spawn(move || put(world, "k", &number.to_string(), &Conditions::if_absent()).is_ok())
            })
            .collect();
        tries.into_iter().map(|handle| usize::from(handle.join().unwrap())).sum()
    });
    assert_eq!(wins, 1);
}

#[test]
fn a_conditional_delete_removes_only_the_named_state() {
    let world = world();
    let object = put(&world, "k", "one", &Conditions::NONE).unwrap();
    let wrong = world.delete("b", b"k", Which::Current, &Conditions::if_etag("00"));
    assert_eq!(wrong.unwrap_err(), WorldError::PreconditionFailed("If-Match"));
    let absent = world.delete("b", b"absent", Which::Current, &Conditions::if_etag("*"));
    assert_eq!(absent.unwrap_err(), WorldError::NoSuchKey);
    assert_eq!(world.delete("b", b"absent", Which::Current, &Conditions::NONE).unwrap(), Deleted::Absent);
    world.delete("b", b"k", Which::Current, &Conditions::if_etag(&object.etag.to_string())).unwrap();
    assert!(world.keys("b").is_empty());
}

#[test]
fn what_is_not_honoured_is_ignored() {
    let world = world();
    world.set_honours(Honours { conditional_put: false, conditional_delete: false, ..Honours::REAL });
    put(&world, "k", "one", &Conditions::NONE).unwrap();
    put(&world, "k", "two", &Conditions::if_absent()).unwrap();
    world.delete("b", b"k", Which::Current, &Conditions::if_etag("00")).unwrap();
    assert!(world.keys("b").is_empty());
}

#[test]
fn versions_pile_up_and_a_delete_only_marks() {
    let world = world();
    world.set_versioning("b", Versioning::Enabled).unwrap();
    let old = put(&world, "k", "old", &Conditions::NONE).unwrap();
    put(&world, "k", "new", &Conditions::NONE).unwrap();
    let Deleted::MarkerAdded(marker) = world.delete("b", b"k", Which::Current, &Conditions::NONE).unwrap() else { panic!() };
    assert!(matches!(world.peek("b", "k"), Err(WorldError::DeleteMarker(_))));
    assert!(names(&world.list("b", &ListQuery { max: 10, ..ListQuery::default() }).unwrap()).is_empty());
    let conditional = world.delete("b", b"k", Which::Current, &Conditions::if_etag("*"));
    assert_eq!(conditional.unwrap_err(), WorldError::PreconditionFailed("If-Match"));
    let read = world.get("b", b"k", Which::Version(old.version), &Conditions::NONE).unwrap();
    assert_eq!(read.body().to_bytes().unwrap(), "old");
    let listed = world.list_versions("b", &ListQuery { max: 10, ..ListQuery::default() }, None).unwrap();
    assert_eq!(listed.versions.len(), 3);
    assert_eq!(listed.versions[0].place, Place::Latest);
    assert!(listed.versions[0].object.is_marker());
    world.delete("b", b"k", Which::Version(marker), &Conditions::NONE).unwrap();
    assert_eq!(world.bytes("b", "k").unwrap(), "new");
}

#[test]
fn a_page_of_versions_may_end_inside_a_key() {
    let world = world();
    world.set_versioning("b", Versioning::Enabled).unwrap();
    for (key, text) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")] {
        put(&world, key, text, &Conditions::NONE).unwrap();
    }
    let (mut after, mut version, mut seen) = (None, None, Vec::new());
    loop {
        let page = world.list_versions("b", &ListQuery { max: 1, after, ..ListQuery::default() }, version).unwrap();
        seen.extend(page.versions.iter().map(|listed| listed.object.body().to_bytes().unwrap()));
        let Some((key, id)) = page.next else { break };
        (after, version) = (Some(key), id);
    }
    assert_eq!(seen, ["3", "2", "1", "1"]);
}

#[test]
fn suspended_versioning_replaces_only_the_null_version() {
    let world = world();
    put(&world, "k", "null-1", &Conditions::NONE).unwrap();
    world.set_versioning("b", Versioning::Enabled).unwrap();
    put(&world, "k", "kept", &Conditions::NONE).unwrap();
    world.set_versioning("b", Versioning::Suspended).unwrap();
    put(&world, "k", "null-2", &Conditions::NONE).unwrap();
    put(&world, "k", "null-3", &Conditions::NONE).unwrap();
    let listed = world.list_versions("b", &ListQuery { max: 10, ..ListQuery::default() }, None).unwrap();
    let bodies: Vec<_> = listed.versions.iter().map(|listed| listed.object.body().to_bytes().unwrap()).collect();
    assert_eq!(bodies, ["null-3", "kept"]);
}

#[test]
fn a_held_object_is_neither_deleted_nor_overwritten() {
    let world = world();
    put(&world, "k", "one", &Conditions::NONE).unwrap();
    world.update("b", b"k", Which::Current, &Conditions::NONE, |object| object.holds.temporary = true).unwrap();
    assert_eq!(world.delete("b", b"k", Which::Current, &Conditions::NONE).unwrap_err(), WorldError::Held(Hold::Temporary));
    assert_eq!(put(&world, "k", "two", &Conditions::NONE).unwrap_err(), WorldError::Held(Hold::Temporary));
    let freed = world.update("b", b"k", Which::Current, &Conditions::NONE, |object| object.holds.temporary = false).unwrap();
    assert_eq!(freed.metageneration, 3);
    world.delete("b", b"k", Which::Current, &Conditions::NONE).unwrap();
}

#[test]
fn pages_add_up_to_the_whole_in_byte_order() {
    let world = world();
    let keys: [&[u8]; 9] = [b"a", b"a//b", b"a/", b"a/b", b"a/c/d", b"a0", "\u{e9}".as_bytes(), "e\u{301}".as_bytes(), b"\x01\n"];
    for key in keys {
        world.put("b", key, NewObject::default(), &Conditions::NONE).unwrap();
    }
    let mut sorted: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
    sorted.sort();
    for max in 1..=10 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = world.list("b", &ListQuery { max, after, ..ListQuery::default() }).unwrap();
            found.extend(page.objects.into_iter().map(|listed| listed.key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, sorted, "{max} a page");
    }
}

#[test]
fn common_prefixes_roll_up_and_page() {
    let world = world();
    for key in ["p/a", "p/b/1", "p/b/2", "p/c", "p/d/1", "q"] {
        put(&world, key, "", &Conditions::NONE).unwrap();
    }
    let query = ListQuery { prefix: b"p/".to_vec(), delimiter: b"/".to_vec(), max: 2, ..ListQuery::default() };
    let one = world.list("b", &query).unwrap();
    assert_eq!((names(&one), &one.prefixes), (vec!["p/a".to_owned()], &vec![b"p/b/".to_vec()]));
    let two = world.list("b", &ListQuery { after: one.next, ..query }).unwrap();
    assert_eq!((names(&two), &two.prefixes), (vec!["p/c".to_owned()], &vec![b"p/d/".to_vec()]));
    assert_eq!(two.next, None);
    let range = ListQuery { from: Some(b"p/b/2".to_vec()), until: Some(b"p/d/".to_vec()), max: 9, ..ListQuery::default() };
    assert_eq!(names(&world.list("b", &range).unwrap()), ["p/b/2", "p/c"]);
}

#[test]
fn a_million_keys_are_listed_without_walking_them_all() {
    let world = world();
    let keys = (0..1_000_000).map(|number| format!("k/{number:07}"));
    world.populate("b", keys, &NewObject::of(Content::pattern(1, 100))).unwrap();
    let started = std::time::Instant::now();
    for page in 0..100 {
        let after = Some(format!("k/{:07}", 9_999 * page).into_bytes());
        assert_eq!(world.list("b", &ListQuery { after, max: 1000, ..ListQuery::default() }).unwrap().objects.len(), 1000);
    }
    let rolled = world.list("b", &ListQuery { delimiter: b"/".to_vec(), max: 10, ..ListQuery::default() }).unwrap();
    assert_eq!(rolled.prefixes, [b"k/"]);
    // A walk of all keys for each of the 101 pages would take minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "took {:?}", started.elapsed());
}

fn upload(world: &World, checksum: Option<UploadChecksum>, parts: &[&str]) -> (String, Completion) {
    let id = world.create_upload("b", b"k", NewUpload { checksum, ..NewUpload::default() }).unwrap();
    let mut completion = Completion::default();
    for (number, text) in (1..).zip(parts) {
        let content = Content::from(*text);
        let value = checksum.map(|asked| checksum_of(asked.algorithm, text.as_bytes()));
        completion.parts.push(NamedPart { number, etag: content.etag().to_string(), checksum: value.clone() });
        let checksum = checksum.zip(value).map(|(asked, value)| Checksum {
            algorithm: asked.algorithm,
            kind: ChecksumKind::FullObject,
            value: value.into(),
        });
        world.put_part("b", b"k", &id, number, content, checksum).unwrap();
    }
    (id, completion)
}

const FULL_CRC32C: UploadChecksum =
    UploadChecksum { algorithm: ChecksumAlgorithm::Crc32c, kind: ChecksumKind::FullObject, asked: Asked::ByClient };

#[test]
fn a_complete_upload_is_the_parts_in_order() {
    let world = world();
    let (id, mut completion) = upload(&world, Some(FULL_CRC32C), &["hello ", "world"]);
    completion.checksum = Some(Checksum { algorithm: ChecksumAlgorithm::Crc32c, kind: ChecksumKind::FullObject, value: "yZRlqg==".into() });
    completion.size = Some(11);
    let object = world.complete_upload("b", b"k", &id, &completion).unwrap();
    assert_eq!(world.bytes("b", "k").unwrap(), "hello world");
    assert_eq!(&*object.checksum.as_ref().unwrap().value, "yZRlqg==");
    assert!(object.etag.to_string().ends_with("-2"));
    assert_eq!(world.complete_upload("b", b"k", &id, &completion).unwrap_err(), WorldError::NoSuchUpload);
}

#[test]
fn a_wrong_complete_publishes_nothing_and_keeps_the_upload() {
    let world = world();
    let (id, good) = upload(&world, Some(FULL_CRC32C), &["hello ", "world"]);
    let wrong_sum = Checksum { algorithm: ChecksumAlgorithm::Crc32c, kind: ChecksumKind::FullObject, value: "AAAAAA==".into() };
    let mut gap = good.clone();
    gap.parts.remove(0);
    let mut swapped = good.clone();
    swapped.parts.reverse();
    let mut wrong_tag = good.clone();
    wrong_tag.parts[1].etag = "00".into();
    for (completion, expected) in [
        (Completion { checksum: Some(wrong_sum), ..good.clone() }, WorldError::BadDigest("CRC32C")),
        (Completion { size: Some(12), ..good.clone() }, WorldError::SizeMismatch { announced: 12, actual: 11 }),
        (gap, WorldError::InvalidPartOrder),
        (swapped, WorldError::InvalidPartOrder),
        (wrong_tag, WorldError::InvalidPart(2)),
        (Completion { kind: Some(ChecksumKind::Composite), ..good.clone() }, WorldError::Invalid("the upload keeps another checksum type")),
    ] {
        assert_eq!(world.complete_upload("b", b"k", &id, &completion).unwrap_err(), expected);
        assert!(world.keys("b").is_empty());
    }
    put(&world, "k", "other", &Conditions::NONE).unwrap();
    let conditional = Completion { conditions: Conditions::if_absent(), ..good };
    assert!(matches!(world.complete_upload("b", b"k", &id, &conditional), Err(WorldError::PreconditionFailed(_))));
    assert_eq!(world.bytes("b", "k").unwrap(), "other");
    assert_eq!(world.uploads_under_way("b"), 1);
}

#[test]
fn small_parts_are_refused_except_the_last() {
    let world = world();
    let (id, completion) = upload(&world, None, &["abc", "d"]);
    assert_eq!(world.complete_upload("b", b"k", &id, &completion).unwrap_err(), WorldError::EntityTooSmall(1));
    world.abort_upload("b", b"k", &id).unwrap();
    assert_eq!(world.abort_upload("b", b"k", &id).unwrap_err(), WorldError::NoSuchUpload);
}

#[test]
fn a_stored_bit_flips_without_a_trace_in_the_digests() {
    let world = world();
    put(&world, "k", "hello", &Conditions::NONE).unwrap();
    let before = world.snapshot("b");
    world.flip_stored_bit("b", "k", 0).unwrap();
    assert_eq!(world.bytes("b", "k").unwrap(), "iello");
    assert_eq!(world.snapshot("b"), before);
    put(&world, "k", "hello", &Conditions::NONE).unwrap();
    assert_ne!(world.snapshot("b"), before);
}

#[test]
fn a_rename_is_one_step_under_both_conditions() {
    let world = world();
    let staged = put(&world, "tmp", "one", &Conditions::NONE).unwrap();
    put(&world, "real", "old", &Conditions::NONE).unwrap();
    let from = Conditions::if_generation(staged.generation);
    let refused = world.rename("b", (b"tmp", &from), (b"real", &Conditions::if_generation(0)));
    assert!(matches!(refused, Err(WorldError::PreconditionFailed(_))));
    assert_eq!(world.keys("b").len(), 2);
    world.rename("b", (b"tmp", &from), (b"real", &Conditions::NONE)).unwrap();
    assert_eq!(world.keys("b"), [b"real"]);
    assert_eq!(world.bytes("b", "real").unwrap(), "one");
}

/// The whole listing page by page, each item with its kind.
fn paged(world: &World, query: &ListQuery) -> Vec<(Vec<u8>, bool)> {
    let (mut items, mut after) = (Vec::new(), query.after.clone());
    loop {
        let page = world.list("b", &ListQuery { after: after.clone(), ..query.clone() }).unwrap();
        assert!(page.objects.len() + page.prefixes.len() <= query.max);
        let mut here: Vec<_> = page.objects.into_iter().map(|listed| (listed.key, false)).collect();
        here.extend(page.prefixes.into_iter().map(|prefix| (prefix, true)));
        here.sort();
        items.extend(here);
        let Some(next) = page.next else { return items };
        assert!(after.is_none_or(|after| next > after), "a page that goes nowhere would be asked for for ever");
        after = Some(next);
    }
}

/// The same by walking every key.
fn walked(keys: &BTreeMap<Vec<u8>, ()>, query: &ListQuery) -> Vec<(Vec<u8>, bool)> {
    let mut items: Vec<(Vec<u8>, bool)> = Vec::new();
    for key in keys.keys().filter(|key| key.starts_with(&query.prefix)) {
        let rest = &key[query.prefix.len()..];
        let cut = rest.iter().position(|byte| query.delimiter.first() == Some(byte));
        let item = cut.map_or((key.clone(), false), |at| (key[..=query.prefix.len() + at].to_vec(), true));
        let outside = query.from.as_ref().is_some_and(|from| key < from) || query.until.as_ref().is_some_and(|until| key >= until);
        if !outside && query.after.as_ref().is_none_or(|after| item.0 > *after) && items.last() != Some(&item) {
            items.push(item);
        }
    }
    items
}

proptest::proptest! {
    #[test]
    fn pages_of_any_listing_are_what_a_walk_of_all_keys_gives(
        keys in proptest::collection::btree_map("[ab/\u{ff}]{1,5}".prop_map(String::into_bytes), proptest::strategy::Just(()), 0..40),
        prefix in "[ab/]{0,2}",
        borders in proptest::collection::vec(proptest::option::of("[ab/]{1,4}".prop_map(String::into_bytes)), 3),
        delimiter in "/?",
        max in 1_usize..5,
    ) {
        let world = world();
        for key in keys.keys() {
            world.put("b", key, NewObject::default(), &Conditions::NONE).unwrap();
        }
        let [from, until, after] = borders.try_into().unwrap();
        let query = ListQuery { prefix: prefix.into_bytes(), from, until, after, delimiter: delimiter.into_bytes(), max, behind: 0 };
        proptest::prop_assert_eq!(paged(&world, &query), walked(&keys, &query));
    }
}

//! Claims about listings that lag behind, and about uploads that expire.

#![allow(clippy::unwrap_used)]
use super::*;

fn listed(world: &World, behind: usize, max: usize) -> Vec<(Vec<u8>, u64)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = world.list("b", &ListQuery { after, max, behind, ..ListQuery::default() }).unwrap();
        found.extend(page.objects.into_iter().map(|listed| (listed.key, listed.object.generation)));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

proptest::proptest! {
    /// A listing that is behind by n changes is the listing as it was n changes ago, page size and versioning aside.
    #[test]
    fn a_listing_that_is_behind_shows_what_was_there_then(
        changes in proptest::collection::vec((0_u8..6, proptest::bool::ANY), 0..90),
        versioned in proptest::bool::ANY,
        max in 1_usize..4,
    ) {
        let world = world();
        if versioned {
            world.set_versioning("b", Versioning::Enabled).unwrap();
        }
        let mut history = vec![listed(&world, 0, max)];
        for (key, write) in changes {
            let key = [b'a' + key];
            if write {
                world.put("b", &key, NewObject::of("x".into()), &Conditions::NONE).unwrap();
            } else if world.peek("b", key).is_ok() {
                world.delete("b", &key, Which::Current, &Conditions::NONE).unwrap();
            } else {
                continue;
            }
            history.push(listed(&world, 0, max));
        }
        for (behind, then) in history.iter().rev().enumerate().take(CHANGES_KEPT_MAX + 1) {
            proptest::prop_assert_eq!(&listed(&world, behind, max), then, "behind by {}", behind);
        }
    }
}

#[test]
fn no_listing_is_further_behind_than_what_is_known() {
    let world = world();
    for number in 0..CHANGES_KEPT_MAX + 10 {
        put(&world, &format!("{number:03}"), "x", &Conditions::NONE).unwrap();
    }
    assert_eq!(listed(&world, usize::MAX, 1000).len(), 10);
}

#[test]
fn expired_uploads_are_gone_with_their_parts_and_no_others() {
    let world = world();
    let [one, other, twin] = ["k", "other", "k"].map(|key| {
        let id = world.create_upload("b", key.as_bytes(), NewUpload::default()).unwrap();
        world.put_part("b", key.as_bytes(), &id, 1, "part".into(), None).unwrap();
        id
    });
    assert_eq!(world.expire_uploads_of("b", "k"), 2);
    for id in [one, twin] {
        assert_eq!(world.upload("b", b"k", &id).unwrap_err(), WorldError::NoSuchUpload);
    }
    assert_eq!(world.upload("b", b"other", &other).unwrap().parts.len(), 1);
    assert_eq!((world.expire_uploads("b"), world.expire_uploads("no such bucket")), (1, 0));
    assert_eq!(world.uploads_under_way("b"), 0);
}

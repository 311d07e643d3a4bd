//! What a batch takes it gives back, and nothing else comes out of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn identities() -> impl Strategy<Value = Identity> {
    prop_oneof![
        any::<String>().prop_map(|etag| Identity::Etag(etag.into())),
        any::<u64>().prop_map(Identity::Generation),
        any::<(u64, u64, i64, i64)>().prop_map(|(inode, size, modified_ns, changed_ns)| Identity::File(FileStamp {
            inode,
            size,
            modified_ns,
            changed_ns
        })),
    ]
}

fn proofs() -> impl Strategy<Value = Option<Proof>> {
    let of_digests = Algorithm::ALL.into_iter().flat_map(|algorithm| [Some(Proof::Stored(algorithm)), Some(Proof::Content(algorithm))]);
    proptest::sample::select(of_digests.chain([None, Some(Proof::Transport)]).collect::<Vec<_>>())
}

type Facts = (Identity, Option<Proof>, Pair);

fn facts() -> impl Strategy<Value = Facts> {
    let times =
        (-4_000_000_000_i64..4_000_000_000, 0..1_000_000_000_i32).prop_map(|(second, ns)| Timestamp::new(second, ns).expect("a time"));
    let digests = any::<(Option<u32>, Option<u64>, Option<[u8; 16]>)>();
    (identities(), identities(), proofs(), any::<u64>(), digests, proptest::option::of(times)).prop_map(
        |(source, target, proof, size, (crc32c, crc64nvme, md5), source_modified)| {
            (source, proof, Pair { target, size, digests: Digests { crc32c, crc64nvme, md5 }, source_modified })
        },
    )
}

fn filled(facts: &BTreeMap<Vec<u8>, Facts>) -> Batch {
    let mut batch = Batch::new("run".into(), Timestamp::UNIX_EPOCH);
    for (key, (source, proof, pair)) in facts {
        batch.push(&Key::new(key), source, *proof, pair);
    }
    batch
}

fn again(batch: &Batch, bytes: Vec<u8>) -> Batch {
    let first = batch.first().cloned().expect("it has a first key");
    Batch::written(batch.run().into(), batch.known_at(), first, batch.len(), bytes)
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(facts in proptest::collection::btree_map(any::<Vec<u8>>(), facts(), 1..8)) {
        let batch = filled(&facts);
        let expected: Vec<Known> = facts.iter().map(|(key, (source, proof, pair))| Known {
            key: Key::new(key),
            size: pair.size,
            source: source.clone(),
            target: pair.target.clone(),
            digests: pair.digests,
            proof: *proof,
            source_modified: pair.source_modified,
            known_at: Timestamp::UNIX_EPOCH,
            run: "run".into(),
            original: Original::Present,
        }).collect();
        let read: Result<Vec<Known>, Malformed> = again(&batch, batch.bytes().to_vec()).into_iter().collect();
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn bytes_that_are_cut_or_followed_by_others_are_malformed(
        facts in proptest::collection::btree_map(any::<Vec<u8>>(), facts(), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let batch = filled(&facts);
        let cut = batch.bytes()[..cut.index(batch.bytes().len())].to_vec();
        prop_assert_eq!(again(&batch, cut).into_iter().last(), Some(Err(Malformed)));
        let longer = [batch.bytes(), b"x"].concat();
        prop_assert_eq!(again(&batch, longer).into_iter().last(), Some(Err(Malformed)));
    }

    #[test]
    fn any_bytes_come_to_an_end(bytes in any::<Vec<u8>>(), records in 0..9_u32) {
        let batch = Batch::written("run".into(), Timestamp::UNIX_EPOCH, Key::from(""), records, bytes);
        let read: Vec<_> = batch.into_iter().collect();
        prop_assert!(read.len() <= 9);
        prop_assert!(read.iter().rev().skip(1).all(Result::is_ok), "something follows an error");
    }
}

#[test]
fn keys_out_of_order_are_malformed() {
    let pair = Pair { target: Identity::Generation(1), size: 1, digests: Digests::default(), source_modified: None };
    for keys in [["b", "a"], ["a", "a"]] {
        let mut batch = Batch::new("run".into(), Timestamp::UNIX_EPOCH);
        for key in keys {
            batch.push(&Key::from(key), &Identity::Generation(1), None, &pair);
        }
        assert_eq!(batch.into_iter().last(), Some(Err(Malformed)));
    }
}

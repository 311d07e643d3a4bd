//! An inventory that was taken of a bucket as it is says exactly what listing the bucket says.

use std::collections::BTreeMap;

use brigade_core::{Algorithm, Availability, Entry, Identity, Key, KeyRange};
use proptest::prelude::*;

use crate::inventory::Row;
use crate::parquet;
use crate::stage::{Held, Stage, entries};

fn held() -> impl Strategy<Value = Held> {
    let class = proptest::sample::select(vec![None, Some("STANDARD_IA"), Some("GLACIER")]);
    let checksum = proptest::sample::select(vec![None, Some(Algorithm::Crc32c), Some(Algorithm::Crc64nvme)]);
    (0_u64..2_000, class, checksum, 0_i64..2_000_000_000_000).prop_map(|(size, class, checksum, written_ms)| Held {
        key: String::new(),
        size,
        class,
        checksum,
        written_ms,
    })
}

/// Keys with everything that an encoding may lose.
fn key() -> impl Strategy<Value = String> {
    proptest::string::string_regex("(p/|p/q/|)[a-c+ %é\u{1F600}/\",.\n]{1,5}").unwrap()
}

/// Old versions and delete markers of other keys and of the same ones, which are not current.
fn noise(current: &[Row], seed: u64) -> Vec<Row> {
    let old = |row: &Row| {
        let entry = Entry { size: row.entry.size + 1, identity: Identity::etag("00000000000000000000000000000000"), ..row.entry.clone() };
        Row { is_latest: false, entry, ..row.clone() }
    };
    let deleted = |number: u64| {
        let mut entry = Entry::new(Key::from("gone"), 0, Identity::etag(""));
        entry.modified = Some(jiff::Timestamp::UNIX_EPOCH);
        Row { key: format!("gone/{number}").into_bytes(), is_latest: true, is_delete_marker: true, entry }
    };
    current.iter().step_by(2).map(old).chain((0..seed % 4).map(deleted)).collect()
}

/// Rows in an order that has nothing to do with their keys, over some files.
fn scattered(mut rows: Vec<Row>, files: usize, seed: u64) -> Vec<Vec<Row>> {
    rows.sort_by_key(|row| row.key.iter().fold(seed, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)));
    let mut scattered = vec![Vec::new(); files];
    for (at, row) in rows.into_iter().enumerate() {
        scattered[at % files].push(row);
    }
    scattered
}

async fn same(stage: &Stage, prefix: &str, borders: &KeyRange) {
    let inventory = stage.read(prefix).await.unwrap();
    for range in [&KeyRange::all(), borders] {
        let mut listing = stage.listing(prefix, range).await;
        for entry in &mut listing {
            // That an archived object was restored is not in an inventory.
            entry.availability = crate::inventory::availability(entry);
        }
        assert_eq!(entries(&inventory, range).await, listing);
    }
    assert!(inventory.entries.rows() >= u64::try_from(entries(&inventory, borders).await.len()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn p09_a_shuffled_inventory_over_several_files_equals_the_listing(
        objects in proptest::collection::btree_map(key(), held(), 0..40),
        files in 1_usize..5,
        seed in any::<u64>(),
        prefix in proptest::sample::select(vec!["", "p/", "p/q/"]),
        border in key(),
    ) {
        let objects: Vec<Held> = objects.into_iter().map(|(key, held)| Held { key, ..held }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::of(&objects);
            let all: Vec<Row> = stage.listing("", &KeyRange::all()).await.iter().map(|entry| Row::current("", entry)).collect();
            let rows = [all.clone(), noise(&all, seed)].concat();
            let range = KeyRange { after: Some(Key::from(border.as_str())), through: None };
            stage.write_csv(&scattered(rows.clone(), files, seed));
            same(&stage, prefix, &range).await;
            let written = scattered(rows, files, seed).iter().map(|rows| parquet::file(rows, seed)).collect();
            stage.write(("Parquet", parquet::SCHEMA), written);
            same(&stage, prefix, &range).await;
        });
    }
}

#[tokio::test]
async fn an_archived_object_is_archived_for_the_inventory_too() {
    let held = Held { key: "k".into(), size: 1, class: Some("DEEP_ARCHIVE"), checksum: None, written_ms: 1 };
    let stage = Stage::of(&[held]);
    let rows: Vec<Row> = stage.listing("", &KeyRange::all()).await.iter().map(|entry| Row::current("", entry)).collect();
    stage.write_csv(&[rows]);
    let found = entries(&stage.read("").await.unwrap(), &KeyRange::all()).await;
    assert_eq!(found.iter().map(|entry| entry.availability).collect::<Vec<_>>(), [Availability::Archived]);
}

#[tokio::test]
async fn an_inventory_of_current_versions_has_no_columns_for_others() {
    let objects: BTreeMap<_, _> = [("a", "a b"), ("b", "x+y")].into();
    let held = |key: &&str| Held { key: (*key).into(), size: 3, class: None, checksum: None, written_ms: 5 };
    let stage = Stage::of(&objects.values().map(held).collect::<Vec<_>>());
    let etags = stage.listing("", &KeyRange::all()).await;
    let line = |key: &str, entry: &Entry| {
        format!("\"data\",\"{key}\",\"3\",\"1970-01-01T00:00:00.005Z\",\"{}\"\n", entry.identity.as_etag().unwrap())
    };
    // Not compressed, and with the other spelling of a space.
    let text = [line("x%2By", &etags[1]), line("a%20b", &etags[0])].concat();
    stage.write(("CSV", "Bucket, Key, Size, LastModifiedDate, ETag"), vec![text.into_bytes()]);
    let found = entries(&stage.read("").await.unwrap(), &KeyRange::all()).await;
    let expected: Vec<Entry> = etags.into_iter().map(|entry| Entry { storage_class: None, ..entry }).collect();
    assert_eq!(found, expected);
}

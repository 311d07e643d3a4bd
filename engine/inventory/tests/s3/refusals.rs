//! What is not exactly the inventory that its manifest names is no listing.

use brigade_core::KeyRange;

use crate::inventory::{self, Row};
use crate::stage::{BUCKET, Held, INVENTORIES, MANIFEST, Stage};

const DATA: &str = "inv/data/daily/data/0";

/// A bucket with three objects, and its inventory.
async fn written() -> (Stage, Vec<Row>) {
    let held = |key: &str| Held { key: key.into(), size: 3, class: None, checksum: None, written_ms: 5 };
    let stage = Stage::of(&["a", "b", "c"].map(held));
    let rows: Vec<Row> = stage.listing("", &KeyRange::all()).await.iter().map(|entry| Row::current("", entry)).collect();
    stage.write_csv(std::slice::from_ref(&rows));
    stage.read("").await.unwrap();
    (stage, rows)
}

fn says(text: &str, words: &[&str]) {
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

#[tokio::test]
async fn p03_a_file_that_is_damaged_missing_or_another_is_refused() {
    let (stage, _) = written().await;
    stage.world.flip_stored_bit(INVENTORIES, DATA, 77).unwrap();
    says(&stage.refused().await, &[DATA, "MD5"]);
    let (stage, rows) = written().await;
    stage.world.seed(INVENTORIES, DATA, inventory::csv(BUCKET, &rows[..2]).as_slice()).unwrap();
    says(&stage.refused().await, &[DATA, "bytes"]);
    let (stage, _) = written().await;
    stage.world.vanish(INVENTORIES, DATA);
    says(&stage.refused().await, &[DATA]);
}

#[tokio::test]
async fn p03_a_manifest_that_is_damaged_or_of_another_bucket_is_refused() {
    let (stage, _) = written().await;
    stage.world.flip_stored_bit(INVENTORIES, MANIFEST, 400).unwrap();
    says(&stage.refused().await, &["manifest.checksum"]);
    let (stage, rows) = written().await;
    let text = inventory::manifest("other", ("CSV", inventory::SCHEMA), 0, &[]);
    stage.world.vanish(INVENTORIES, MANIFEST.replace(".json", ".checksum"));
    stage.world.seed(INVENTORIES, MANIFEST, text.as_bytes()).unwrap();
    says(&stage.refused().await, &["`other`", "`data`"]);
    let files = vec![inventory::csv("other", &rows)];
    stage.write(("CSV", inventory::SCHEMA), files);
    says(&stage.refused().await, &[DATA, "`other`"]);
}

#[tokio::test]
async fn p09_a_key_that_stands_there_twice_is_refused() {
    let (stage, rows) = written().await;
    stage.write_csv(&[rows.clone(), rows[1..2].to_vec()]);
    says(&stage.refused().await, &["`b`", "twice"]);
}

#[tokio::test]
async fn what_lacks_a_column_or_is_orc_says_what_to_change() {
    let (stage, _) = written().await;
    for (schema, missing) in [
        ("Bucket, Key, Size, LastModifiedDate", "ETag"),
        ("Bucket, Key, ETag, LastModifiedDate", "Size"),
        ("Bucket, Key, ETag, Size", "LastModifiedDate"),
    ] {
        stage.write(("CSV", schema), Vec::new());
        says(&stage.refused().await, &[missing, "optional fields"]);
    }
    stage.write(("CSV", "Bucket, Key, VersionId, Size, LastModifiedDate, ETag"), Vec::new());
    says(&stage.refused().await, &["which of them is the latest"]);
    stage.write(("ORC", "struct<bucket:string,key:string>"), Vec::new());
    says(&stage.refused().await, &["ORC", "CSV or Parquet"]);
}

#[tokio::test]
async fn p14_a_row_that_cannot_be_understood_is_no_row_that_can_be_left_out() {
    let (stage, rows) = written().await;
    let etag = rows[0].entry.identity.as_etag().unwrap().to_owned();
    let good = format!("\"data\",\"a\",\"3\",\"2026-01-01T00:00:00.000Z\",\"{etag}\"\n");
    for (bad, word) in [
        ("\"data\",\"b%4\",\"3\",\"2026-01-01T00:00:00.000Z\",\"e\"\n", "URL-encoded"),
        ("\"data\",\"b\",\"-3\",\"2026-01-01T00:00:00.000Z\",\"e\"\n", "size"),
        ("\"data\",\"b\",\"3\",\"yesterday\",\"e\"\n", "time"),
        ("\"data\",\"b\",\"3\",\"2026-01-01T00:00:00.000Z\",\"\"\n", "ETag"),
        ("\"data\",\"b\",\"\",\"2026-01-01T00:00:00.000Z\",\"e\"\n", "size"),
        ("\"data\",\"\",\"3\",\"2026-01-01T00:00:00.000Z\",\"e\"\n", "key"),
        ("\"data\",\"%FF\",\"3\",\"2026-01-01T00:00:00.000Z\",\"e\"\n", "key"),
        ("\"data\",\"b\"\n", "fields"),
    ] {
        let text = format!("{good}{bad}").into_bytes();
        stage.write(("CSV", "Bucket, Key, Size, LastModifiedDate, ETag"), vec![text]);
        says(&stage.refused().await, &["damaged", word]);
    }
    stage.write(("Parquet", crate::parquet::SCHEMA), vec![b"PAR1 no such file PAR1".to_vec()]);
    says(&stage.refused().await, &["damaged"]);
}

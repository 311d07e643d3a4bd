//! `objects.list`.

use super::{BUCKET, Lab};
use crate::world::{NewObject, Versioning};
use serde_json::Value;

async fn list(lab: &Lab, query: &str) -> Value {
    lab.get(&format!("/storage/v1/b/{BUCKET}/o?{query}")).await.is(200).json()
}

fn names(page: &Value) -> Vec<String> {
    page["items"].as_array().into_iter().flatten().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

/// Names, and prefixes with a `>` before them, of all pages.
async fn all(lab: &Lab, query: &str) -> (Vec<String>, usize) {
    let (mut found, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = list(lab, &format!("{query}&pageToken={token}")).await;
        pages += 1;
        found.extend(names(&page));
        found.extend(page["prefixes"].as_array().into_iter().flatten().map(|prefix| format!(">{}", prefix.as_str().unwrap())));
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return (found, pages),
        }
    }
}

#[tokio::test]
async fn pages_follow_byte_order_and_end() {
    let lab = Lab::start().await;
    for name in ["b", "a", "B", "\u{e9}", "a/b", "a.b"] {
        lab.seed(name, "x");
    }
    assert_eq!(all(&lab, "maxResults=2").await, (["B", "a", "a.b", "a/b", "b", "\u{e9}"].map(str::to_owned).to_vec(), 3));
    assert_eq!(all(&lab, "prefix=a").await.0, ["a", "a.b", "a/b"]);
    assert_eq!(all(&lab, "startOffset=a.b&endOffset=b&maxResults=1").await, (["a.b", "a/b"].map(str::to_owned).to_vec(), 2));
    assert_eq!(list(&lab, "prefix=none").await.as_object().unwrap().len(), 1, "only the kind");
    lab.get(&format!("/storage/v1/b/{BUCKET}/o?pageToken=!")).await.is(400);
    lab.get("/storage/v1/b/none/o").await.is(404);
    lab.get(&format!("/storage/v1/b/{BUCKET}/o?matchGlob=*")).await.is(501);
}

#[tokio::test]
async fn a_page_has_at_most_a_thousand_items() {
    let lab = Lab::start().await;
    lab.world.populate(BUCKET, (0..2500).map(|number| format!("{number:05}")), &NewObject::default()).unwrap();
    assert_eq!(list(&lab, "maxResults=5000").await["items"].as_array().unwrap().len(), 1000);
    let (found, pages) = all(&lab, "").await;
    assert_eq!((found.len(), pages), (2500, 3));
    assert!(found.is_sorted());
}

#[tokio::test]
async fn delimiters_roll_names_up() {
    let lab = Lab::start().await;
    for name in ["a", "d/", "d/x", "d/y", "e/x", "f"] {
        lab.seed(name, "x");
    }
    let (mut found, pages) = all(&lab, "delimiter=/&maxResults=1").await;
    found.sort();
    assert_eq!((found, pages), ([">d/", ">e/", "a", "f"].map(str::to_owned).to_vec(), 4));
    let with_markers = list(&lab, "delimiter=/&includeTrailingDelimiter=true").await;
    assert_eq!(names(&with_markers), ["a", "d/", "f"]);
    assert_eq!(names(&list(&lab, "delimiter=/&prefix=d/").await), ["d/", "d/x", "d/y"]);
}

#[tokio::test]
async fn only_the_fields_asked_for_are_given() {
    let lab = Lab::start().await;
    lab.seed("a", "x");
    lab.seed("b", "x");
    let page = list(&lab, "fields=items(name,size),nextPageToken&maxResults=1").await;
    let mut keys: Vec<&String> = page.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["items", "nextPageToken"]);
    assert_eq!(page["items"][0], serde_json::json!({"name": "a", "size": "1"}));
    lab.get(&format!("/storage/v1/b/{BUCKET}/o?fields=items(")).await.is(400);
}

#[tokio::test]
async fn versions_come_oldest_first_through_any_page_size() {
    let lab = Lab::start().await;
    lab.world.set_versioning(BUCKET, Versioning::Enabled).unwrap();
    let mut expected = Vec::new();
    for name in ["a", "b", "c"] {
        for _ in 0..5 {
            expected.push((name.to_owned(), lab.seed(name, "x").to_string()));
        }
    }
    lab.delete(&format!("/storage/v1/b/{BUCKET}/o/c")).await.is(204);
    assert_eq!(names(&list(&lab, "").await), ["a", "b"]);
    for page_size in 1..8 {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(&lab, &format!("versions=true&maxResults={page_size}&pageToken={token}")).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= page_size);
            found.extend(
                items.iter().map(|item| (item["name"].as_str().unwrap().to_owned(), item["generation"].as_str().unwrap().to_owned())),
            );
            match page["nextPageToken"].as_str() {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(found, expected, "pages of {page_size}");
    }
    let page = list(&lab, "versions=true&prefix=b").await;
    let replaced: Vec<bool> = page["items"].as_array().unwrap().iter().map(|item| item.get("timeDeleted").is_some()).collect();
    assert_eq!(replaced, [true, true, true, true, false]);
}

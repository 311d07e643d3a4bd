//! S3's XML: listings, error documents, answers to deletes and to multipart uploads.
//!
//! Beyond not panicking: no cut, doubled or mistaken document is read; keys come back byte for byte and in order, in both
//! spellings; what reaches an error message is one bounded line.
#![no_main]

use std::fmt::Write as _;

use brigade_fuzz::{assert_harmless, assert_readable, assert_whole, keys, text_keys, xml};
use brigade_s3_xml::copy::parse_copy;
use brigade_s3_xml::upload::{parse_complete, parse_initiate, parse_parts, parse_uploads};
use brigade_s3_xml::{parse_delete_result, parse_error, parse_list_page};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    any_document(data);
    encoded_keys_come_back(&keys(data));
    plain_keys_come_back(&text_keys(data));
});

fn any_document(data: &[u8]) {
    assert_whole(data, |document| parse_list_page(document).ok());
    assert_whole(data, |document| parse_delete_result(document).ok());
    assert_whole(data, |document| parse_initiate(document).ok());
    assert_whole(data, |document| parse_complete(document).ok());
    assert_whole(data, |document| parse_copy(document).ok());
    assert_whole(data, |document| parse_parts(document).ok());
    assert_whole(data, |document| parse_uploads(document).ok());

    let page = parse_list_page(data);
    if let Err(error) = &page {
        assert_readable(&error.to_string());
    }
    let deleted = parse_delete_result(data);
    let roots = [page.is_ok(), deleted.is_ok(), parse_initiate(data).is_ok(), parse_complete(data).is_ok(), parse_copy(data).is_ok(), parse_parts(data).is_ok()];
    assert!(roots.iter().filter(|read| **read).count() <= 1, "one document was read as two kinds: {roots:?}");

    for error in deleted.iter().flat_map(|result| &result.errors) {
        assert_harmless(&error.code);
        assert_harmless(&error.message);
    }
    if let Ok(body) = parse_error(data) {
        for text in [body.code, body.message, body.request_id, body.region].into_iter().flatten() {
            assert!(!text.is_empty());
            assert_harmless(&text);
        }
    }
}

/// `encoding-type=url`: any bytes at all, a space as `+` or as `%20`.
fn encoded_keys_come_back(keys: &[&[u8]]) {
    let mut page = String::from("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>");
    for (index, key) in keys.iter().enumerate() {
        page.push_str("<Contents><Key>");
        for byte in *key {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'*' => page.push(char::from(*byte)),
                b' ' if index % 2 == 0 => page.push('+'),
                byte => write!(page, "%{byte:02X}").expect("writing to a string never fails"),
            }
        }
        write!(page, "</Key><Size>{index}</Size></Contents>").expect("writing to a string never fails");
    }
    page.push_str("</ListBucketResult>");
    let page = parse_list_page(page.as_bytes()).expect("a right page is read");
    let read: Vec<&[u8]> = page.objects.iter().map(|listed| listed.key.as_bytes()).collect();
    assert_eq!(read, keys);
    assert!(page.objects.iter().zip(0..).all(|(listed, index)| listed.size == index));
    assert_eq!(page.next, None);
}

/// Without an encoding, keys are text; the same in a listing, in an answer to deletes and in a list of uploads.
fn plain_keys_come_back(keys: &[&str]) {
    let written: Vec<String> = keys.iter().map(|key| xml(key)).collect();
    let document = |root: &str, head: &str, item: &dyn Fn(&String) -> String| {
        format!("<{root}>{head}{}</{root}>", written.iter().map(item).collect::<String>())
    };
    let listing = document("ListBucketResult", "<IsTruncated>false</IsTruncated>", &|key| {
        format!("<Contents><Size>1</Size><Key>{key}</Key></Contents>")
    });
    let page = parse_list_page(listing.as_bytes()).expect("a right page is read");
    assert!(page.objects.iter().map(|listed| listed.key.as_bytes()).eq(keys.iter().map(|key| key.as_bytes())));

    let answer = document("DeleteResult", "", &|key| format!("<Deleted><Key>{key}</Key></Deleted><Error><Key>{key}</Key></Error>"));
    let result = parse_delete_result(answer.as_bytes()).expect("a right answer is read");
    assert!(result.deleted.iter().map(|deleted| deleted.key.as_str()).eq(keys.iter().copied()));
    assert!(result.errors.iter().map(|error| error.key.as_str()).eq(keys.iter().copied()));

    let uploads = document("ListMultipartUploadsResult", "", &|key| format!("<Upload><Key>{key}</Key><UploadId>u</UploadId></Upload>"));
    let uploads = parse_uploads(uploads.as_bytes()).expect("a right list is read");
    assert!(uploads.uploads.iter().map(|upload| upload.key.as_str()).eq(keys.iter().copied()));
}

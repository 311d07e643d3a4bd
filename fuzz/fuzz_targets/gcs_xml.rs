//! The XML API of GCS: answers to multipart uploads, and error documents.
//!
//! Beyond not panicking: no cut, doubled or mistaken document is read (an error glued to a success must never look like the
//! success); names, ids and ETags come back byte for byte and in order.
#![no_main]

use std::fmt::Write as _;

use brigade_fuzz::{assert_harmless, assert_whole, text_keys, xml};
use brigade_gcs::{parse_complete, parse_error, parse_initiate, parse_parts, parse_uploads};
use libfuzzer_sys::fuzz_target;

const ERROR: &[u8] = b"<Error><Code>InternalError</Code></Error>";
const COMPLETED: &[u8] = b"<CompleteMultipartUploadResult/>";

fuzz_target!(|data: &[u8]| {
    any_document(data);
    texts_come_back(&text_keys(data));
});

fn any_document(data: &[u8]) {
    let complete = |document: &[u8]| parse_complete(document).then_some(());
    assert_whole(data, complete);
    assert_whole(data, parse_initiate);
    assert_whole(data, parse_parts);
    assert_whole(data, parse_uploads);
    let roots = [parse_complete(data), parse_initiate(data).is_some(), parse_parts(data).is_some(), parse_uploads(data).is_some()];
    assert!(roots.iter().filter(|read| **read).count() <= 1, "one document was read as two kinds: {roots:?}");
    assert_ne!(parse_initiate(data).as_deref(), Some(""), "an upload without an id");

    // Whatever stands before or behind a document that says "failed", it does not become one that says "done".
    assert!(!parse_complete(&[data, ERROR].concat()));
    assert!(!parse_complete(&[ERROR, data].concat()));
    assert!(!parse_complete(&[data, ERROR, COMPLETED].concat()));

    let body = parse_error(data);
    for text in [body.code, body.message].into_iter().flatten() {
        assert_harmless(&text);
    }
}

fn texts_come_back(texts: &[&str]) {
    let mut parts = String::from("<ListPartsResult xmlns=\"x\">");
    let mut uploads = String::from("<ListMultipartUploadsResult>");
    for (text, number) in texts.iter().map(|text| xml(text)).zip(1_u32..) {
        write!(parts, "<Part><PartNumber>{number}</PartNumber><ETag>{text}</ETag><Size>{number}</Size></Part>").expect("text");
        write!(uploads, "<Upload><Key>{text}</Key><UploadId>{text}</UploadId></Upload>").expect("text");
    }
    let parts = parse_parts(format!("{parts}</ListPartsResult>").as_bytes()).expect("a right list is read");
    let uploads = parse_uploads(format!("{uploads}</ListMultipartUploadsResult>").as_bytes()).expect("a right list is read");
    assert!(parts.parts.iter().map(|part| part.etag.as_str()).eq(texts.iter().copied()));
    assert!(parts.parts.iter().zip(1..).all(|(part, number)| part.number == number && part.size == u64::from(number)));
    assert!(uploads.uploads.iter().map(|upload| (upload.name.as_str(), upload.id.as_str())).eq(texts.iter().map(|text| (*text, *text))));
}

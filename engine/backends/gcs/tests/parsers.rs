//! Whatever a server sends, a parser answers; it never panics, and never takes noise for an answer.

use brigade_gcs::{parse_batch, parse_complete, parse_error, parse_initiate, parse_list_page, parse_parts, parse_uploads};
use proptest::prelude::*;

fn all(body: &[u8]) {
    let _ = parse_list_page(body, b"p/");
    let _ = parse_error(body);
    let _ = parse_batch("b", body);
    let _ = parse_initiate(body);
    let _ = parse_complete(body);
    let _ = parse_parts(body);
    let _ = parse_uploads(body);
}

/// Good documents, to be cut and spoiled.
const DOCUMENTS: [&str; 4] = [
    r#"{"nextPageToken":"t","items":[{"name":"p/\u00e9","generation":"1","size":"2","crc32c":"AAAAAA==","metadata":{"a":"b"}}]}"#,
    r#"{"error":{"code":412,"message":"m","errors":[{"reason":"conditionNotMet","message":"m"}]}}"#,
    "<ListPartsResult><IsTruncated>true</IsTruncated><Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag><Size>5</Size></Part></ListPartsResult>",
    "--b\r\nContent-ID: <response-x+0>\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n{}\r\n--b--",
];

proptest! {
    #[test]
    fn noise_never_panics(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&body);
        let structured = body.iter().any(|byte| matches!(byte, b'{' | b'['));
        prop_assert!(structured || parse_list_page(&body, b"").is_err());
    }

    #[test]
    fn spoiled_documents_never_panic(document in 0..DOCUMENTS.len(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = DOCUMENTS[document].as_bytes().to_vec();
        let index = at.index(body.len());
        body[index] = byte;
        body.truncate(cut.index(body.len()) + 1);
        all(&body);
    }

    /// p14: a name comes out of a listing as it went in.
    #[test]
    fn names_survive_json(name in "\\PC{0,40}|[\\x00-\\x1f\"\\\\/]{1,8}") {
        let text = serde_json::to_string(&format!("p/{name}")).expect("text");
        let body = format!(r#"{{"items":[{{"name":{text},"generation":"1","size":"0"}}]}}"#);
        let page = parse_list_page(body.as_bytes(), b"p/").expect("a page");
        prop_assert_eq!(page.entries[0].key.as_bytes(), name.as_bytes());
    }
}

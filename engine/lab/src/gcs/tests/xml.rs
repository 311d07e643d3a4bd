//! The XML interface.

use super::{BUCKET, Got, Lab};
use crate::fault::Op;
use http::Method;

const MD5_OF_X: &str = "ndTkYSaMgDT1yFZOFVxnpg==";

async fn create(lab: &Lab, name: &str, headers: &[(&str, &str)]) -> String {
    let created = lab.send(Method::POST, &format!("/{BUCKET}/{name}?uploads"), headers, "").await.is(200);
    created.element("UploadId").unwrap().to_owned()
}

async fn part(lab: &Lab, name: &str, id: &str, number: u32, body: &'static str) -> Got {
    lab.send(Method::PUT, &format!("/{BUCKET}/{name}?partNumber={number}&uploadId={id}"), &[], body).await
}

async fn complete(lab: &Lab, name: &str, id: &str, headers: &[(&str, &str)], parts: &[(u32, &str)]) -> Got {
    let listed: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", etag.replace('"', "&quot;")))
        .collect();
    let body = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    lab.send(Method::POST, &format!("/{BUCKET}/{name}?uploadId={id}"), headers, body).await
}

#[tokio::test]
async fn an_object_is_put_read_described_and_deleted() {
    let lab = Lab::start().await;
    let headers = [
        ("content-type", "text/x"),
        ("content-encoding", "identity"),
        ("cache-control", "no-cache"),
        ("x-goog-meta-key", "value"),
        ("x-goog-storage-class", "NEARLINE"),
        ("x-goog-hash", "crc32c=yZRlqg=="),
        ("x-goog-if-generation-match", "0"),
    ];
    let path = format!("/{BUCKET}/a//b%20c");
    let put = lab.send(Method::PUT, &path, &headers, "hello world").await.is(200);
    let generation = put.header("x-goog-generation").unwrap().to_owned();
    assert_eq!(put.header("etag"), Some("\"5eb63bbbe01eeed093cb22bb8f5acdc3\""));
    assert_eq!(lab.send(Method::PUT, &path, &headers, "hello world").await.is(412).element("Code"), Some("PreconditionFailed"));
    assert_eq!(lab.world.keys(BUCKET), [b"a//b c".to_vec()]);
    let head = lab.send(Method::HEAD, &path, &[], "").await.is(200);
    assert_eq!(head.header("content-length"), Some("11"));
    let get = lab.get(&path).await.is(200);
    assert_eq!(get.text(), "hello world");
    for answer in [&head, &get] {
        for (name, value) in [
            ("content-type", "text/x"),
            ("cache-control", "no-cache"),
            ("x-goog-meta-key", "value"),
            ("x-goog-storage-class", "NEARLINE"),
            ("x-goog-generation", &generation),
            ("x-goog-metageneration", "1"),
            ("x-goog-hash", "crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww=="),
            ("x-goog-stored-content-encoding", "identity"),
            ("x-goog-stored-content-length", "11"),
            ("etag", "\"5eb63bbbe01eeed093cb22bb8f5acdc3\""),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
    let part = lab.send(Method::GET, &path, &[("range", "bytes=-5"), ("x-goog-if-generation-match", &generation)], "").await.is(206);
    assert_eq!((part.text(), part.header("content-range")), ("world", Some("bytes 6-10/11")));
    lab.send(Method::GET, &path, &[("x-goog-if-generation-match", "1")], "").await.is(412);
    lab.send(Method::GET, &path, &[("if-match", "\"other\"")], "").await.is(412);
    lab.send(Method::DELETE, &path, &[("x-goog-if-generation-match", "1")], "").await.is(412);
    lab.send(Method::DELETE, &path, &[("x-goog-if-generation-match", &generation)], "").await.is(204);
    assert_eq!(lab.get(&path).await.is(404).element("Code"), Some("NoSuchKey"));
    assert_eq!(lab.get("/none/a").await.is(404).element("Code"), Some("NoSuchBucket"));
}

#[tokio::test]
async fn wrong_digests_and_mixed_headers_are_refused() {
    let lab = Lab::start().await;
    let path = format!("/{BUCKET}/a");
    for header in [("x-goog-hash", "crc32c=AAAAAA=="), ("x-goog-hash", "md5=AAAAAAAAAAAAAAAAAAAAAA=="), ("content-md5", MD5_OF_X)] {
        assert_eq!(lab.send(Method::PUT, &path, &[header], "y").await.is(400).element("Code"), Some("BadDigest"));
    }
    assert_eq!(lab.send(Method::PUT, &path, &[("content-md5", "no")], "y").await.is(400).element("Code"), Some("InvalidDigest"));
    let mixed = [("x-goog-meta-a", "1"), ("x-amz-checksum-crc32", "AAAAAA==")];
    assert_eq!(lab.send(Method::PUT, &path, &mixed, "y").await.is(400).element("Code"), Some("ExcessHeaderValues"));
    assert!(lab.is_absent("a"));
    lab.send(Method::PUT, &path, &[("content-md5", MD5_OF_X)], "x").await.is(200);
    assert_eq!(lab.send(Method::PUT, &format!("/{BUCKET}/.."), &[], "x").await.is(400).element("Code"), Some("InvalidObjectName"));
    lab.get("/").await.is(501);
}

#[tokio::test]
async fn a_multipart_upload_publishes_once_with_its_crc32c() {
    let lab = Lab::start().await;
    let id = create(&lab, "a%2Fb", &[("content-type", "text/x"), ("x-goog-meta-k", "v")]).await;
    let two = part(&lab, "a/b", &id, 2, "world").await.is(200);
    let one = part(&lab, "a/b", &id, 1, "hello ").await.is(200);
    assert!(one.header("x-goog-hash").unwrap().contains("md5="));
    let wrong = [("x-goog-hash", "crc32c=AAAAAA==")];
    let path = format!("/{BUCKET}/a/b?partNumber=3&uploadId={id}");
    assert_eq!(lab.send(Method::PUT, &path, &wrong, "zzzz").await.is(400).element("Code"), Some("BadDigest"));
    let listed = lab.get(&format!("/{BUCKET}/a/b?uploadId={id}&max-parts=1")).await.is(200);
    assert_eq!(
        (listed.element("PartNumber"), listed.element("IsTruncated"), listed.element("NextPartNumberMarker")),
        (Some("1"), Some("true"), Some("1"))
    );
    let rest = lab.get(&format!("/{BUCKET}/a/b?uploadId={id}&part-number-marker=1")).await.is(200);
    assert_eq!((rest.element("PartNumber"), rest.element("IsTruncated"), rest.element("Size")), (Some("2"), Some("false"), Some("5")));
    let uploads = lab.get(&format!("/{BUCKET}?uploads&prefix=a/")).await.is(200);
    assert_eq!((uploads.element("Key"), uploads.element("UploadId")), (Some("a/b"), Some(id.as_str())));
    let etags = [one.header("etag").unwrap(), two.header("etag").unwrap()];
    complete(&lab, "a/b", &id, &[], &[(1, etags[1]), (2, etags[0])]).await.is(400);
    complete(&lab, "a/b", &id, &[], &[(2, etags[1]), (1, etags[0])]).await.is(400);
    complete(&lab, "a/b", &id, &wrong, &[(1, etags[0]), (2, etags[1])]).await.is(400);
    assert!(lab.is_absent("a/b"));
    let done = complete(&lab, "a/b", &id, &[], &[(1, etags[0]), (2, etags[1])]).await.is(200);
    assert_eq!(done.header("x-goog-hash"), Some("crc32c=yZRlqg=="));
    assert_eq!(done.element("Key"), Some("a/b"));
    let head = lab.send(Method::HEAD, &format!("/{BUCKET}/a/b"), &[], "").await.is(200);
    assert_eq!((head.header("content-type"), head.header("x-goog-meta-k")), (Some("text/x"), Some("v")));
    assert_eq!((head.header("x-goog-hash"), head.header("x-goog-generation")), (Some("crc32c=yZRlqg=="), done.header("x-goog-generation")));
    let resource = lab.get(&format!("/storage/v1/b/{BUCKET}/o/a%2Fb")).await.json();
    assert_eq!((resource.get("md5Hash"), &resource["crc32c"]), (None, &"yZRlqg==".into()));
    complete(&lab, "a/b", &id, &[], &[(1, etags[0])]).await.is(404);
    let counts = lab.server.requests().counts();
    assert_eq!((counts.of(Op::CreateUpload), counts.of(Op::PutPart), counts.of(Op::ListParts)), (1, 3, 2));
}

#[tokio::test]
async fn a_complete_ignores_preconditions_and_overwrites() {
    let lab = Lab::start().await;
    let id = create(&lab, "a", &[]).await;
    let one = part(&lab, "a", &id, 1, "new!").await.is(200);
    lab.seed("a", "old");
    let conditions = [("x-goog-if-generation-match", "0"), ("if-none-match", "*")];
    complete(&lab, "a", &id, &conditions, &[(1, one.header("etag").unwrap())]).await.is(200);
    assert_eq!(lab.bytes("a"), "new!");
    let mut honours = lab.world.honours();
    honours.xml_conditional_complete = true;
    lab.world.set_honours(honours);
    let id = create(&lab, "a", &[]).await;
    let one = part(&lab, "a", &id, 1, "other").await.is(200);
    complete(&lab, "a", &id, &conditions, &[(1, one.header("etag").unwrap())]).await.is(412);
    assert_eq!(lab.bytes("a"), "new!");
}

#[tokio::test]
async fn an_aborted_upload_and_small_parts() {
    let lab = Lab::start().await;
    let id = create(&lab, "a", &[]).await;
    let one = part(&lab, "a", &id, 1, "abc").await.is(200);
    let two = part(&lab, "a", &id, 2, "d").await.is(200);
    let parts = [(1, one.header("etag").unwrap()), (2, two.header("etag").unwrap())];
    assert_eq!(complete(&lab, "a", &id, &[], &parts).await.is(400).element("Code"), Some("EntityTooSmall"));
    part(&lab, "a", &id, 0, "x").await.is(400);
    part(&lab, "a", &id, 10_001, "x").await.is(400);
    lab.delete(&format!("/{BUCKET}/a?uploadId={id}")).await.is(204);
    assert_eq!(lab.delete(&format!("/{BUCKET}/a?uploadId={id}")).await.is(404).element("Code"), Some("NoSuchUpload"));
    part(&lab, "a", &id, 1, "abc").await.is(404);
    assert_eq!(lab.world.uploads_under_way(BUCKET), 0);
}

#[tokio::test]
async fn uploads_are_listed_page_by_page() {
    let lab = Lab::start().await;
    for name in ["a", "a", "b"] {
        create(&lab, name, &[]).await;
    }
    let (mut found, mut markers) = (Vec::new(), String::new());
    loop {
        let page = lab.get(&format!("/{BUCKET}?uploads&max-uploads=1{markers}")).await.is(200);
        found.push(page.element("Key").unwrap().to_owned());
        if page.element("IsTruncated") == Some("false") {
            break;
        }
        let (key, id) = (page.element("NextKeyMarker").unwrap(), page.element("NextUploadIdMarker").unwrap());
        markers = format!("&key-marker={key}&upload-id-marker={id}");
    }
    assert_eq!(found, ["a", "a", "b"]);
    let after = lab.get(&format!("/{BUCKET}?uploads&key-marker=a")).await.is(200);
    assert_eq!(after.element("Key"), Some("b"));
}

#[tokio::test]
async fn many_are_deleted_by_generation_in_one_call() {
    let lab = Lab::start().await;
    let old = lab.seed("a", "old");
    lab.seed("a", "new");
    let generation = lab.seed("b&<", "x");
    let body = format!(
        "<Delete><Object><Key>a</Key><VersionId>{old}</VersionId></Object><Object><Key>b&amp;&lt;</Key><VersionId>{generation}</VersionId></Object><Object><Key>none</Key></Object><Object><Key>c</Key><VersionId>x</VersionId></Object></Delete>"
    );
    let path = format!("/{BUCKET}?delete");
    lab.send(Method::POST, &path, &[], body.clone()).await.is(400);
    lab.send(Method::POST, &path, &[("content-md5", MD5_OF_X)], body.clone()).await.is(400);
    let digest = crate::world::checksum_of(crate::world::ChecksumAlgorithm::Crc32c, body.as_bytes());
    let answer = lab.send(Method::POST, &path, &[("x-goog-hash", &format!("crc32c={digest}"))], body).await.is(200);
    assert_eq!(answer.text().matches("<Deleted>").count(), 3);
    assert_eq!(answer.element("Code"), Some("InvalidArgument"));
    assert_eq!(lab.bytes("a"), "new", "another generation stays");
    assert!(lab.is_absent("b&<"));
    let counts = lab.server.requests().counts();
    assert_eq!((counts.of(Op::DeleteBatch), counts.of(Op::DeleteEntry)), (3, 4));
    lab.send(Method::POST, &path, &[("content-md5", MD5_OF_X)], "x").await.is(400);
}

//! What the server writes down of the bodies it receives, and listings that lag behind.

#![allow(clippy::unwrap_used)]
use super::*;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[tokio::test]
async fn bodies_are_written_down_by_upload_and_part() {
    let lab = Lab::start().await;
    let counters = lab.server.requests();
    counters.start_log();
    let (id, _) = multipart(&lab, &[], &[], &["first", "last"]).await;
    lab.send("PUT", "/bucket/k", &[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")], b"refused").await;
    let (other, _) = multipart(&lab, &[], &[], &["first"]).await;
    let seen: Vec<_> = counters.arrivals().into_iter().map(|one| (one.key, one.part, one.bytes, one.md5.is_some())).collect();
    let part = |id: &String, number, bytes| (b"m".to_vec(), Some((id.clone(), number)), bytes, true);
    assert_eq!(seen, [part(&id, 1, 5), part(&id, 2, 4), (b"k".to_vec(), None, 7, true), part(&other, 1, 5)]);
    assert_eq!(counters.traffic("bucket").repeated_bytes(), 5);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_written_down_as_far_as_it_came() {
    let lab = Lab::start().await;
    let counters = lab.world().requests();
    counters.start_log();
    let mut stream = TcpStream::connect(lab.server.server.address()).await.unwrap();
    stream.write_all(b"PUT /bucket/k HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    // The request is inside before the connection goes.
    until(|| counters.counts().received_bytes == 4).await;
    drop(stream);
    until(|| !counters.arrivals().is_empty()).await;
    let traffic = counters.traffic("bucket");
    assert_eq!((traffic.broken_bytes, traffic.whole_bytes), (4, 0));
}

#[tokio::test]
async fn a_stale_page_is_that_of_before() {
    let lab = Lab::start().await;
    lab.world().seed("bucket", "old", "x").unwrap();
    lab.world().seed("bucket", "new", "x").unwrap();
    for listing in ["/bucket?list-type=2", "/bucket"] {
        lab.fault(Op::List, Action::StaleList { behind: 1 });
        let stale = lab.get(listing).await.text();
        assert!(stale.contains("<Key>old</Key>") && !stale.contains("<Key>new</Key>"), "{stale}");
        assert!(lab.get(listing).await.text().contains("<Key>new</Key>"));
    }
}

async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(ANSWER_TIME_MAX, wait).await.expect("it holds in time");
}

//! p02: bytes that are corrupted between the engine and the target, after they were digested and before they are stored.
//!
//! A relay stands before the target's server and flips a bit of the body wherever it sees a mark that stands in the original.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brigade_lab::world::Honours;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::setting::{LARGE, MIB, Pair, SMALL, Setting, fails_as, for_pairs};
use crate::support::{BUCKET, Ran};

/// Stands once in the original; its first byte occurs nowhere else.
const MARK: &[u8] = b"\x07THE MARK OF THE ORIGINAL";

/// A relay; dropping it stops it.
struct Relay {
    address: SocketAddr,
    flipped: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// Flips a bit of the first `flips_max` marks on their way to `server`.
    async fn before(server: &str, flips_max: u64) -> Self {
        let server: SocketAddr = server.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let flipped = Arc::new(AtomicU64::new(0));
        let counter = flipped.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counter = counter.clone();
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    client.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    let ((from_client, mut to_client), (mut from_server, to_server)) = (client.into_split(), server.into_split());
                    let down = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                    up(from_client, to_server, &counter, flips_max).await;
                    // Either side may close first; both halves end with the connection.
                    down.abort();
                });
            }
        });
        Self { address, flipped, task }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes to the server. What may be the beginning of a mark is held back until more has come.
async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, flipped: &AtomicU64, flips_max: u64) {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        buffer.extend_from_slice(&chunk[..read]);
        let mut keep = buffer.len();
        if let Some(at) = buffer.iter().position(|byte| *byte == MARK[0]) {
            let found = &buffer[at..];
            if found.len() < MARK.len() && MARK.starts_with(found) {
                keep = at;
            } else if found.starts_with(MARK) && flipped.fetch_add(1, Ordering::SeqCst) < flips_max {
                buffer[at + 5] ^= 1;
            }
        }
        if to.write_all(&buffer[..keep]).await.is_err() {
            return;
        }
        buffer.drain(..keep);
    }
}

/// An original of this size with the mark in its middle.
fn marked(size: u64) -> Vec<u8> {
    let mut bytes = vec![b'.'; usize::try_from(size).unwrap()];
    let middle = bytes.len() / 2;
    bytes[middle..middle + MARK.len()].copy_from_slice(MARK);
    bytes
}

/// Migrates a sample with one marked original through a relay that flips so many marks.
async fn through_relay(pair: Pair, honours: Honours, key: &str, flips_max: u64, more: &[&str]) -> (Setting, Ran) {
    let mut setting = Setting::many(pair, 3).await;
    let size = if key == LARGE { 11 * MIB } else { 70_000 };
    setting.original(key, marked(size).as_slice());
    setting.target().set_honours(honours);
    let url = if pair == Pair::S3ToGcs { setting.lab.gcs_other.url() } else { setting.lab.s3_other.url() };
    let relay = Relay::before(&url, flips_max).await;
    let url = format!("http://{}", relay.address);
    let ran = setting.run("migrate", &[&["--target-endpoint-url", &url], more].concat()).await;
    assert!(relay.flipped.load(Ordering::SeqCst) > 0, "the mark was seen");
    (setting, ran)
}

/// The real clouds, and servers that compare no digest.
const KINDS: [Honours; 2] = [Honours::REAL, Honours { checksums: false, content_md5: false, ..Honours::REAL }];

for_pairs! {
    p02_a_bit_flipped_on_the_way_to_the_target_is_sent_again(S3ToS3, S3ToGcs) = flipped_once;
    p02_bits_that_always_flip_on_the_way_to_the_target_leave_no_copy(S3ToS3, S3ToGcs) = flipped_always;
}

async fn flipped_once(pair: Pair) {
    for honours in KINDS {
        for key in [SMALL, LARGE] {
            let (setting, ran) = through_relay(pair, honours, key, 1, &[]).await;
            let ran = ran.expect(0);
            assert_eq!(ran.objects("deleted_source"), 4);
            setting.arrived();
        }
    }
}

async fn flipped_always(pair: Pair) {
    for honours in KINDS {
        for key in [SMALL, LARGE] {
            let (setting, ran) = through_relay(pair, honours, key, u64::MAX, &["--attempts", "2"]).await;
            let ran = ran.expect(1);
            fails_as(&ran, key, "failed", "corrupt");
            assert!(setting.target().peek(BUCKET, key).is_err(), "no wrong copy stays visible");
            assert_eq!(ran.objects("deleted_source"), 0);
            setting.originals_are_there();
        }
    }
}

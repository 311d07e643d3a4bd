//! Both embedded servers over one world, to be tried by hand: prints one JSON line with their addresses and runs until killed.
//!
//! `cargo run -p brigade-lab --example lab_servers -- [S3_PORT [GCS_PORT]]`; port 0, the default, takes a free one.

#![allow(clippy::print_stdout)]

use brigade_lab::gcs::{GcsServer, GcsServerOptions};
use brigade_lab::s3::{S3Options, S3Server};
use brigade_lab::world::World;
use std::error::Error;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut port = || arguments.next().map_or(Ok(0), |text| text.parse::<u16>());
    let world = World::new();
    let s3_options = S3Options { port: port()?, ..S3Options::default() };
    let (access_key, secret_key) = (s3_options.access_key.clone(), s3_options.secret_key.clone());
    let s3 = S3Server::start(Arc::clone(&world), s3_options).await?;
    let gcs = GcsServer::start(world, GcsServerOptions { port: port()?, ..GcsServerOptions::default() }).await?;
    let line = serde_json::json!({"s3": s3.url(), "gcs": gcs.url(), "access_key": access_key, "secret_key": secret_key});
    println!("{line}");
    std::future::pending::<()>().await;
    Ok(())
}

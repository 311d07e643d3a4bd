//! `lab`: the embedded servers on loopback, to try things against.

use std::process::ExitCode;

use brigade_lab::gcs::{GcsServer, GcsServerOptions};
use brigade_lab::s3::{S3Options, S3Server};
use brigade_lab::world::World;
use serde_json::json;

use crate::args::{Global, LabArgs};
use crate::error::CliError;
use crate::interrupt;
use crate::say;

/// Serves until interrupted.
pub async fn run(args: &LabArgs, global: &Global) -> Result<ExitCode, CliError> {
    let (s3_world, gcs_world) = (World::new(), World::new());
    for bucket in &args.bucket {
        for world in [&s3_world, &gcs_world] {
            world.create_bucket(bucket).map_err(|error| CliError::new(format!("cannot make the bucket {bucket}"), error))?;
        }
    }
    let busy = |error| CliError::new("cannot listen", error).hint("choose another port, or 0 for a free one");
    let s3 = S3Server::start(s3_world, S3Options { port: args.s3_port, ..S3Options::default() }).await.map_err(busy)?;
    let gcs = GcsServer::start(gcs_world, GcsServerOptions { port: args.gcs_port, ..GcsServerOptions::default() }).await.map_err(busy)?;
    let options = s3.options();
    if global.json {
        let line = json!({
            "s3": s3.url(), "gcs": gcs.url(), "access_key": options.access_key, "secret_key": options.secret_key,
            "region": options.region, "buckets": args.bucket,
        });
        say!("{line}");
    } else {
        say!("The lab is open; everything is in memory and gone when it closes (Ctrl-C).\n");
        say!("export AWS_ENDPOINT_URL_S3={}", s3.url());
        say!("export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_REGION={}", options.access_key, options.secret_key, options.region);
        say!("export STORAGE_EMULATOR_HOST={}\n", gcs.url());
        for bucket in &args.bucket {
            say!("buckets: s3://{bucket} gs://{bucket}");
        }
    }
    interrupt::watch("the lab is closing").cancelled().await;
    Ok(ExitCode::SUCCESS)
}

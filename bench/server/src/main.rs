//! `bench-server`: prints where it listens, and serves until it is ended.

use std::io::Write as _;
use std::process::ExitCode;

use bench_server::Dialect;
use bench_server::Server;
use bench_server::options::{Options, Security};
use clap::Parser as _;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    match runtime.block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> std::io::Result<()> {
    let server = Server::bind(options).await?;
    let mut out = std::io::stdout();
    for (spec, address) in server.addresses()? {
        let name = match spec.dialect {
            Dialect::S3 => "s3",
            Dialect::Gcs => "gcs",
        };
        match spec.security {
            Security::Plain => writeln!(out, "{name} http://{address}")?,
            Security::Tls => writeln!(out, "{name}+tls https://{address}")?,
        }
    }
    writeln!(out, "ready")?;
    out.flush()?;
    server.run().await;
    Ok(())
}

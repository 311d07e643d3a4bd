//! `bench-server`: prints where it listens, and serves until it is ended.

use std::io::Write as _;
use std::process::ExitCode;

use bench_server::Dialect;
use bench_server::Server;
use bench_server::options::Options;
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
    for (dialect, address) in server.addresses()? {
        let name = match dialect {
            Dialect::S3 => "s3",
            Dialect::Gcs => "gcs",
        };
        writeln!(out, "{name} http://{address}")?;
    }
    writeln!(out, "ready")?;
    out.flush()?;
    server.run().await;
    Ok(())
}

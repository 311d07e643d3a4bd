//! A `brigade serve` that runs: its address, its answers, its signals, its end.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test crate uses its part of this, and a broken set-up should panic"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::wait::until;

/// The token that its configuration names as `${BRIGADE_TOKEN}`.
pub const TOKEN: &str = "0123456789abcdef";

/// The process, killed when a test ends early.
pub struct Served {
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Starts it, and reads the address that it says. The command says where errors go, or nobody reads them.
    pub fn begin(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, address }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The status and the body of an answer.
    pub fn send(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), text.to_owned())
    }

    /// What it says of a job.
    pub fn job(&self, name: &str) -> Value {
        serde_json::from_str(&self.send("GET", &format!("/api/jobs/{name}")).1).unwrap()
    }

    /// What it says of all jobs.
    pub fn jobs(&self) -> Vec<Value> {
        let all: Value = serde_json::from_str(&self.send("GET", "/api/jobs").1).unwrap();
        all["jobs"].as_array().unwrap().clone()
    }

    pub fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("bash").args(["-c", "kill -s \"$0\" \"$1\"", name, &process]).status().unwrap().success());
    }

    /// Its exit code; -1 where a signal ended it.
    pub async fn ends(&mut self) -> i32 {
        let child = std::cell::RefCell::new(&mut self.child);
        let code = std::cell::Cell::new(None);
        until("the service ends", || {
            code.set(child.borrow_mut().try_wait().unwrap());
            code.get().is_some()
        })
        .await;
        code.get().and_then(|status| status.code()).unwrap_or(-1)
    }
}

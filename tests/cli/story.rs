//! A transcript of commands and what they answered, with everything taken out that changes from run to run.

use brigade_lab::world::{Content, World};
use tokio::process::Command;

use crate::support::{BUCKET, Lab, Ran};

/// A lab and what was typed in it.
pub struct Story {
    pub lab: Lab,
    text: String,
}

impl Story {
    /// Over fresh worlds.
    pub async fn begin() -> Self {
        Self::of(Lab::start().await)
    }

    /// Over this lab.
    pub fn of(lab: Lab) -> Self {
        Self { lab, text: String::new() }
    }

    /// Runs a command and writes down what it answered.
    pub async fn tell(&mut self, arguments: &[&str]) -> Ran {
        self.tell_with(arguments, |_| {}).await
    }

    /// The same with a changed environment.
    pub async fn tell_with(&mut self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Ran {
        let mut command = self.lab.command(arguments);
        change(&mut command);
        let output = command.output().await.unwrap();
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            report: serde_json::Value::Null,
            memory_bytes: 0,
        };
        self.text.push_str(&format!("$ brigade {}\n", arguments.join(" ")));
        self.text.push_str(&ran.stdout);
        for line in ran.stderr.lines() {
            self.text.push_str(if line.is_empty() { "!" } else { "! " });
            self.text.push_str(line);
            self.text.push('\n');
        }
        self.text.push_str(&format!("= {}\n\n", ran.code));
        ran
    }

    /// Writes a heading.
    pub fn chapter(&mut self, title: &str) {
        self.text.push_str(&format!("## {title}\n\n"));
    }

    /// Everything so far, the same on every machine.
    pub fn text(&self) -> String {
        self.redact(self.text.trim_end())
    }

    /// Takes addresses, paths and times out of a text.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let urls =
            [(self.lab.s3.url(), "ONE"), (self.lab.s3_other.url(), "TWO"), (self.lab.gcs.url(), "G"), (self.lab.gcs_other.url(), "H")];
        for (url, name) in &urls {
            let port = url.rsplit(':').next().unwrap_or_default();
            text = text.replace(url, &format!("http://{name}"));
            text = text.replace(&format!("127.0.0.1:{port}"), name).replace(&format!("localhost:{port}"), &format!("localhost:{name}"));
        }
        text = text.replace(&self.lab.directory.path().canonicalize().unwrap().display().to_string(), "DIR");
        text = text.replace(&self.lab.directory.path().display().to_string(), "DIR");
        text.lines().map(|line| without_names(&without_times(line))).collect::<Vec<_>>().join("\n")
    }

    /// How many requests any of the four servers has seen.
    pub fn requests(&self) -> u64 {
        let lab = &self.lab;
        [lab.s3.requests(), lab.s3_other.requests(), lab.gcs.requests(), lab.gcs_other.requests()]
            .iter()
            .map(|all| all.counts().total())
            .sum()
    }
}

/// RFC 3339 times of this run become `TIME`.
fn without_times(line: &str) -> String {
    let is_time = |word: &str| {
        word.len() >= 20 && word.is_ascii() && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T' && word.ends_with('Z')
    };
    let words = line.split(' ').map(|word| {
        let bare = word.trim_matches(|c| matches!(c, '"' | ',' | '(' | ')'));
        if is_time(bare) { word.replace(bare, "TIME") } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The directory of a job bears a digest of its places, and with them the servers' ports; a manifest bears the run's name.
fn without_names(line: &str) -> String {
    let replaced = |text: String, before: &str, letters: usize, name: &str| match text.split_once(before) {
        Some((head, tail)) if tail.len() >= letters && tail.bytes().take(letters).all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{head}{before}{name}{}", &tail[letters..])
        }
        _ => text,
    };
    replaced(replaced(line.to_owned(), "/jobs/", 16, "JOB"), "/manifest-", 26, "RUN")
}

/// A few objects of every kind: empty, small, and one in three parts.
pub fn seed(world: &World) {
    for (number, (key, size)) in
        (0..).zip([("a.txt", 11), ("empty", 0), ("img/1.png", 70_000), ("img/2.png", 1_234), ("large.bin", 17 << 20)])
    {
        world.seed(BUCKET, key, Content::pattern(number, size)).unwrap();
        let time = "2026-01-02T03:04:05Z".parse().unwrap();
        world.set_modified(BUCKET, key, time).unwrap();
    }
}

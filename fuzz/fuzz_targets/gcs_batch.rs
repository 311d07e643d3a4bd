//! Answers to batch requests of GCS: HTTP within `multipart/mixed`.
//!
//! Beyond not panicking: answers keep their calls, their status and their bodies, with either kind of line end; a batch that
//! was cut anywhere before its end is no batch, since what is missing in it would be taken for never answered.
#![no_main]

use brigade_fuzz::text_keys;
use brigade_gcs::parse_batch;
use libfuzzer_sys::fuzz_target;

const BOUNDARY: &str = "batch_7";

fuzz_target!(|data: &[u8]| {
    any_body(data);
    let bodies = text_keys(data);
    if bodies.iter().all(|body| !body.contains(BOUNDARY)) {
        for line_end in ["\r\n", "\n"] {
            answers_come_back(&bodies, line_end);
        }
    }
});

fn any_body(data: &[u8]) {
    let answers = parse_batch(BOUNDARY, data);
    let delimiters = data.windows(BOUNDARY.len()).filter(|window| *window == BOUNDARY.as_bytes()).count();
    assert!(answers.as_ref().is_none_or(|answers| answers.len() < delimiters), "more answers than delimiters leave room for");
    if answers.is_some() {
        assert_eq!(parse_batch(BOUNDARY, &[data, b"epilogue"].concat()), answers, "what follows the end means nothing");
    }
    // A boundary of any text, as a header could name it.
    if let Some((boundary, body)) = data.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
        && let Ok(boundary) = std::str::from_utf8(boundary)
    {
        let _ = parse_batch(boundary, body);
    }
}

fn answers_come_back(bodies: &[&str], line_end: &str) {
    let mut batch = String::new();
    for (number, body) in bodies.iter().enumerate().rev() {
        let head = [&format!("--{BOUNDARY}"), "Content-Type: application/http", &format!("Content-ID: <response-brigade+{number}>"), ""];
        let inner = [&format!("HTTP/1.1 {} Reason", status(number)), "Content-Type: application/json", "", body, ""];
        for line in head.iter().chain(&inner) {
            batch.push_str(line);
            batch.push_str(line_end);
        }
    }
    let end = batch.len() + "--batch_7--".len();
    batch.push_str(&format!("--{BOUNDARY}--{line_end}"));
    let answers = parse_batch(BOUNDARY, batch.as_bytes()).expect("a right batch is read");
    assert_eq!(answers.len(), bodies.len());
    for (answer, (number, body)) in answers.iter().zip(bodies.iter().enumerate().rev()) {
        assert_eq!((answer.call, answer.status), (Some(number), status(number)));
        assert_eq!(&answer.body[..], body.trim().as_bytes());
    }
    for cut in (1..=12).map(|back| end - back.min(end)).chain((0..8).map(|part| end * part / 8)) {
        assert_eq!(parse_batch(BOUNDARY, &batch.as_bytes()[..cut]), None, "cut at {cut} of {end}");
    }
}

fn status(number: usize) -> u16 {
    [204, 404, 412, 503][number % 4]
}

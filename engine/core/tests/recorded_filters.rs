//! The filter gives the answers that the real rclone gave.
//!
//! `tests/filter/recorded.json` is written by `tests/filter/compare_with_rclone.py --record`; the script itself runs rclone anew.

#[path = "support/filter_cases.rs"]
mod filter_cases;

use filter_cases::Request;

#[test]
fn every_recorded_answer_of_rclone_is_ours() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/filter/recorded.json");
    let recorded = std::fs::read_to_string(path).expect("the recorded answers are part of the repository");
    let request: Request = serde_json::from_str(&recorded).expect("the script writes this form");
    assert!(request.cases.len() >= 300, "only {} cases", request.cases.len());
    let wrong: Vec<String> = request
        .cases
        .iter()
        .filter_map(|case| {
            let ours = request.filter(case).ok().map(|filter| request.visible(case, &filter));
            (ours != case.rclone).then(|| format!("{}\n  rclone {:?}\n  ours   {:?}", case.name(), case.rclone, ours))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), request.cases.len(), wrong.join("\n"));
}

//! Answers filter cases on standard input, for `tests/filter/compare_with_rclone.py`.
//!
//! Reads one JSON request with trees of objects and cases of options; writes one JSON line for each case: which objects are
//! visible and the expressions of the rules, or why the options were refused.

#[path = "../tests/support/filter_cases.rs"]
mod filter_cases;

use std::io::Write;

use filter_cases::Request;
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request: Request = serde_json::from_reader(std::io::stdin().lock())?;
    let mut output = std::io::stdout().lock();
    for case in &request.cases {
        let answer = match request.filter(case) {
            Ok(filter) => {
                let (files, directories) = filter.dump();
                json!({ "visible": request.visible(case, &filter), "files": files, "directories": directories })
            }
            Err(error) => json!({ "case": case.name(), "error": error }),
        };
        writeln!(output, "{answer}")?;
    }
    Ok(())
}

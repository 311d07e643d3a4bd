//! Filter cases as `tests/filter/compare_with_rclone.py` writes them, and the engine's answers to them.
//!
//! Shared by the example that the script runs and by the test that replays the recorded answers.

use std::collections::BTreeMap;

use brigade_core::filter::{Case, Filter, FilterOptions, RuleFile};
use brigade_core::units::{parse_age, parse_size_limit};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// All cases with the trees of objects that they are tried on.
#[derive(Deserialize)]
pub(crate) struct Request {
    now: Timestamp,
    trees: BTreeMap<String, Vec<Object>>,
    pub(crate) cases: Vec<FilterCase>,
}

#[derive(Deserialize)]
struct Object {
    path: String,
    size: u64,
    modified: Timestamp,
}

/// One set of options on one tree.
#[derive(Deserialize)]
pub(crate) struct FilterCase {
    tree: String,
    options: Vec<Vec<String>>,
    /// What rclone said: one `1` or `0` for each object, or nothing where it refused the options.
    #[serde(default)]
    #[allow(dead_code, reason = "only recorded cases hold it")]
    pub(crate) rclone: Option<String>,
}

impl FilterCase {
    /// The options as one line.
    pub(crate) fn name(&self) -> String {
        format!("{} on {}", self.options.iter().map(|option| format!("{option:?}")).collect::<Vec<_>>().join(" "), self.tree)
    }
}

impl Request {
    /// One `1` or `0` for each object of the case's tree.
    pub(crate) fn visible(&self, case: &FilterCase, filter: &Filter) -> String {
        let objects = self.trees.get(&case.tree).map(Vec::as_slice).unwrap_or_default();
        let sees = |object: &Object| filter.includes(object.path.as_bytes(), object.size, Some(object.modified));
        objects.iter().map(|object| if sees(object) { '1' } else { '0' }).collect()
    }

    /// The filter of a case, or why its options are refused.
    pub(crate) fn filter(&self, case: &FilterCase) -> Result<Filter, String> {
        let mut options = FilterOptions::default();
        for option in &case.options {
            let parts: Vec<&str> = option.iter().map(String::as_str).collect();
            set(&mut options, &parts)?;
        }
        options.build(self.now).map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
    }
}

fn set(options: &mut FilterOptions, option: &[&str]) -> Result<(), String> {
    let file = |name: &str, contents: &str| RuleFile::new(name, contents);
    let size = |text: &str| parse_size_limit(text).map_err(|error| error.to_string());
    let age = |text: &str| parse_age(text, &TimeZone::UTC).map_err(|error| error.to_string());
    match *option {
        ["--include", glob] => options.include.push(glob.to_owned()),
        ["--exclude", glob] => options.exclude.push(glob.to_owned()),
        ["--filter", rule] => options.filter.push(rule.to_owned()),
        ["--include-from", name, contents] => options.include_from.push(file(name, contents)),
        ["--exclude-from", name, contents] => options.exclude_from.push(file(name, contents)),
        ["--filter-from", name, contents] => options.filter_from.push(file(name, contents)),
        ["--files-from", name, contents] => options.files_from.push(file(name, contents)),
        ["--files-from-raw", name, contents] => options.files_from_raw.push(file(name, contents)),
        ["--files-from0", name, contents] => options.files_from0.push(file(name, contents)),
        ["--min-size", text] => options.min_size = size(text)?,
        ["--max-size", text] => options.max_size = size(text)?,
        ["--min-age", text] => options.min_age = age(text)?,
        ["--max-age", text] => options.max_age = age(text)?,
        ["--ignore-case"] => options.case = Case::Ignore,
        _ => return Err(format!("unknown option {option:?}")),
    }
    Ok(())
}

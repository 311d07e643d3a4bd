//! From TOML to values of the right form, with lines; the tables of [`crate::keys`] decide what there may be.

use std::collections::BTreeMap;
use std::ops::Range;

use brigade_core::Location;
use brigade_core::units::{Timetable, parse_age, parse_duration, parse_size, parse_size_limit};
use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::keys::{Form, Key, Table};
use crate::limits::NAME_BYTES_MAX;
use crate::problem::{Found, Problem, Problems, did_you_mean};
use crate::secret;
use crate::text::parse_endpoint;

/// Where the lines of a text begin.
pub(crate) struct Lines<'a> {
    text: &'a str,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The line of a span, from 1.
    pub(crate) fn of(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// A text that is no TOML.
    pub(crate) fn syntax(&self, error: &toml::de::Error) -> Problems {
        let line = error.span().map_or(0, |span| self.of(&span));
        Problems(vec![Problem { line, what: error.message().replace('\n', ", "), hint: None }])
    }
}

/// A value of the form that its key has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Text, or a number as text.
    Text(String),
    /// A switch.
    Switch(bool),
    /// Texts.
    Texts(Vec<String>),
    /// Names with texts.
    Pairs(Vec<(String, String)>),
}

/// One table of the file: what it gives, in the right form. Whatever was wrong is noted and left out.
pub(crate) struct Section<'a> {
    /// The header, for messages: `[jobs.a]`; empty for the file.
    pub(crate) header: String,
    /// The line of the header.
    pub(crate) line: usize,
    table: &'static Table,
    values: BTreeMap<&'static str, (usize, Value)>,
    tables: BTreeMap<&'static str, (usize, &'a DeTable<'a>)>,
}

impl<'a> Section<'a> {
    /// Reads a table; notes keys that are not known and values that have another form.
    pub(crate) fn read(table: &'static Table, header: String, found: &'a DeTable<'a>, lines: &Lines<'_>, problems: &mut Found) -> Self {
        let mut section = Self { header, line: 0, table, values: BTreeMap::new(), tables: BTreeMap::new() };
        for (name, value) in found {
            let line = lines.of(&name.span());
            match table.key(name.get_ref()) {
                Some(key) => section.take(key, value, line, problems),
                None => {
                    let what = format!("unknown key `{}` in {}", name.get_ref(), section.shown());
                    problems.push(line, what, did_you_mean(name.get_ref(), table.names()));
                }
            }
        }
        section
    }

    fn take(&mut self, key: &'static Key, value: &'a Spanned<DeValue<'a>>, line: usize, problems: &mut Found) {
        if key.form == Form::Table {
            match value.get_ref().as_table() {
                Some(table) => drop(self.tables.insert(key.name, (line, table))),
                None => problems.at(line, format!("`{}` in {} is no table", key.name, self.shown())),
            }
            return;
        }
        match formed(key.form, value.get_ref()) {
            Ok(value) => drop(self.values.insert(key.name, (line, value))),
            Err(why) => problems.at(line, format!("`{}` in {} {why}", key.name, self.shown())),
        }
    }

    /// How the table is called in a sentence.
    pub(crate) fn shown(&self) -> &str {
        if self.header.is_empty() { "the file" } else { &self.header }
    }

    /// The table below this one.
    pub(crate) fn table(&self, key: &str, table: &'static Table, lines: &Lines<'_>, problems: &mut Found) -> Option<Section<'a>> {
        let (line, found) = self.tables.get(key)?;
        let inner = self.header.trim_matches(['[', ']']);
        let header = if inner.is_empty() { format!("[{key}]") } else { format!("[{inner}.{key}]") };
        let section = Section::read(table, header, found, lines, problems);
        Some(Section { line: *line, ..section })
    }

    /// The tables of a table of tables, by name.
    pub(crate) fn tables(&self, key: &str, table: &'static Table, lines: &Lines<'_>, problems: &mut Found) -> Vec<(String, Section<'a>)> {
        let Some((_, found)) = self.tables.get(key) else { return Vec::new() };
        let mut sections = Vec::new();
        for (name, value) in *found {
            let line = lines.of(&name.span());
            let name = name.get_ref().as_ref();
            if !is_name(name) {
                let what = format!(
                    "`{name}` in [{key}] is no name: a letter or digit, then letters, digits, `-`, `_` and `.`, at most {NAME_BYTES_MAX}"
                );
                problems.at(line, what);
            }
            match value.get_ref().as_table() {
                Some(inner) => {
                    let section = Section::read(table, format!("[{key}.{name}]"), inner, lines, problems);
                    sections.push((name.to_owned(), Section { line, ..section }));
                }
                None => problems.at(line, format!("[{key}.{name}] is no table")),
            }
        }
        sections
    }

    /// The line of a key; that of the header where the key is not given.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        self.values.get(key).map_or(self.line, |(line, _)| *line)
    }

    /// Whether a key is given, in the right form.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Keys that are given, with their values, in the order of the table.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static Key, &Value)> {
        self.table.keys.iter().filter_map(|key| self.values.get(key.name).map(|(_, value)| (key, value)))
    }

    fn value(&self, key: &str) -> Option<&Value> {
        debug_assert!(self.table.key(key).is_some(), "{key} is in no table");
        self.values.get(key).map(|(_, value)| value)
    }

    /// A text, or a number as text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text as a value of its own.
    pub(crate) fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    /// A switch.
    pub(crate) fn switch(&self, key: &str) -> Option<bool> {
        match self.value(key) {
            Some(Value::Switch(switch)) => Some(*switch),
            _ => None,
        }
    }

    /// Texts; none where the key is left out.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    /// Names with texts.
    pub(crate) fn pairs(&self, key: &str) -> Vec<(String, String)> {
        match self.value(key) {
            Some(Value::Pairs(pairs)) => pairs.clone(),
            _ => Vec::new(),
        }
    }

    /// A duration; its form was checked.
    pub(crate) fn duration(&self, key: &str) -> Option<std::time::Duration> {
        self.text(key).and_then(|text| parse_duration(text).ok())
    }

    /// A whole number; its form was checked.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.text(key).and_then(|text| text.parse().ok())
    }

    /// A key that must be given.
    pub(crate) fn must(&self, key: &str, problems: &mut Found) -> Option<String> {
        let text = self.owned(key);
        if !self.has(key) && !problems.mentions(&format!("`{key}` in {}", self.shown())) {
            problems.at(self.line, format!("{} has no `{key}`", self.shown()));
        }
        text
    }
}

/// Names become names of directories and values of labels, and stand before the `:` of a location.
pub(crate) fn is_name(name: &str) -> bool {
    let inside = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    inside && name.len() <= NAME_BYTES_MAX && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// The value, if it has the form; else what is wrong, continuing a sentence.
fn formed(form: Form, value: &DeValue<'_>) -> Result<Value, String> {
    match form {
        Form::Switch => value.as_bool().map(Value::Switch).ok_or_else(|| wants(form, value)),
        Form::Texts => texts(value).map(Value::Texts).ok_or_else(|| wants(form, value)),
        Form::Pairs => pairs(value).map(Value::Pairs).ok_or_else(|| wants(form, value)),
        _ => {
            let text = scalar(form, value).ok_or_else(|| wants(form, value))?;
            if !matches!(form, Form::Secret | Form::SecretUrl) && text.contains("${") {
                return Err("holds `${`, which stands for a variable in secrets only".into());
            }
            check(form, &text)?;
            Ok(Value::Text(text))
        }
    }
}

fn wants(form: Form, value: &DeValue<'_>) -> String {
    format!("is a TOML {}, not {}", value.type_str(), form.shown())
}

/// A text. Where a number makes sense it may be written as one.
fn scalar(form: Form, value: &DeValue<'_>) -> Option<String> {
    let is_number = matches!(form, Form::Number(..) | Form::Positive | Form::Percent);
    let may_be_number = is_number || form == Form::Concurrency;
    match value {
        DeValue::String(text) if !is_number && !text.is_empty() && !text.contains('\0') => Some(text.to_string()),
        DeValue::Integer(number) if may_be_number => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) if matches!(form, Form::Positive | Form::Percent) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    let text = |value: &DeValue<'_>| value.as_str().filter(|text| !text.is_empty() && !text.contains("${")).map(str::to_owned);
    match value {
        DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

fn pairs(value: &DeValue<'_>) -> Option<Vec<(String, String)>> {
    let one = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let (name, value) = (name.get_ref(), value.get_ref().as_str()?);
        let is_fit =
            !name.is_empty() && name.is_ascii() && !name.contains('=') && !value.contains(['\r', '\n', '\0']) && !value.contains("${");
        is_fit.then(|| (name.to_string(), value.to_owned()))
    };
    value.as_table()?.iter().map(one).collect()
}

/// What is wrong with a text for this form.
fn check(form: Form, text: &str) -> Result<(), String> {
    let is = |ok: bool| if ok { Ok(()) } else { Err(format!("is `{text}`, not {}", form.shown())) };
    let float = || text.parse::<f64>().ok().filter(|number| number.is_finite());
    match form {
        Form::OneOf(words) => match words.contains(&text) {
            true => Ok(()),
            false => {
                let near = did_you_mean(text, words.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
                Err(format!("is `{text}`, not one of {}{near}", form.shown()))
            }
        },
        Form::Number(least, most) => is(text.parse().is_ok_and(|number| (least..=most).contains(&number))),
        Form::Positive => is(float().is_some_and(|number| number > 0.0)),
        Form::Percent => is(float().is_some_and(|number| (0.0..=100.0).contains(&number))),
        Form::Concurrency => is(text == "auto" || text.parse().is_ok_and(|number| (1..=10_000_u32).contains(&number))),
        Form::Size => parse_size(text).map(drop).map_err(|error| format!("is no size: {error}")),
        Form::SizeLimit => parse_size_limit(text).map(drop).map_err(|error| format!("is no size: {error}")),
        Form::Duration => parse_duration(text).map(drop).map_err(|error| format!("is no duration: {error}")),
        Form::Age => parse_age(text, &TimeZone::UTC).map(drop).map_err(|error| format!("is no age: {error}")),
        Form::Bandwidth => Timetable::parse(text).map(drop).map_err(|error| format!("is no rate: {error}")),
        Form::Location => Location::parse(text).map(drop).map_err(|error| format!("is no location: {error}")),
        Form::Endpoint => parse_endpoint(text).map(drop).map_err(|todo| format!("is no endpoint: {todo}")),
        Form::Secret => is(secret::is_one_variable(text)).map_err(|_| "is no `${VARIABLE}`: a secret never stands in the file".to_owned()),
        Form::SecretUrl => secret::check(text),
        Form::Text | Form::Path | Form::Name | Form::Switch | Form::Texts | Form::Pairs | Form::Table => Ok(()),
    }
}

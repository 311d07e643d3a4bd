//! Secrets: names of variables, looked up when they are needed and never shown.
//!
//! The file holds `${VARIABLE}`; the value is known to whoever resolves it and to nobody else. A command that needs no secret runs
//! where the variable is not set.

use std::fmt;

/// A text in which `${VARIABLE}` stands for what must not be in a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    template: String,
}

/// A variable that a secret names and that is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {0} is not set")]
pub struct Unset(pub String);

impl Secret {
    /// Keeps a text whose form was checked.
    pub(crate) fn new(template: &str) -> Self {
        Self { template: template.to_owned() }
    }

    /// The variables that it names.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        pieces(&self.template).filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    /// The text with the values of its variables. An empty value counts as not set.
    ///
    /// # Errors
    /// When a variable is not set.
    pub fn resolve(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, Unset> {
        let value = |piece: Piece<'_>| match piece {
            Piece::Text(text) => Ok(text.to_owned()),
            Piece::Variable(name) => variable(name).filter(|value| !value.is_empty()).ok_or_else(|| Unset(name.to_owned())),
        };
        pieces(&self.template).map(value).collect()
    }

    /// As it may be shown: the variables by name; of other text only scheme and host, for a path may be a secret too.
    pub fn shown(&self) -> String {
        let text: String = match self.template.split_once("://") {
            Some((scheme, rest)) if !scheme.contains("${") => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (host, path) = rest.split_at(end);
                let host = host.rsplit('@').next().unwrap_or_default();
                format!("{scheme}://{host}{}", if path.len() > 1 { "/..." } else { path })
            }
            _ => self.variables().map(|name| format!("${{{name}}}")).collect::<Vec<_>>().join(" "),
        };
        text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The pieces of a text; an opening without an end is text.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = rest.strip_prefix("${").and_then(|inner| inner.split_once('}')) {
            rest = after;
            return Some(Piece::Variable(name));
        }
        let end = rest.get(1..).and_then(|inner| inner.find("${")).map_or(rest.len(), |at| at + 1);
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(text))
    })
}

fn is_variable(name: &str) -> bool {
    let is_inside = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_inside && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Whether a text is one variable and nothing else.
pub(crate) fn is_one_variable(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(is_variable)
}

/// What is wrong with a URL that may hold variables, continuing a sentence.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let bad = pieces(text).find_map(|piece| match piece {
        Piece::Variable(name) if is_variable(name) => None,
        Piece::Variable(name) => Some(name),
        Piece::Text(text) => text.contains("${").then_some(text),
    });
    match bad {
        Some(name) => Err(format!("names a variable `{name}` that cannot be one")),
        None if is_one_variable(text) => Ok(()),
        None => crate::text::parse_endpoint(text).map_err(|_| "is no URL: write https://HOST/PATH or `${VARIABLE}`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn variables_are_put_in_and_nothing_is_shown() {
        let secret = Secret::new("https://hooks.example/${A}/x-${B}?key=plain");
        let value = |name: &str| Some(format!("<{name}>"));
        assert_eq!(secret.resolve(value).unwrap(), "https://hooks.example/<A>/x-<B>?key=plain");
        assert_eq!(secret.variables().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(secret.shown(), "https://hooks.example/...");
        assert_eq!(Secret::new("https://user:word@hooks.example/x").shown(), "https://hooks.example/...");
        assert_eq!((Secret::new("${TOKEN}").shown(), format!("{secret:?}")), ("${TOKEN}".to_owned(), "Secret".to_owned()));
        assert_eq!(secret.resolve(|name| (name != "B").then(String::new)), Err(Unset("A".into())));
    }

    #[test]
    fn odd_variables_are_refused() {
        for bad in ["${}", "${1A}", "${A", "${A-B}", "x${A}", "${A}${B}", "$A", "${${A}}"] {
            assert!(!is_one_variable(bad), "{bad}");
        }
        assert!(check("https://h/${A}").is_ok() && check("${URL}").is_ok());
        for bad in ["https://h/${}", "https://h/${A", "ftp://h/${A}", "hooks"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}

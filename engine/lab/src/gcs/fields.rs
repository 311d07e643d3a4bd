//! The `fields` parameter: which fields of an answer the client wants.
//!
//! Source: "Partial responses" of the JSON interface: `a,b`, `a/b`, `a(b,c)` and `*`.

use super::failure::Failure;
use serde_json::{Map, Value};

/// The deepest nesting of a mask; real masks have two or three levels.
const DEPTH_MAX: usize = 16;

/// A parsed mask: names and what is wanted below each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, Fields)>);

impl Fields {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let mut rest = text;
        let fields = parse_list(&mut rest, 0).filter(|_| rest.is_empty());
        fields.ok_or_else(|| Failure::new(400, "invalidParameter", "InvalidArgument", format!("Invalid field selection {text}")))
    }

    /// What the mask leaves of a value; an empty mask leaves everything, and lists are masked item by item.
    pub(super) fn apply(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::Object(object) => Value::Object(self.apply_object(object)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.apply(item)).collect()),
            other => other,
        }
    }

    fn apply_object(&self, object: Map<String, Value>) -> Map<String, Value> {
        let wanted = |(name, value): (String, Value)| {
            let (_, below) = self.0.iter().find(|(wanted, _)| *wanted == name || wanted == "*")?;
            Some((name, below.apply(value)))
        };
        object.into_iter().filter_map(wanted).collect()
    }
}

fn parse_list(rest: &mut &str, depth: usize) -> Option<Fields> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut fields = Vec::new();
    loop {
        fields.push(parse_path(rest, depth)?);
        match rest.strip_prefix(',') {
            Some(after) => *rest = after,
            None => return Some(Fields(fields)),
        }
    }
}

fn parse_path(rest: &mut &str, depth: usize) -> Option<(String, Fields)> {
    let end = rest.find([',', '/', '(', ')']).unwrap_or(rest.len());
    let name = rest[..end].trim().to_owned();
    *rest = &rest[end..];
    if name.is_empty() || depth > DEPTH_MAX {
        return None;
    }
    if let Some(after) = rest.strip_prefix('/') {
        *rest = after;
        return Some((name, Fields(vec![parse_path(rest, depth + 1)?])));
    }
    let Some(after) = rest.strip_prefix('(') else { return Some((name, Fields::default())) };
    *rest = after;
    let below = parse_list(rest, depth + 1)?;
    *rest = rest.strip_prefix(')')?;
    Some((name, below))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn masked(mask: &str) -> Value {
        let page = json!({"kind": "k", "nextPageToken": "t", "items": [{"name": "a", "size": "1", "metadata": {"x": "1", "y": "2"}}]});
        Fields::parse(mask).unwrap().apply(page)
    }

    #[test]
    fn masks_select_at_every_level() {
        assert_eq!(masked("kind"), json!({"kind": "k"}));
        assert_eq!(masked("items(name,size),nextPageToken"), json!({"nextPageToken": "t", "items": [{"name": "a", "size": "1"}]}));
        assert_eq!(masked("items/name"), json!({"items": [{"name": "a"}]}));
        assert_eq!(masked("items(metadata/x)"), json!({"items": [{"metadata": {"x": "1"}}]}));
        assert_eq!(masked("*"), Fields::default().apply(masked("*")));
        assert_eq!(masked("items(*)")["items"][0]["metadata"]["y"], "2");
    }

    #[test]
    fn malformed_masks_are_refused() {
        for mask in ["", "a(", "a)", "a,,b", "items(name", "/a"] {
            assert!(Fields::parse(mask).is_err(), "{mask}");
        }
        assert!(Fields::parse(&"a(".repeat(100)).is_err());
    }
}

//! What a notification says: a JSON object with documented fields, or the template of the configuration.
//!
//! Names of jobs and messages are data, and a message may hold words of a store or a key of a bucket. So a value that is put into a
//! template never ends the string that it stands in, is never searched for places itself, and never begins a line of its own.

use std::fmt::Write as _;

use serde_json::json;

use super::outbox::Notification;

/// Name and version of the shape of the default body.
const SCHEMA: &str = "brigade.notification/1";

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// A body with its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) media_type: &'static str,
    pub(crate) text: String,
}

/// The body of a notification.
pub(crate) fn body(notification: &Notification, template: Option<&str>) -> Body {
    match template {
        None => Body { media_type: JSON, text: object(notification) },
        Some(template) if is_json(template) => Body { media_type: JSON, text: fill(template, notification, Form::Json) },
        Some(template) => Body { media_type: TEXT, text: fill(template, notification, Form::Text) },
    }
}

fn object(notification: &Notification) -> String {
    let Notification { id, event, job, message, time, run } = notification;
    json!({"schema": SCHEMA, "id": id, "event": event, "job": job, "run": run, "message": message, "time": time}).to_string()
}

/// What a template is: values are put into each in their own way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Text,
}

/// Whether a template is JSON: it begins as an object, an array or a string does, and not with a place for a value.
fn is_json(template: &str) -> bool {
    let begin = template.trim_start();
    begin.starts_with(['{', '[', '"']) && place(begin).is_none()
}

/// Puts the values in. In JSON, a place outside of a string becomes a whole string.
fn fill(template: &str, notification: &Notification, form: Form) -> String {
    let mut text = String::with_capacity(template.len() + notification.message.len());
    let (mut rest, mut is_in_string) = (template, false);
    while let Some(letter) = rest.chars().next() {
        if let Some((name, after)) = place(rest) {
            put(&mut text, &value(notification, name), form, is_in_string);
            rest = after;
            continue;
        }
        let mut length = letter.len_utf8();
        match letter {
            '"' => is_in_string = !is_in_string,
            // What is escaped ends no string.
            '\\' if is_in_string => length += rest[length..].chars().next().map_or(0, char::len_utf8),
            _ => {}
        }
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    text
}

fn put(text: &mut String, value: &str, form: Form, is_in_string: bool) {
    match form {
        Form::Text => text.extend(value.chars().map(|letter| if letter.is_control() { ' ' } else { letter })),
        Form::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("a string of JSON is quoted");
            let _ = if is_in_string { text.write_str(inside) } else { text.write_str(&quoted) };
        }
    }
}

/// The name of the place that a text begins with, and what comes behind it.
fn place(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    matches!(name, "job" | "event" | "message" | "time").then_some((name, after))
}

fn value(notification: &Notification, name: &str) -> String {
    match name {
        "job" => notification.job.clone(),
        "event" => notification.event.clone(),
        "message" => notification.message.clone(),
        _ => notification.time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const HOSTILE: &str = "\"}], \"x\": [{ \\ {time} {job} <b>\u{202e}\n\r\0 \\\" \u{2028} end\\";

    fn notification(message: &str) -> Notification {
        let (id, event, job) = ("01ID".to_owned(), "failed".to_owned(), "daily".to_owned());
        let time = "2026-11-20T03:00:00Z".parse().expect("a time");
        Notification { id, event, job, message: message.to_owned(), time, run: Some("01RUN".to_owned()) }
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn the_default_is_an_object_with_the_documented_fields() {
        let body = body(&notification(HOSTILE), None);
        assert_eq!(body.media_type, JSON);
        let expected = json!({
            "schema": "brigade.notification/1", "id": "01ID", "event": "failed", "job": "daily", "run": "01RUN",
            "message": HOSTILE, "time": "2026-11-20T03:00:00Z",
        });
        assert_eq!(json(&body.text), expected);
    }

    #[test]
    fn a_value_never_leaves_its_place_in_json() {
        for template in [
            "{\"text\": \"{job}: {message} ({event}, {time})\", \"blocks\": [{\"a\": \"\\\"{message}\"}]}",
            " [\"{message}\", {message}]",
            "{\"{job}\": {\"message\": {message}, \"is\": {event}}}",
            "\"{message}\"",
            "{\"\\\\\": \"\\\\{message}\"}",
        ] {
            let hostile = body(&notification(HOSTILE), Some(template));
            assert_eq!(hostile.media_type, JSON);
            // The same value, put in after the template was read by a parser.
            let marked = json(&body(&notification("MARK"), Some(template)).text);
            assert_eq!(json(&hostile.text), with_message(marked), "{template}");
        }
    }

    /// `MARK` replaced by the hostile message in every string.
    fn with_message(value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(text.replace("MARK", HOSTILE)),
            Value::Array(values) => Value::Array(values.into_iter().map(with_message).collect()),
            Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, with_message(value))).collect()),
            other => other,
        }
    }

    #[test]
    fn text_stays_text_and_in_its_line() {
        let filled = body(&notification("a\nb {job}"), Some("{event} of {job}: {message} {other}\n"));
        assert_eq!((filled.media_type, filled.text.as_str()), (TEXT, "failed of daily: a b {job} {other}\n"));
    }

    proptest! {
        #[test]
        fn any_message_arrives_as_it_was(message in "\\PC*|[\"\\\\{}\n\t ]*") {
            let filled = body(&notification(&message), Some("{\"text\": \"{job}: {message}\", \"list\": [{message}]}"));
            prop_assert_eq!(json(&filled.text), json!({"text": format!("daily: {message}"), "list": [message]}));
        }

        #[test]
        fn a_template_without_places_is_sent_as_it_stands(template in "[^{]*") {
            prop_assert_eq!(body(&notification("x"), Some(&template)).text, template);
        }
    }
}

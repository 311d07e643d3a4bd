//! Listings of objects.

use super::resource::text;
use super::{BAD_REQUEST, Call, Outcome};
use crate::limits::PAGE_KEYS_MAX;
use crate::listing::{From, Item, Query, page};
use crate::service::locked;
use crate::stats::Operation;
use crate::wire::reply::Reply;

/// Bytes of one listed object, to begin with a buffer of the right size.
const ENTRY_BYTES: usize = 420;

impl Call<'_> {
    pub(super) fn list(&self) -> Outcome {
        let param = |name| self.request.param(name).filter(|value| !value.is_empty());
        let from = match (param("pageToken"), param("startOffset")) {
            (Some(token), _) => From::of_token(&token).ok_or(BAD_REQUEST)?,
            (None, Some(start)) => From::At(start.into_owned().into_bytes()),
            (None, None) => From::Beginning,
        };
        let asked = param("maxResults").map_or(Ok(PAGE_KEYS_MAX), |text| text.parse::<usize>()).map_err(|_| BAD_REQUEST)?;
        let query = Query {
            prefix: param("prefix").unwrap_or_default().into_owned(),
            delimiter: param("delimiter").unwrap_or_default().into_owned(),
            from,
            before: param("endOffset").map(|end| end.into_owned()),
            items_max: asked.clamp(1, PAGE_KEYS_MAX),
        };
        let fields = self.fields();
        let mut out = Vec::with_capacity(query.items_max * ENTRY_BYTES + 1_024);
        out.extend_from_slice(b"{\"kind\":\"storage#objects\",\"items\":[");
        let mut prefixes: Vec<Vec<u8>> = Vec::new();
        let next = page(&locked(&self.bucket), &query, |name, item| match item {
            Item::Prefix => prefixes.push(name.to_vec()),
            Item::Object(object) => {
                if out.last() == Some(&b'}') {
                    out.push(b',');
                }
                fields.write(&mut out, &self.bucket_name, name, object);
            }
        });
        out.push(b']');
        if !prefixes.is_empty() {
            out.extend_from_slice(b",\"prefixes\":[");
            for (index, prefix) in prefixes.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                text(&mut out, prefix);
            }
            out.push(b']');
        }
        if let Some(next) = next {
            out.extend_from_slice(b",\"nextPageToken\":");
            text(&mut out, next.token().as_bytes());
        }
        out.push(b'}');
        Ok(Reply::json(Operation::List, 200, out))
    }
}

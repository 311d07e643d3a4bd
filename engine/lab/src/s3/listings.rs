//! Listings of objects: version 1, version 2, and all versions.

use super::batch::document_response;
use super::failure::Failure;
use super::headers;
use super::request::{Answer, Request};
use super::target::Query;
use super::xml::{Encoding, Xml};
use crate::world::{ListQuery, ListedVersion, Object, Place, VersionId};

/// What the three have in common.
struct Page<'a> {
    query: &'a Query,
    prefix: &'a [u8],
    delimiter: &'a [u8],
    max: usize,
    encoding: Encoding,
}

impl<'a> Page<'a> {
    fn of(request: &'a Request) -> Result<Self, Failure> {
        let query = request.query();
        let limit = request.world().limits().page_items_max;
        let encoding = match query.text("encoding-type") {
            None => Encoding::Plain,
            Some("url") => Encoding::Url,
            Some(_) => return Err(Failure::argument("Invalid Encoding Method specified in Request")),
        };
        Ok(Self {
            query,
            prefix: query.bytes("prefix").unwrap_or_default(),
            delimiter: query.bytes("delimiter").unwrap_or_default(),
            max: query.number::<usize>("max-keys")?.unwrap_or(limit).min(limit),
            encoding,
        })
    }

    fn list(&self, request: &Request, after: Option<Vec<u8>>) -> ListQuery {
        ListQuery {
            prefix: self.prefix.to_vec(),
            delimiter: self.delimiter.to_vec(),
            max: self.max,
            after: after.filter(|after| !after.is_empty()),
            behind: request.passage.behind(),
            ..ListQuery::default()
        }
    }

    fn head(&self, request: &Request, xml: &mut Xml) {
        xml.text("Name", request.bucket());
        xml.text("Prefix", self.encoding.name(self.prefix));
        xml.text("MaxKeys", self.max);
        if !self.delimiter.is_empty() {
            xml.text("Delimiter", self.encoding.name(self.delimiter));
        }
        if self.encoding == Encoding::Url {
            xml.text("EncodingType", "url");
        }
    }

    fn prefixes(&self, prefixes: &[Vec<u8>], xml: &mut Xml) {
        for prefix in prefixes {
            xml.nest("CommonPrefixes", |xml| xml.text("Prefix", self.encoding.name(prefix)));
        }
    }
}

pub(crate) fn version_2(request: &Request) -> Answer {
    let page = Page::of(request)?;
    let token = page.query.text("continuation-token");
    let start_after = page.query.bytes("start-after");
    let after = match token {
        Some(token) => Some(read_token(token)?),
        None => start_after.map(<[u8]>::to_vec),
    };
    let owner = page.query.text("fetch-owner") == Some("true");
    let listing = request.world().list(request.bucket(), &page.list(request, after))?;
    let etags = request.world().honours().listed_etags;
    Ok(document_response(Xml::document("ListBucketResult", |xml| {
        page.head(request, xml);
        xml.text("KeyCount", listing.objects.len() + listing.prefixes.len());
        xml.text("IsTruncated", listing.next.is_some());
        xml.maybe("ContinuationToken", token);
        xml.maybe("NextContinuationToken", listing.next.as_deref().map(write_token));
        xml.maybe("StartAfter", start_after.map(|after| page.encoding.name(after)));
        for listed in &listing.objects {
            xml.nest("Contents", |xml| {
                entry(xml, &page.encoding.name(&listed.key), &listed.object, Shown { etags });
                if owner {
                    write_owner(xml);
                }
            });
        }
        page.prefixes(&listing.prefixes, xml);
    })))
}

pub(crate) fn version_1(request: &Request) -> Answer {
    let page = Page::of(request)?;
    let marker = page.query.bytes("marker").unwrap_or_default();
    let listing = request.world().list(request.bucket(), &page.list(request, Some(marker.to_vec())))?;
    let etags = request.world().honours().listed_etags;
    Ok(document_response(Xml::document("ListBucketResult", |xml| {
        page.head(request, xml);
        xml.text("Marker", page.encoding.name(marker));
        xml.text("IsTruncated", listing.next.is_some());
        // Without a delimiter the real one leaves it to the client to take the last key.
        if !page.delimiter.is_empty() {
            xml.maybe("NextMarker", listing.next.as_deref().map(|next| page.encoding.name(next)));
        }
        for listed in &listing.objects {
            xml.nest("Contents", |xml| {
                entry(xml, &page.encoding.name(&listed.key), &listed.object, Shown { etags });
                write_owner(xml);
            });
        }
        page.prefixes(&listing.prefixes, xml);
    })))
}

#[derive(Clone, Copy)]
struct Shown {
    etags: bool,
}

fn entry(xml: &mut Xml, key: &str, object: &Object, shown: Shown) {
    xml.text("Key", key);
    xml.text("LastModified", headers::xml_date(object.modified));
    if shown.etags {
        xml.text("ETag", format!("\"{}\"", object.etag));
    }
    if let Some(checksum) = &object.checksum {
        xml.text("ChecksumAlgorithm", checksum.algorithm.name());
        xml.text("ChecksumType", checksum.kind.name());
    }
    xml.text("Size", object.size());
    xml.text("StorageClass", object.attributes.storage_class.as_deref().unwrap_or("STANDARD"));
}

pub(crate) fn write_owner(xml: &mut Xml) {
    xml.nest("Owner", |xml| {
        xml.text("ID", "lab");
        xml.text("DisplayName", "lab");
    });
}

/// Tokens are opaque: clients that build keys from them would break elsewhere.
fn write_token(after: &[u8]) -> String {
    format!("1{}", hex::encode(after))
}

fn read_token(token: &str) -> Result<Vec<u8>, Failure> {
    let decoded = token.strip_prefix('1').and_then(|digits| hex::decode(digits).ok());
    decoded.ok_or_else(|| Failure::argument("The continuation token provided is incorrect"))
}

pub(crate) fn versions(request: &Request) -> Answer {
    let page = Page::of(request)?;
    let key_marker = page.query.bytes("key-marker").unwrap_or_default();
    let version_marker = page.query.text("version-id-marker").filter(|marker| !marker.is_empty());
    let after_version =
        version_marker.map(|text| VersionId::parse(text).ok_or_else(|| Failure::argument("Invalid version id specified"))).transpose()?;
    let list = page.list(request, Some(key_marker.to_vec()));
    let listing = request.world().list_versions(request.bucket(), &list, after_version)?;
    Ok(document_response(Xml::document("ListVersionsResult", |xml| {
        page.head(request, xml);
        xml.text("KeyMarker", page.encoding.name(key_marker));
        xml.text("VersionIdMarker", version_marker.unwrap_or_default());
        xml.text("IsTruncated", listing.next.is_some());
        if let Some((key, version)) = &listing.next {
            xml.text("NextKeyMarker", page.encoding.name(key));
            xml.maybe("NextVersionIdMarker", *version);
        }
        for listed in &listing.versions {
            let name = if listed.object.is_marker() { "DeleteMarker" } else { "Version" };
            xml.nest(name, |xml| write_version(xml, &page, listed));
        }
        page.prefixes(&listing.prefixes, xml);
    })))
}

fn write_version(xml: &mut Xml, page: &Page<'_>, listed: &ListedVersion) {
    let key = page.encoding.name(&listed.key);
    if listed.object.is_marker() {
        xml.text("Key", key);
        xml.text("LastModified", headers::xml_date(listed.object.modified));
    } else {
        entry(xml, &key, &listed.object, Shown { etags: true });
    }
    xml.text("VersionId", listed.object.version);
    xml.text("IsLatest", listed.place == Place::Latest);
    write_owner(xml);
}

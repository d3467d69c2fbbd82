//! What a PUT asks for, from its headers and query alone: everything that can be refused before its body is read.

use headwater_meta::NamespaceSettings;
use headwater_proto::Preconditions;
use headwater_types::{
    Attributes, ErrorCode, ObjectKey, Ttl,
    limits::{STORED_HEADER_BYTES_MAX, USER_META_BYTES_MAX},
};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request};

use crate::{
    conditions,
    ingest::{checks::BodyChecks, collect::too_large},
    policy::first_match,
    problem::Problem,
    query::Query,
};

/// What the names of headers begin with that are stored with an object.
pub(crate) const USER_META_PREFIX: &str = "x-headwater-meta-";

/// A PUT without its body.
pub(crate) struct PutPlan {
    pub attributes: Attributes,
    pub ttl: Ttl,
    pub preconditions: Preconditions,
    pub checks: BodyChecks,
    /// What Content-Length says.
    pub size: Option<u64>,
}

impl PutPlan {
    /// Reads the request. `role` and all other parameters than `ttl_seconds` have no effect.
    pub fn of(
        parts: &request::Parts,
        query: Query<'_>,
        settings: &NamespaceSettings,
        key: &ObjectKey,
    ) -> Result<Self, Problem> {
        let headers = &parts.headers;
        if headers.contains_key(header::CONTENT_RANGE) {
            return Err(Problem::new(
                ErrorCode::ContentRange,
                "an object is PUT whole (RFC 9110 section 14.4)",
            ));
        }
        let plan = Self {
            size: framing(parts)?,
            ttl: ttl(query, settings, key)?,
            attributes: attributes(headers, key)?,
            preconditions: conditions::of_put(headers)?,
            checks: BodyChecks::of(headers)?,
        };
        match plan.size {
            Some(size) if size > settings.max_object_bytes => Err(too_large(settings.max_object_bytes)),
            _ => Ok(plan),
        }
    }
}

/// The declared size. HTTP/1 says how a body is framed, or it has none (RFC 9112 section 6.3); with both headers
/// Transfer-Encoding counts. HTTP/2 frames every body by itself.
fn framing(parts: &request::Parts) -> Result<Option<u64>, Problem> {
    let http1 = parts.version < Version::HTTP_2;
    if http1 && parts.headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(None);
    }
    match parts.headers.get(header::CONTENT_LENGTH) {
        Some(value) => {
            let size = value.to_str().ok().and_then(|text| text.parse().ok());
            size.map(Some)
                .ok_or_else(|| Problem::new(ErrorCode::BadRequest, "Content-Length is not a number"))
        }
        None if http1 => {
            Err(Problem::new(ErrorCode::LengthRequired, "send Content-Length or Transfer-Encoding: chunked"))
        }
        None => Ok(None),
    }
}

/// The request's TTL, else the first matching rule's, else the namespace's default.
fn ttl(query: Query<'_>, settings: &NamespaceSettings, key: &ObjectKey) -> Result<Ttl, Problem> {
    match query.first("ttl_seconds") {
        Some(text) => Ttl::parse(text, settings.max_ttl).map_err(|_| {
            // What was given is not repeated: a misplaced credential may be in it.
            let max = settings.max_ttl.as_secs();
            Problem::new(ErrorCode::InvalidTtl, format!("ttl_seconds must be a whole number from 1 to {max}"))
        }),
        None => {
            let ttl = first_match(&settings.ttl_rules, key).copied().unwrap_or(settings.default_ttl);
            Ok(ttl.min(settings.max_ttl))
        }
    }
}

fn attributes(headers: &HeaderMap, key: &ObjectKey) -> Result<Attributes, Problem> {
    // Of its lines the first counts, as it is no list.
    let sent_type = stored(headers.get(header::CONTENT_TYPE).into_iter(), header::CONTENT_TYPE)?;
    let list = |name: HeaderName| stored(headers.get_all(&name).iter(), name);
    Ok(Attributes {
        content_type: headwater_media::content_type(key, sent_type.as_deref()).into(),
        content_encoding: list(header::CONTENT_ENCODING)?,
        cache_control: list(header::CACHE_CONTROL)?,
        user_meta: user_meta(headers)?,
    })
}

/// A header that is kept with the object. Several lines of it are one list (RFC 9110 section 5.3).
fn stored<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
    name: HeaderName,
) -> Result<Option<String>, Problem> {
    let lines: Result<Vec<&str>, _> = lines.map(HeaderValue::to_str).collect();
    match lines.map(|lines| lines.join(", ")) {
        Ok(list) if list.is_empty() => Ok(None),
        Ok(list) if list.len() <= STORED_HEADER_BYTES_MAX => Ok(Some(list)),
        _ => {
            let detail = format!("{name} must be visible ASCII of at most {STORED_HEADER_BYTES_MAX} bytes");
            Err(Problem::new(ErrorCode::InvalidHeader, detail))
        }
    }
}

fn user_meta(headers: &HeaderMap) -> Result<Vec<(String, String)>, Problem> {
    let mut meta = Vec::new();
    let mut bytes = 0;
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with(USER_META_PREFIX)) {
        bytes += name.as_str().len() + value.len();
        if bytes > USER_META_BYTES_MAX {
            let detail =
                format!("names and values of {USER_META_PREFIX}* have more than {USER_META_BYTES_MAX} bytes");
            return Err(Problem::new(ErrorCode::MetaTooLarge, detail));
        }
        let value = value.to_str();
        let value = value
            .map_err(|_| Problem::new(ErrorCode::InvalidHeader, format!("{name} must be visible ASCII")))?;
        meta.push((name.as_str().to_owned(), value.to_owned()));
    }
    Ok(meta)
}

#[cfg(test)]
mod tests;

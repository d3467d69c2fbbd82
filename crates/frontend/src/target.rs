//! What a request names: a namespace, and an object of it or a listing.

use headwater_types::{ErrorCode, NamespaceName, ObjectKey};

use crate::{problem::Problem, query::Query};

/// The path below which all objects are.
const ROOT: &str = "/cache/";
const NAMESPACE_RULE: &str =
    "a namespace is 1 to 63 of a-z, 0-9, '_' and '-', beginning and ending with a letter or digit";

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// One object.
    Object(ObjectKey),
    /// The names of a namespace.
    Listing,
}

/// Splits a raw path into the namespace's name and what follows its `/`. Nothing is decoded: a name needs no escapes,
/// and a key is decoded once, by [`resource`].
pub(crate) fn split(path: &str) -> Result<(&str, Option<&str>), Problem> {
    let Some(rest) = path.strip_prefix(ROOT) else {
        return Err(Problem::new(ErrorCode::NotFound, "objects are below /cache/{namespace}/{key}"));
    };
    let (name, key) = match rest.split_once('/') {
        Some((name, key)) => (name, Some(key)),
        None => (rest, None),
    };
    // What was given is not repeated: a misplaced credential may be in it.
    NamespaceName::check(name).map_err(|_| Problem::new(ErrorCode::InvalidNamespace, NAMESPACE_RULE))?;
    Ok((name, key))
}

/// The object or listing that is meant. A key in the path wins: `key`, `key_base64` and `list` are then unknown
/// parameters like any other, and ignored. Without one exactly one of them must name what is meant.
pub(crate) fn resource(raw_key: Option<&str>, query: Query<'_>, may_list: bool) -> Result<Resource, Problem> {
    let invalid = |e: headwater_types::KeyError| Problem::new(ErrorCode::InvalidKey, e.to_string());
    if let Some(raw) = raw_key {
        return ObjectKey::from_raw_path(raw).map(Resource::Object).map_err(invalid);
    }
    if may_list && query.has("list") {
        return Ok(Resource::Listing);
    }
    let mut plain = query.all("key");
    let mut base64 = query.all("key_base64");
    let key = match (plain.next(), base64.next(), plain.next().or(base64.next())) {
        (Some(raw), None, None) => ObjectKey::from_raw_query(raw),
        (None, Some(raw), None) => ObjectKey::from_raw_base64(raw),
        (None, None, _) => Err(headwater_types::KeyError::Empty),
        _ => {
            let detail = "more than one key: give one of the path, ?key= and ?key_base64=";
            return Err(Problem::new(ErrorCode::InvalidKey, detail));
        }
    };
    key.map(Resource::Object).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<(String, Resource), &'static str> {
        let uri: http::Uri = uri.parse().unwrap();
        let target = split(uri.path())
            .and_then(|(namespace, raw)| Ok((namespace.to_owned(), resource(raw, Query::of(&uri), true)?)));
        target.map_err(|problem| problem.code.code())
    }

    #[test]
    fn forms_of_addressing() {
        let object = |key: &str| Ok(("ns".to_owned(), Resource::Object(ObjectKey::parse(key).unwrap())));
        for (uri, want) in [
            ("/cache/ns/a/b.ts", object("a/b.ts")),
            ("/cache/ns/a%20b.ts", object("a b.ts")),
            ("/cache/ns/a+b.ts?ttl_seconds=3600&x", object("a+b.ts")),
            ("/cache/ns/a.ts?key=b.ts&list", object("a.ts")),
            ("/cache/ns?key=a%2Fb.ts", object("a/b.ts")),
            ("/cache/ns?key_base64=YS9iLnRz", object("a/b.ts")),
            ("/cache/ns?list&prefix=a", Ok(("ns".to_owned(), Resource::Listing))),
            ("/cache/ns", Err("invalid_key")),
            ("/cache/ns/", Err("invalid_key")),
            ("/cache/ns/a/", Err("invalid_key")),
            ("/cache/ns/a%2Fb", Err("invalid_key")),
            ("/cache/ns/a%252Fb", Err("invalid_key")),
            ("/cache/ns/../b", Err("invalid_key")),
            ("/cache/ns?key=a&key=b", Err("invalid_key")),
            ("/cache/ns?key=a&key_base64=YQ", Err("invalid_key")),
            ("/cache/ns?key_base64=YQ&key_base64=YQ", Err("invalid_key")),
            ("/cache/NS/a", Err("invalid_namespace")),
            ("/cache//a", Err("invalid_namespace")),
            ("/cache/", Err("invalid_namespace")),
            ("/cache", Err("not_found")),
            ("/", Err("not_found")),
            ("/CACHE/ns/a", Err("not_found")),
        ] {
            assert_eq!(parse(uri), want, "{uri}");
        }
    }

    #[test]
    fn only_reads_list() {
        let uri: http::Uri = "/cache/ns?list".parse().unwrap();
        assert!(resource(None, Query::of(&uri), false).is_err());
    }
}

//! What a listing asks for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use headwater_types::{
    ErrorCode,
    limits::{KEY_BYTES_MAX, LIST_LIMIT_MAX},
};

use crate::{problem::Problem, query::Query};

/// The parameters of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Names that begin so; may be empty.
    pub prefix: String,
    /// Fold what goes on with a `/` behind the prefix.
    pub fold: bool,
    /// At most so many names.
    pub limit: usize,
    /// Only names after this one.
    pub after: Option<String>,
}

impl Listing {
    /// Reads them. Unknown parameters are ignored.
    pub fn parse(query: Query<'_>) -> Result<Self, Problem> {
        let prefix = query.first("prefix").map(decode).transpose()?.unwrap_or_default();
        if prefix.len() > KEY_BYTES_MAX {
            return Err(invalid("prefix is longer than any key"));
        }
        let fold = match query.first("delimiter").map(decode).transpose()?.as_deref() {
            None | Some("") => false,
            Some("/") => true,
            Some(_) => return Err(invalid("delimiter must be /")),
        };
        let limit = match query.first("limit") {
            None => LIST_LIMIT_MAX,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| {
                    (1..=LIST_LIMIT_MAX).contains(limit) && text.bytes().all(|b| b.is_ascii_digit())
                })
                .ok_or_else(|| invalid("limit must be 1 to 1000"))?,
        };
        let after = query.first("cursor").map(|cursor| from_cursor(cursor, &prefix)).transpose()?;
        Ok(Self { prefix, fold, limit, after })
    }
}

/// The cursor that goes on after `name`. Opaque to clients.
pub(crate) fn to_cursor(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

fn from_cursor(cursor: &str, prefix: &str) -> Result<String, Problem> {
    let name = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let fits =
        |name: &String| name.len() > prefix.len() && name.len() <= KEY_BYTES_MAX && name.starts_with(prefix);
    name.filter(fits).ok_or_else(|| invalid("cursor is not one that a listing of this prefix gave"))
}

fn decode(raw: &str) -> Result<String, Problem> {
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8();
    decoded.map(Into::into).map_err(|_| invalid("a parameter is not UTF-8"))
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::InvalidList, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Listing, &'static str> {
        let uri: http::Uri = format!("/cache/ns?list&{query}").parse().unwrap();
        Listing::parse(Query::of(&uri)).map_err(|problem| problem.code.code())
    }

    #[test]
    fn parameters_at_and_past_their_limits() {
        let all = Listing { prefix: String::new(), fold: false, limit: 1000, after: None };
        assert_eq!(parse("x=1"), Ok(all.clone()));
        assert_eq!(parse("prefix=a%2Fb&delimiter=%2F&limit=1").unwrap().prefix, "a/b");
        assert!(parse("delimiter=/").unwrap().fold);
        assert_eq!(parse("limit=1000"), Ok(all));
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=",
            "limit=%2B1",
            "limit=+1",
            "delimiter=-",
            "prefix=%FF",
            "cursor=!",
        ] {
            assert_eq!(parse(bad), Err("invalid_list"), "{bad}");
        }
        let cursor = to_cursor("a/b");
        assert_eq!(parse(&format!("prefix=a/&cursor={cursor}")).unwrap().after.as_deref(), Some("a/b"));
        assert_eq!(parse(&format!("prefix=b/&cursor={cursor}")), Err("invalid_list"));
    }
}

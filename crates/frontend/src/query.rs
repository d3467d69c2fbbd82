//! The raw query string: pairs as they were sent, nothing decoded.

/// A query string, without its `?`. Values are handed out raw; names are compared as they were sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Of a URI.
    pub fn of(uri: &'a http::Uri) -> Self {
        Self(uri.query().unwrap_or(""))
    }

    /// All pairs in order; a name without `=` has an empty value.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let parts = self.0.split('&').filter(|part| !part.is_empty());
        parts.map(|part| part.split_once('=').unwrap_or((part, "")))
    }

    /// The first value of a name.
    pub fn first(self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All values of a name.
    pub fn all(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Whether a name is there.
    pub fn has(self, name: &str) -> bool {
        !self.0.is_empty() && self.first(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_raw_and_in_order() {
        let query = Query("a=1&&b&a=%32=x&=y");
        assert_eq!(query.pairs().collect::<Vec<_>>(), [("a", "1"), ("b", ""), ("a", "%32=x"), ("", "y")]);
        assert_eq!(query.first("a"), Some("1"));
        assert_eq!(query.all("a").count(), 2);
        assert!(query.has("b") && !query.has("c") && !Query("").has(""));
    }
}

//! The parameters of a signed URL.

use std::borrow::Cow;

use crate::query::Query;

/// Digits of the largest time that is read.
const EXP_DIGITS_MAX: usize = 20;

/// `hw_exp`, `hw_prefix`, `hw_kid` and `hw_sig`, the signature not checked yet. It has no `Debug`.
pub(crate) struct SignedUrl<'a> {
    /// Until when, in seconds since 1970.
    pub exp: u64,
    /// Names below it, decoded. Empty: all of the namespace.
    pub prefix: Cow<'a, str>,
    /// Which key signs.
    pub kid: Cow<'a, str>,
    /// base64url of the HMAC.
    pub signature: Cow<'a, str>,
}

impl<'a> SignedUrl<'a> {
    /// Reads the four parameters, the first of each name; `None` if one is missing or malformed.
    pub fn of(query: Query<'a>) -> Option<Self> {
        let (mut exp, mut prefix, mut kid, mut signature) = (None, None, None, None);
        for (name, value) in query.pairs() {
            let field = match name {
                "hw_exp" => &mut exp,
                "hw_prefix" => &mut prefix,
                "hw_kid" => &mut kid,
                "hw_sig" => &mut signature,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        let decoded = |raw: &'a str| percent_encoding::percent_decode_str(raw).decode_utf8().ok();
        let exp = exp?;
        // Only digits: the standard library would read a sign, too.
        let digits = exp.len() <= EXP_DIGITS_MAX && exp.bytes().all(|b| b.is_ascii_digit());
        Some(Self {
            exp: digits.then(|| exp.parse().ok())??,
            prefix: decoded(prefix?)?,
            kid: decoded(kid?)?,
            signature: decoded(signature?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Option<(u64, String, String, String)> {
        let uri: http::Uri = format!("/cache/ns/a?{query}").parse().unwrap();
        let url = SignedUrl::of(Query::of(&uri))?;
        Some((url.exp, url.prefix.into_owned(), url.kid.into_owned(), url.signature.into_owned()))
    }

    #[test]
    fn all_four_and_the_first_of_each() {
        let good = "hw_exp=18446744073709551615&hw_prefix=a%2F%C3%A9+/&x=1&hw_kid=k&hw_sig=s-_&hw_sig=t";
        assert_eq!(read(good), Some((u64::MAX, "a/é+/".into(), "k".into(), "s-_".into())));
        assert_eq!(read("hw_sig=s&hw_kid=k&hw_prefix=&hw_exp=0").unwrap().1, "");
        for missing in ["hw_exp", "hw_prefix", "hw_kid", "hw_sig"] {
            assert_eq!(read(&good.replace(missing, "other")), None, "{missing}");
        }
        for bad in ["+1", "-1", "", "1.5", "18446744073709551616", "000000000000000000001"] {
            assert_eq!(read(&format!("hw_exp={bad}&hw_prefix=a/&hw_kid=k&hw_sig=s")), None, "{bad}");
        }
        assert_eq!(read("hw_exp=1&hw_prefix=%ff&hw_kid=k&hw_sig=s"), None);
    }
}

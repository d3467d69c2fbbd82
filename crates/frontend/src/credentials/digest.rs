//! Answers to a Digest challenge (RFC 7616): read from a header, and compared with what the key's hash gives.

use headwater_meta::DigestHashes;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use subtle::ConstantTimeEq;

/// Most parameters of one header: the RFC names thirteen.
const PARAMETERS_MAX: usize = 20;

/// What is hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha256,
}

/// A Digest answer of `qop=auth`, the only protection that is offered. It has no `Debug`: the response is as good as a
/// password until its nonce ends.
#[derive(PartialEq, Eq)]
pub(crate) struct DigestAnswer<'a> {
    pub username: Cow<'a, str>,
    pub realm: Cow<'a, str>,
    pub nonce: Cow<'a, str>,
    pub uri: Cow<'a, str>,
    algorithm: Algorithm,
    response: Cow<'a, str>,
    cnonce: Cow<'a, str>,
    nc: Cow<'a, str>,
}

impl<'a> DigestAnswer<'a> {
    /// Reads what follows `Digest ` in an Authorization header. `None` if a parameter is malformed, missing or there
    /// twice, or asks for what is not supported: session algorithms, `auth-int`, the form without `qop` (RFC 2069),
    /// hashed or extended user names.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parameters = Parameters::read(text)?;
        let algorithm = match parameters.take("algorithm") {
            None => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        let hashed = parameters.take("userhash").is_some_and(|value| !value.eq_ignore_ascii_case("false"));
        if hashed || !parameters.take("qop")?.eq_ignore_ascii_case("auth") {
            return None;
        }
        let nc = parameters.take("nc")?;
        let cnonce = parameters.take("cnonce")?;
        if nc.len() != 8 || !nc.bytes().all(|b| b.is_ascii_hexdigit()) || cnonce.is_empty() {
            return None;
        }
        Some(Self {
            username: parameters.take("username")?,
            realm: parameters.take("realm")?,
            nonce: parameters.take("nonce")?,
            uri: parameters.take("uri")?,
            response: parameters.take("response")?,
            algorithm,
            cnonce,
            nc,
        })
    }

    /// Whether the response is the one that whoever has the key gives to `method`, in a time that does not depend on it.
    pub fn is_right(&self, hashes: &DigestHashes, method: &str) -> bool {
        let expected = match self.algorithm {
            Algorithm::Md5 => self.expected::<Md5>(&hashes.md5, method),
            Algorithm::Sha256 => self.expected::<Sha256>(&hashes.sha256, method),
        };
        expected.as_bytes().ct_eq(self.response.as_bytes()).into()
    }

    /// RFC 7616, sections 3.4.1 to 3.4.3.
    fn expected<D: Digest>(&self, a1: &str, method: &str) -> String {
        let a2 = hash::<D>(&[method, &self.uri]);
        hash::<D>(&[a1, &self.nonce, &self.nc, &self.cnonce, "auth", &a2])
    }
}

/// The hash of the parts with `:` between them, in lower-case hexadecimal.
fn hash<D: Digest>(parts: &[&str]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hasher = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    hasher.finalize().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// `name=value` pairs (RFC 9110, section 11.2), names as they were sent.
struct Parameters<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    fn read(mut text: &'a str) -> Option<Self> {
        let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::new();
        loop {
            text = text.trim_start_matches([' ', '\t', ',']);
            if text.is_empty() {
                return Some(Self(pairs));
            }
            let (name, rest) = text.split_once('=')?;
            let name = name.trim_end();
            let (value, rest) = value(rest.trim_start())?;
            let twice = pairs.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
            if pairs.len() == PARAMETERS_MAX || twice || !name.bytes().all(is_name) {
                return None;
            }
            pairs.push((name, value));
            text = rest.trim_start();
            if !text.is_empty() && !text.starts_with(',') {
                return None;
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.0.iter().position(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(self.0.swap_remove(at).1)
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*')
}

/// A value, quoted or not, and what follows it. Encoders quote what the RFC does not, and the other way round.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((Cow::Borrowed(value), rest));
    };
    let end = quoted.find(['"', '\\'])?;
    if quoted[end..].starts_with('"') {
        return Some((Cow::Borrowed(&quoted[..end]), &quoted[end + 1..]));
    }
    let mut unescaped = quoted[..end].to_owned();
    let mut rest = quoted[end..].chars();
    loop {
        match rest.next()? {
            '"' => return Some((Cow::Owned(unescaped), rest.as_str())),
            '\\' => unescaped.push(rest.next()?),
            other => unescaped.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of RFC 7616, section 3.9.1.
    fn example(algorithm: &str, response: &str) -> String {
        format!(
            r#"username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm},
            nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
            cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}",
            opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
        )
        .replace('\n', " ")
    }

    fn hashes() -> DigestHashes {
        let parts = ["Mufasa", "http-auth@example.org", "Circle of Life"];
        DigestHashes { md5: hash::<Md5>(&parts), sha256: hash::<Sha256>(&parts) }
    }

    #[test]
    fn the_example_of_the_rfc() {
        let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        for (algorithm, response) in [("MD5", "8ca523f5e9506fed4657c9700eebdbec"), ("SHA-256", sha256)] {
            let header = example(algorithm, response);
            let answer = DigestAnswer::parse(&header).unwrap();
            assert!(answer.is_right(&hashes(), "GET"), "{algorithm}");
            assert!(!answer.is_right(&hashes(), "PUT"), "{algorithm}");
            let header = example(algorithm, &response.replacen('7', "8", 1));
            assert!(!DigestAnswer::parse(&header).unwrap().is_right(&hashes(), "GET"), "{algorithm}");
        }
        // Without an algorithm it is MD5; the one of the other algorithm is wrong.
        let header = example("MD5", "8ca523f5e9506fed4657c9700eebdbec").replace("algorithm=MD5,", "");
        assert!(DigestAnswer::parse(&header).unwrap().is_right(&hashes(), "GET"));
        assert!(!DigestAnswer::parse(&example("MD5", sha256)).unwrap().is_right(&hashes(), "GET"));
    }

    #[test]
    fn quoting_is_as_encoders_do_it_and_what_is_not_supported_is_none() {
        let good = r#"username="u",realm="r" , nonce=n,URI="/a?b=\"c\"",response="x",qop="auth",cnonce=c,nc="0000000f""#;
        let answer = DigestAnswer::parse(good).unwrap();
        assert_eq!((&*answer.username, &*answer.uri, &*answer.nonce), ("u", r#"/a?b="c""#, "n"));
        for (from, to) in [
            ("qop=\"auth\"", "qop=\"auth-int\""),
            ("qop=\"auth\",", ""),
            ("nc=\"0000000f\"", "nc=\"f\""),
            ("nc=\"0000000f\"", "nc=\"0000000g\""),
            ("cnonce=c", "cnonce="),
            ("cnonce=c,", ""),
            ("username=\"u\",", ""),
            ("username=\"u\"", "username*=UTF-8''u"),
            ("username=\"u\"", "username=\"u\",userhash=true"),
            ("username=\"u\"", "username=\"u\",username=\"v\""),
            ("username=\"u\"", "username=\"u\" x"),
            ("username=\"u\"", "username=\"u"),
            ("realm=\"r\"", "realm=\"r\\"),
            ("nonce=n", "nonce=n,algorithm=MD5-sess"),
            ("nonce=n", "nonce=n,algorithm=SHA-512-256"),
            ("nonce=n", "nonce=n,a b=c"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert!(bad != good && DigestAnswer::parse(&bad).is_none(), "{bad}");
        }
        let more = |count: usize| (0..count).fold(good.to_owned(), |text, i| format!("{text},x{i}=1"));
        assert!(DigestAnswer::parse(&more(PARAMETERS_MAX - 8)).is_some());
        assert!(DigestAnswer::parse(&more(PARAMETERS_MAX - 7)).is_none());
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_panics(text in r#"(\PC|["\\,= ]|nc=|qop=auth|username=){0,60}"#) {
            DigestAnswer::parse(&text);
        }

        #[test]
        fn what_is_quoted_comes_back(realm in r#"[ -~é]{0,40}"#) {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!(
                r#"realm="{quoted}",username="u",nonce="n",uri="/",response="x",qop=auth,cnonce="c",nc=00000001"#
            );
            prop_assert_eq!(DigestAnswer::parse(&text).unwrap().realm, realm);
        }
    }
}

//! The one table of errors that clients see: stable code, HTTP status, title.

/// A stable error code. Codes are never renamed or used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each row of the table below says what it means")]
pub enum ErrorCode {
    BadRequest,
    InvalidNamespace,
    InvalidKey,
    InvalidTtl,
    InvalidHeader,
    MetaTooLarge,
    ContentRange,
    MalformedDigest,
    DigestMismatch,
    BodyIncomplete,
    InvalidList,
    Unauthorized,
    Forbidden,
    Blocked,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    LengthRequired,
    PreconditionFailed,
    TooLarge,
    RangeNotSatisfiable,
    RateLimited,
    HeadersTooLarge,
    Internal,
    Overloaded,
    OutcomeUnknown,
    Unavailable,
    MetadataStale,
    NotEmpty,
    Exists,
    TooMany,
    Capacity,
    Conflict,
    InvalidValue,
    BodyTooLarge,
    UnsupportedMediaType,
    NotSupported,
    MetadataUnavailable,
    QuotaExceeded,
}

impl ErrorCode {
    /// Every code, for the documentation and the tests.
    pub const ALL: [Self; 39] = [
        Self::BadRequest,
        Self::InvalidNamespace,
        Self::InvalidKey,
        Self::InvalidTtl,
        Self::InvalidHeader,
        Self::MetaTooLarge,
        Self::ContentRange,
        Self::MalformedDigest,
        Self::DigestMismatch,
        Self::BodyIncomplete,
        Self::InvalidList,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Blocked,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::LengthRequired,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::RangeNotSatisfiable,
        Self::RateLimited,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::Overloaded,
        Self::OutcomeUnknown,
        Self::Unavailable,
        Self::MetadataStale,
        Self::NotEmpty,
        Self::Exists,
        Self::TooMany,
        Self::Capacity,
        Self::Conflict,
        Self::InvalidValue,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::NotSupported,
        Self::MetadataUnavailable,
        Self::QuotaExceeded,
    ];

    /// The row: code, HTTP status, title.
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::BadRequest => ("bad_request", 400, "The request is malformed"),
            Self::InvalidNamespace => ("invalid_namespace", 400, "The namespace name is not allowed"),
            Self::InvalidKey => ("invalid_key", 400, "The object key is not allowed"),
            Self::InvalidTtl => ("invalid_ttl", 400, "ttl_seconds is not allowed"),
            Self::InvalidHeader => ("invalid_header", 400, "A header value is not allowed"),
            Self::MetaTooLarge => ("meta_too_large", 400, "The x-headwater-meta-* headers exceed 2 KiB"),
            Self::ContentRange => ("content_range", 400, "A PUT with Content-Range is not supported"),
            Self::MalformedDigest => ("malformed_digest", 400, "Content-MD5 or Content-Digest is malformed"),
            Self::DigestMismatch => {
                ("digest_mismatch", 400, "The body does not have the digest that was sent")
            }
            Self::BodyIncomplete => ("body_incomplete", 400, "The body ended before it was complete"),
            Self::InvalidList => ("invalid_list", 400, "A listing parameter is not allowed"),
            Self::Unauthorized => ("unauthorized", 401, "No valid credential was presented"),
            Self::Forbidden => ("forbidden", 403, "The credential does not grant this"),
            Self::Blocked => ("blocked", 403, "The operator has blocked this name"),
            Self::NotFound => ("not_found", 404, "There is no such object"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "The method is not allowed here"),
            Self::RequestTimeout => ("request_timeout", 408, "The body stopped arriving"),
            Self::LengthRequired => ("length_required", 411, "The request has no body framing"),
            Self::PreconditionFailed => ("precondition_failed", 412, "A precondition does not hold"),
            Self::TooLarge => ("too_large", 413, "The object is larger than the namespace allows"),
            Self::RangeNotSatisfiable => {
                ("range_not_satisfiable", 416, "The range lies outside of the object")
            }
            Self::RateLimited => ("rate_limited", 429, "A configured rate limit is reached"),
            Self::HeadersTooLarge => ("headers_too_large", 431, "The request's headers are too large"),
            Self::Internal => ("internal", 500, "Something is wrong inside"),
            Self::Overloaded => ("overloaded", 503, "Too much is in flight; nothing was stored"),
            Self::OutcomeUnknown => ("outcome_unknown", 503, "The write may or may not have been stored"),
            Self::Unavailable => ("unavailable", 503, "No replica that may answer did so in time"),
            Self::MetadataStale => ("metadata_stale", 503, "Credentials cannot be checked now"),
            Self::NotEmpty => ("not_empty", 409, "Something is still in it"),
            Self::Exists => ("exists", 409, "The name or id is taken"),
            Self::TooMany => ("too_many", 409, "A bound of the metadata is reached"),
            Self::Capacity => ("capacity", 409, "The hot capacity does not fit"),
            Self::Conflict => ("conflict", 409, "The state of the cluster does not allow this"),
            Self::InvalidValue => ("invalid_value", 400, "A value is not allowed"),
            Self::BodyTooLarge => ("body_too_large", 413, "The request's body is too large"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", 415, "The body is not of a type that is understood here")
            }
            Self::NotSupported => ("not_supported", 501, "A voter of the metadata does not know this yet"),
            Self::MetadataUnavailable => {
                ("metadata_unavailable", 503, "The metadata does not answer; nothing was changed")
            }
            Self::QuotaExceeded => {
                ("quota_exceeded", 507, "The namespace holds more than its quota allows; nothing was stored")
            }
        }
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// The title: one sentence without particulars.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the same request may succeed later without a change.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout
                | Self::BodyIncomplete
                | Self::RateLimited
                | Self::Overloaded
                | Self::OutcomeUnknown
                | Self::Unavailable
                | Self::MetadataStale
                | Self::MetadataUnavailable
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        let codes: BTreeSet<_> = ErrorCode::ALL.iter().map(|c| c.code()).collect();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        assert!(ErrorCode::ALL.iter().all(|c| (400..600).contains(&c.status())));
    }
}
